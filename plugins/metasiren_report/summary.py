"""A run directory in a few lines: recipe, data, time and main numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metasiren import MetasirenError, Run, RunError, json_object, open_run

MOST_JSON = 16 << 20
HEADLINES = 3


@dataclass(frozen=True)
class Summary:
    """The main properties of a run.

    Attributes:
        run: the run.
        data: the title of its data.
        steps: steps done; None where nothing says how many.
        planned: steps that the recipe asks for.
        seconds: of training, or None.
        state: `finished`, `stopped early` (the reason follows), `not evaluated`, or `not finished`.
        numbers: name -> value of the model's first metrics.
        size: bytes on disk.
    """

    run: Run
    data: str
    steps: int | None
    planned: int | None
    seconds: float | None
    state: str
    numbers: Mapping[str, float]
    size: int

    @property
    def headline(self) -> str:
        """The main numbers as text, such as `psnr_db 31.2, ssim 0.94`."""
        return ", ".join(f"{name} {value:.4g}" for name, value in self.numbers.items()) or "–"

    @property
    def progress(self) -> str:
        """The state as text, with the steps done where training has not ended: `not finished, 247 of 400 steps`."""
        if self.state != "not finished" or self.steps is None:
            return self.state
        return f"{self.state}, {self.steps:,}{f' of {self.planned:,}' if self.planned else ''} steps"

    @property
    def duration(self) -> str:
        """The training time as text."""
        return "–" if self.seconds is None else words_of(self.seconds)


def words_of(seconds: float) -> str:
    """A duration in words: 8.1 s, 2 min 5 s, 3 h 12 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, left = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {left} s"
    return f"{minutes // 60} h {minutes % 60} min"


def summarise(run: Run) -> Summary:
    """Read a run's small files; whatever is missing or damaged is left out."""
    training = json_or_empty(run.results / "training.json")
    steps, planned = _integer(training.get("steps")), _integer(run.environment.get("steps"))
    state, stopped = "not finished", training.get("stopped")
    if steps is not None and not _evaluated(run, steps):
        state = "not evaluated"
    elif steps is not None:
        early = bool(stopped) and (planned is None or steps < planned)
        state = f"stopped early: {stopped}" if early else "finished"
    return Summary(
        run=run,
        data=str((run.environment.get("dataset") or {}).get("title", "?")),
        steps=_integer(json_or_empty(run.path / "status.json").get("step")) if steps is None else steps,
        planned=planned,
        seconds=_number(training.get("seconds")),
        state=state,
        numbers=headline_numbers(run),
        size=sum(path.stat().st_size for path in run.path.rglob("*") if path.is_file() and not path.is_symlink()),
    )


def _evaluated(run: Run, steps: int) -> bool:
    """Whether there are results of the weights after the last step; of runs without a status.json it is assumed."""
    if json_or_empty(run.results / "evaluated.json").get("step") == steps:
        return True
    return json_or_empty(run.path / "status.json").get("state") in (None, "finished", "stopped early")


def headline_numbers(run: Run, most: int = HEADLINES) -> dict[str, float]:
    """The model's first metrics: mean squared errors by context for a prior, else those of results/metrics.json."""
    table = json_or_empty(run.results / "table.json")
    rows = table.get("rows")
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and row.get("kind") == "model" and isinstance(row.get("mse"), dict):
            named = {f"mse at {key}": value for key, value in row["mse"].items()}
            return _finite(named, most)
    return _finite(json_or_empty(run.results / "metrics.json"), most)


def json_or_empty(path: Path) -> dict[str, Any]:
    """A JSON object; an empty one where the file is missing, larger than 16 MB, damaged or something else."""
    try:
        if path.is_symlink() or path.stat().st_size > MOST_JSON:
            return {}
        return json_object(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def find_runs(folder: Path) -> list[Run]:
    """Every run in a folder and the folders below it, the newest last.

    Raises:
        RunError: there is no such folder.
    """
    if not folder.is_dir():
        raise RunError(str(folder), "there is no such folder.", "Name a folder that holds runs, such as runs.")
    found = list(_walk(folder))
    return sorted(found, key=lambda run: str(run.environment.get("started", "")))


def _walk(folder: Path) -> Iterator[Run]:
    for path in sorted(folder.rglob("environment.json")):
        try:
            yield open_run(path.parent)
        except MetasirenError:
            continue


def _finite(named: Mapping[str, Any], most: int) -> dict[str, float]:
    numbers = {name: _number(value) for name, value in named.items()}
    kept = [(name, value) for name, value in numbers.items() if value is not None]
    return dict(kept[:most])


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
