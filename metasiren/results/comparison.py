"""Metrics of one signal's fit: `results/metrics.json`, and the same metrics of other methods beside it.

Tables of priors over many signals are `metasiren.results.table`'s; here a row is a method and a column a metric.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from metasiren.errors import RunError
from metasiren.json_files import json_object, read_json, write_json, write_whole
from metasiren.results.text import latex_grid, markdown_grid, plain, tex, unknown_format

JSON = "comparison.json"


def _finite(value: object) -> object:
    # JSON has no infinity and no NaN: they are null.
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite)]


class ComparisonRow(BaseModel):
    """One method.

    Attributes:
        name: the method.
        kind: a trained `model`, a `baseline`, or what a `paper` reports.
        metrics: by name with unit, such as `psnr_db`; null is unknown or not finite.
        note: conditions that differ from the other rows'.
    """

    name: str
    kind: Literal["model", "baseline", "paper"]
    metrics: dict[str, Number]
    note: str = ""


class Comparison(BaseModel):
    """Methods side by side on one signal.

    Attributes:
        title: the signal, and the conditions that all rows share.
        rows: the methods.
    """

    title: str
    rows: list[ComparisonRow] = Field(min_length=1)

    def frame(self) -> pd.DataFrame:
        """Methods as rows, metrics as columns."""
        return pd.DataFrame([row.metrics for row in self.rows], index=[row.name for row in self.rows], dtype="float64")

    def _cells(self, escape: Callable[[str], str]) -> tuple[list[str], list[list[str]]]:
        columns = list(dict.fromkeys(name for row in self.rows for name in row.metrics))
        notes = any(row.note for row in self.rows)
        heads = ["", "kind", *map(escape, columns), *(["note"] if notes else [])]
        lines = [
            [escape(row.name), row.kind, *(_cell(row.metrics.get(name)) for name in columns)]
            + ([escape(row.note)] if notes else [])
            for row in self.rows
        ]
        return heads, lines

    def render(self, format: str = "markdown") -> str:
        """The comparison as text; four significant digits for people, and a dash for what is unknown.

        Args:
            format: `markdown`, `latex`, `csv` or `json`.

        Raises:
            RunError: an unknown format.
        """
        if format == "markdown":
            return f"{plain(self.title)}\n\n{markdown_grid(*self._cells(plain))}\n"
        if format == "latex":
            return latex_grid(*self._cells(tex), tex(self.title))
        if format == "csv":
            return self.frame().to_csv(index_label="name", lineterminator="\n")
        if format == "json":
            return self.model_dump_json(indent=2) + "\n"
        raise unknown_format(format)

    def write(self, results: Path) -> None:
        """Write comparison.json, .csv and .md into a run's `results`."""
        for suffix, format in (("json", "json"), ("csv", "csv"), ("md", "markdown")):
            write_whole(results / f"comparison.{suffix}", self.render(format))


def _cell(value: float | None) -> str:
    if value is None:
        return "–"
    whole = value == int(value) and 1e3 <= abs(value) < 1e9
    return f"{value:,.0f}" if whole else f"{value:.4g}"


def write_metrics(results: Path, numbers: Mapping[str, float | None]) -> dict[str, float | None]:
    """Merge numbers into `results/metrics.json`, a flat mapping; what is not finite becomes null.

    Raises:
        RunError: the file is damaged.

    Returns:
        all numbers that the file now holds.
    """
    path = results / "metrics.json"
    held = read_json(path, "Remove it, and evaluate again.") if path.is_file() else {}
    held |= {
        name: None if value is None or not math.isfinite(value) else float(value) for name, value in numbers.items()
    }
    write_json(path, held)
    return held


def is_single(run: Path) -> bool:
    """Whether a run directory holds metrics of one signal, and no table of many."""
    results = run / "results"
    return (results / "metrics.json").is_file() and not (results / "table.json").is_file()


def read_comparison(run: Path) -> Comparison:
    """The comparison of a run directory; of its metrics alone where it holds no other rows.

    Raises:
        RunError: the run holds neither, or the file is damaged.
    """
    results = run / "results"
    path, numbers = results / JSON, results / "metrics.json"
    if not path.is_file() and not numbers.is_file():
        advice = "Write it with `metasiren evaluate RUN`."
        raise RunError(str(run), "holds neither results/comparison.json nor results/metrics.json.", advice)
    try:
        if path.is_file():
            return Comparison.model_validate_json(path.read_text("utf-8"))
        row = ComparisonRow(name=run.name, kind="model", metrics=json_object(numbers.read_text("utf-8")))
        return Comparison(title=run.name, rows=[row])
    except (ValidationError, ValueError) as error:
        raise RunError(
            str(run), f"its results are damaged: {error}", "Write them anew: metasiren evaluate RUN."
        ) from None


def join_comparisons(named: Sequence[tuple[str, Comparison]]) -> Comparison:
    """Runs one below the other; equal baselines appear once, and model rows carry their run's name.

    Where the runs are of different signals or tasks, a note in every row says which.
    """
    several = len({comparison.title for _, comparison in named}) > 1
    rows: list[ComparisonRow] = []
    for run, comparison in named:
        for row in comparison.rows:
            renamed = row.model_copy(update={"name": run if row.name == run else f"{run}: {row.name}"})
            if several:
                note = "; ".join(filter(None, [comparison.title, row.note]))
                row, renamed = row.model_copy(update={"note": note}), renamed.model_copy(update={"note": note})
            chosen = renamed if row.kind == "model" and len(named) > 1 else row
            if chosen not in rows:
                rows.append(chosen)
    title = "Different signals or tasks: see the notes" if several else named[0][1].title
    return Comparison(title=title, rows=rows)
