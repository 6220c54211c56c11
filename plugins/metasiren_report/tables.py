"""Metric tables of runs as plain rows of text, for pages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metasiren import Run, RunError, read_table
from metasiren_report.leading import leading_cells
from metasiren_report.summary import json_or_empty
from metasiren_report.wording import metric_title


@dataclass(frozen=True)
class Grid:
    """A table.

    Attributes:
        title: what its numbers are.
        heads: of the columns after the first two (name, kind).
        rows: name, kind, cells.
        notes: what else is known of each row; empty where nothing is.
        corner: what the heads count, where their title does not say so.
        leading: cells that are bold, as (row, column), both counted from 0.
    """

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[str, ...]], ...]
    notes: tuple[str, ...] = ()
    corner: str = ""
    leading: frozenset[tuple[int, int]] = frozenset()

    @property
    def rule(self) -> str:
        """Which numbers are bold."""
        least = (
            "the least error for each number of observed points, and errors within the standard error of the difference"
        )
        return least if self.corner else "the best number by each measure"

    @property
    def tall(self) -> bool:
        """Whether a page shows methods as columns: few of them, with at least as many numbers."""
        return len(self.rows) <= 4 and len(self.heads) >= len(self.rows)


def grid_of(run: Run) -> Grid | None:
    """The run's table of a prior, else its comparison, else its metrics; None where it has no numbers yet."""
    table = json_or_empty(run.results / "table.json")
    if isinstance(table.get("rows"), list) and table["rows"]:
        labels = table.get("labels") if isinstance(table.get("labels"), dict) else {}
        try:
            conditions = read_table(run.results).conditions
        except RunError:
            conditions = str(table.get("dataset"))
        title = f"Mean squared error by observed points. {conditions}"
        return _grid(title, table["rows"], "mse", labels or {}, corner="observed points")
    comparison = json_or_empty(run.results / "comparison.json")
    if isinstance(comparison.get("rows"), list) and comparison["rows"]:
        return _grid(str(comparison.get("title", "")), comparison["rows"], "metrics", {})
    metrics = json_or_empty(run.results / "metrics.json")
    row = {"name": run.label, "kind": "model", "metrics": metrics}
    return _grid("Metrics", [row], "metrics", {}) if metrics else None


def _grid(title: str, rows: Sequence[Any], measure: str, labels: Mapping[str, Any], *, corner: str = "") -> Grid:
    kept = [row for row in rows if isinstance(row, dict) and isinstance(row.get(measure), dict)]
    keys = list(dict.fromkeys(key for row in kept for key in row[measure]))
    lines = tuple(
        (str(row.get("name")), str(row.get("kind")), tuple(cell(row[measure].get(key)) for key in keys)) for row in kept
    )
    heads = tuple(metric_title(str(labels.get(key, key))) for key in keys)
    leading = frozenset((row, keys.index(key)) for row, key in leading_cells(kept, measure, keys))
    return Grid(title, heads, lines, tuple(str(row.get("note") or "") for row in kept), corner, leading)


def cell(value: Any) -> str:
    """A number with four significant digits; a dash for what is unknown."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if value == int(value) and 1e3 <= abs(value) < 1e9 else f"{value:.4g}"
