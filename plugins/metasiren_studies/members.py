"""Results of the variants of one recipe: one table, curves and pictures of several runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from metasiren import Comparison, ComparisonRow, MetasirenError, Run, open_run, read_json
from metasiren_studies.curves import Curve, draw_curves
from metasiren_studies.montage import draw_montage

LAST = ("loss", "steps", "seconds", "parameters")
"""Columns after the metrics: numbers that every run records."""


@dataclass(frozen=True)
class Member:
    """One training of a variant.

    Attributes:
        path: its run directory.
        error: why it failed, or None.
        device: on which it ran, where several were given.
    """

    path: Path
    error: str | None = None
    device: str = ""

    @property
    def recorded(self) -> dict[str, float | None]:
        """Metrics, the last logged loss, steps, seconds and the number of parameters; None where not finite."""
        found: dict[str, Any] = {}
        if self.error is None:
            found |= _json(self.path / "results" / "metrics.json")
        if history := self.history:
            found |= {"loss": history[-1]["loss"], "steps": history[-1]["step"], "seconds": history[-1]["seconds"]}
        training = _json(self.path / "results" / "training.json")
        found |= {key: training[key] for key in ("steps", "seconds") if key in training}
        found |= {k: v for k, v in _json(self.path / "environment.json").items() if k == "parameters"}
        return {k: float(v) if v is not None and math.isfinite(v) else None for k, v in found.items()}

    @property
    def numbers(self) -> dict[str, float]:
        """Those of `recorded` that are finite."""
        return {key: value for key, value in self.recorded.items() if value is not None}

    @property
    def history(self) -> list[dict[str, float]]:
        """The logged steps."""
        return list(open_run(self.path).losses()) if (self.path / "metrics.jsonl").is_file() else []

    @property
    def note(self) -> str:
        """Why it failed or ended early, and whether its length was fitted to a time; empty otherwise."""
        if self.error is not None:
            return f"failed: {self.error}"
        training = _json(self.path / "results" / "training.json")
        stopped = training.get("stopped")
        return "; ".join(filter(None, [training.get("fitted"), stopped and f"stopped early: {stopped}"]))


def reason(problem: Exception) -> str:
    """Why a training failed, in one line."""
    known = isinstance(problem, MetasirenError)
    return " ".join((str(problem) if known else f"{type(problem).__name__}: {problem}").split())


def _json(path: Path) -> dict[str, Any]:
    return read_json(path, "Train the variant again.") if path.is_file() else {}


def write(folder: Path, members: Mapping[str, Sequence[Member]], notes: Mapping[str, str] | None = None) -> Comparison:
    """Write the comparison, curves and pictures of trained variants into their folder.

    Args:
        folder: that holds the runs.
        members: title of each variant -> its trainings.
        notes: title -> what else the table says of a variant.
    """
    rows = [_row(title, each, (notes or {}).get(title, "")) for title, each in members.items()]
    comparison = Comparison(title=_title(folder, members), rows=rows)
    comparison.write(folder)
    curves = [Curve(title, [m.history for m in each if m.history]) for title, each in members.items()]
    draw_curves(curves, folder / "curves.png", psnr=_of_pictures(members))
    first = {title: each[0].path / "results" for title, each in members.items() if each and each[0].error is None}
    draw_montage(first, folder / "figure.png", truth=len(_signals(_opened(members))) <= 1)
    return comparison


def _row(title: str, members: Sequence[Member], note: str) -> ComparisonRow:
    whole = [m for m in members if m.error is None] or list(members)
    numbers = [m.numbers for m in whole]
    names = list(dict.fromkeys(name for each in numbers for name in each))
    names = [n for n in names if n not in LAST] + [n for n in LAST if n in names]
    metrics: dict[str, float | None] = {}
    for name in names:
        values = [each[name] for each in numbers if name in each]
        metrics[name] = mean(values)
        if len(whole) > 1 and name not in ("steps", "parameters"):
            metrics[f"{name}_std"] = stdev(values) if len(values) > 1 else None
    notes = list(dict.fromkeys(m.note for m in members if m.note))
    failed = sum(m.error is not None for m in members)
    devices = ", ".join(dict.fromkeys(m.device for m in members if m.device))
    lead = f"{failed} of {len(members)} seeds failed; " if failed > 0 and len(members) > 1 else ""
    said = "; ".join(filter(None, [note, devices and f"on {devices}", lead + "; ".join(notes)]))
    return ComparisonRow(name=title, kind="model", metrics=metrics, note=said)


def _opened(members: Mapping[str, Sequence[Member]]) -> list[Run]:
    paths = [m.path for each in members.values() for m in each]
    return [open_run(path) for path in paths if (path / "environment.json").is_file()]


def _title(folder: Path, members: Mapping[str, Sequence[Member]]) -> str:
    made = _opened(members)
    if not made:
        return folder.name
    seeds = sorted({r.environment["seed"] for r in made})
    words = (
        f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {', '.join(map(str, seeds))}: mean and standard deviation"
    )
    first = made[0].environment
    recipe = " ".join(filter(None, [first["recipe"], first["preset"] and f"({first['preset']})"]))
    devices = ", ".join(dict.fromkeys(str(r.environment["device"]) for r in made))
    return f"{' / '.join(_signals(made))}: {recipe}; {words}; on {devices}"


def _signals(made: Sequence[Run]) -> list[str]:
    """The titles of the runs' data, each once."""
    return list(dict.fromkeys(r.environment["dataset"]["title"] for r in made))


def _of_pictures(members: Mapping[str, Sequence[Member]]) -> bool:
    """Whether the runs fit pictures (or clips) in [-1, 1] by their mean squared error."""
    made = _opened(members)
    return bool(made) and all("mse" in r.recipe.constraints and len(r.domain.grid or ()) >= 2 for r in made)
