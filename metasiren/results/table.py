"""The metric tables of runs: read, joined side by side, and written for people and programs.

A table states every difference of conditions: where runs differ in data, split, protocol, number of items or what
the protocol states besides, every row carries a letter, and the letters are explained below the table.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from string import ascii_lowercase
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from metasiren.errors import RunError
from metasiren.json_files import json_object, write_whole
from metasiren.results.comparison import Number
from metasiren.results.text import latex, markdown, unknown_format

MEASURES = ("mse", "mse_stderr", "mse_hidden", "psnr")
PREDICTIVE = ("crps", "coverage_50", "coverage_90", "coverage_95")
"""Measures of rows that give a distribution, not a mean alone."""


Columns = dict[str, Number]


class TableRow(BaseModel):
    """One method's numbers by context; keys are numbers of observed points as text, and null is unknown.

    Attributes:
        name: the method.
        kind: a trained `model`, a training-free `baseline`, or what a `paper` reports.
        mse: mean squared error of values in [0, 1], clipped, over all points and channels.
        mse_stderr: its standard error over items.
        mse_hidden: the same error over unobserved points only; null where all were observed.
        psnr: 10 log10(1 / mse) in dB, per item and then averaged; null where an item was exact.
        crps: continuous ranked probability score of unobserved values in [0, 1], where the method gives a distribution.
        coverage_50, coverage_90, coverage_95: share of unobserved values in the central interval of that probability.
        log_likelihood: joint log-likelihood per target point in nats; its protocol is the table's `likelihood`.
        log_likelihood_stderr: its standard error over items.
        images: number of items evaluated.
        note: key of the table's `notes`, where rows differ in their conditions.
    """

    model_config = ConfigDict(extra="allow")
    name: str
    kind: Literal["model", "baseline", "paper"]
    mse: Columns
    mse_stderr: Columns = {}
    mse_hidden: Columns = {}
    psnr: Columns = {}
    crps: Columns = {}
    coverage_50: Columns = {}
    coverage_90: Columns = {}
    coverage_95: Columns = {}
    log_likelihood: Number = None
    log_likelihood_stderr: Number = None
    images: int | None = None
    note: str | None = None


class Table(BaseModel):
    """Rows, and the conditions under which their numbers hold.

    Further fields are kept. Those that are text are conditions, too: `filter="bilinear"` reads "filter bilinear".

    Attributes:
        dataset: the true name of the data.
        protocol: how contexts were drawn, such as `exact`.
        images: number of items evaluated; null where joined tables differ.
        seeds: number of contexts drawn per item and column; null where joined tables differ.
        split: the items' split.
        labels: what a column means where its key does not say so, such as {"512": "512 (half)"}.
        notes: letter -> conditions, where rows differ in them.
        likelihood: the protocol of the rows' log-likelihoods, CRPS and coverage, in words.
    """

    model_config = ConfigDict(extra="allow")
    dataset: str
    protocol: str
    images: int | None
    seeds: int | None
    split: str | None = None
    labels: dict[str, str] = {}
    rows: list[TableRow] = Field(min_length=1)
    notes: dict[str, str] = {}
    likelihood: str | None = None

    def _repr_html_(self) -> str:
        """What notebooks show: mean squared errors, and their conditions."""
        errors = {key: [row.mse.get(key) for row in self.rows] for key in self.columns}
        shown = pd.DataFrame(
            {"method": [row.name for row in self.rows], "kind": [row.kind for row in self.rows], **errors}
        )
        title = f"Mean squared error by observed points. {escape(self.conditions)}"
        return f"<p>{title}</p>{shown.to_html(index=False, float_format='{:.4g}'.format, na_rep='–')}"

    @property
    def columns(self) -> list[str]:
        """The contexts of all rows, in the order of their first appearance."""
        return list(dict.fromkeys(key for row in self.rows for key in row.mse))

    @property
    def conditions(self) -> str:
        """Data, split, number of items, protocol, seeds and further conditions in words."""
        if self.notes:
            return "Rows differ in their conditions: see the notes"
        split = f", split {self.split}" if self.split else ""
        further = "".join(f", {key.replace('_', ' ')} {words}" for key, words in self.further.items())
        seeds = f", {self.seeds} seed{'' if self.seeds == 1 else 's'}"
        labels = "".join(f", column {key} is {label}" for key, label in self.labels.items())
        return f"{self.dataset}{split}, {self.images} items{further}, protocol {self.protocol}{seeds}{labels}"

    @property
    def further(self) -> dict[str, str]:
        """Conditions beside the named ones, such as {"filter": "bilinear"}."""
        return {key: value for key, value in (self.model_extra or {}).items() if isinstance(value, str)}


def read_table(path: str | Path) -> Table:
    """The table of a run directory, or a table.json itself.

    Raises:
        RunError: there is none, or it is not what `Table` describes.
    """
    path = Path(path)
    file = next((p for p in (path / "results" / "table.json", path / "table.json") if p.is_file()), path)
    if not file.is_file():
        raise RunError(str(path), "holds no results/table.json.", "Write it with `metasiren evaluate RUN`.")
    try:
        return Table.model_validate(json_object(file.read_text("utf-8")))
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc'])) or 'table'}: {e['msg']}" for e in error.errors()[:3]]
        found = f"not a metric table: {'; '.join(problems)}."
    except (ValueError, OSError) as error:
        found = f"not readable as JSON: {error}."
    raise RunError(str(file), found, "Write it anew with `metasiren evaluate RUN`.")


def distinct(named: Sequence[tuple[str, Table]]) -> list[Table]:
    """Tables of runs whose models have names of their own: where two share one, each gets its run's name beside it.

    Args:
        named: (name of the run's directory, its table).
    """
    count = Counter(row.name for _, table in named for row in table.rows if row.kind == "model")
    made = []
    for run, table in named:
        rows = [
            row.model_copy(update={"name": f"{row.name} [{run}]"})
            if row.kind == "model" and count[row.name] > 1
            else row
            for row in table.rows
        ]
        made.append(table.model_copy(update={"rows": rows}))
    return made


def join_tables(tables: Sequence[Table]) -> Table:
    """Several runs side by side: models first, then training-free baselines, each paper's rows once.

    A baseline that was evaluated under the same conditions on the same images is shown once. Models of one name
    are numbered.

    Raises:
        RunError: no table was given.
    """
    if not tables:
        raise RunError("table", "no runs were given.", "Name one run directory or more.")
    stated = [(row, t.notes.get(row.note or "", t.conditions)) for t in tables for row in t.rows]
    conditions = list(dict.fromkeys(words for row, words in stated if row.kind != "paper"))
    letters = {words: _letter(i) for i, words in enumerate(conditions)} if len(conditions) > 1 else {}
    kept: dict[tuple[Any, ...], TableRow] = {}
    names: dict[str, int] = {}
    for row, words in stated:
        note = None if row.kind == "paper" else letters.get(words)
        name, key = row.name, (row.kind, row.name, note, row.images)
        if row.kind == "model":
            names[name] = names.get(name, 0) + 1
            name = name if names[name] == 1 else f"{name} ({names[name]})"
            key = (row.kind, name, note, len(kept))
        kept.setdefault(key, row.model_copy(update={"name": name, "note": note}))
    rows = [row for kind in ("model", "baseline", "paper") for row in kept.values() if row.kind == kind]
    further = dict.fromkeys(key for t in tables for key in t.further)
    return Table(
        **{key: _common(t.further[key] for t in tables if key in t.further) for key in further},
        dataset=_common(t.dataset for t in tables),
        protocol=_common(t.protocol for t in tables),
        images=_same(t.images for t in tables),
        seeds=_same(t.seeds for t in tables),
        split=_same(t.split for t in tables),
        labels={
            key: _common(t.labels.get(key, key) for t in tables if key in t.columns) for t in tables for key in t.labels
        },
        rows=rows,
        likelihood=_common(t.likelihood for t in tables if t.likelihood) or None,
        notes={letter: words for words, letter in letters.items()},
    )


def _letter(index: int) -> str:
    return ascii_lowercase[index] if index < len(ascii_lowercase) else str(index + 1)


def _common(words: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(words))


def _same(values: Iterable[Any]) -> Any:
    found = set(values)
    return found.pop() if len(found) == 1 else None


def table_frame(table: Table) -> pd.DataFrame:
    """One line per row; columns `name`, `kind`, `images`, the conditions, and `mse_10`, `mse_stderr_10`, ..."""
    lines = []
    predictive = any(row.crps or row.log_likelihood is not None for row in table.rows)
    measures = MEASURES + PREDICTIVE if predictive else MEASURES
    for row in table.rows:
        line: dict[str, Any] = {"name": row.name, "kind": row.kind, "images": row.images}
        if row.kind != "paper":
            line["conditions"] = table.notes.get(row.note or "", table.conditions)
        numbers = {f"{m}_{key}": getattr(row, m).get(key) for m in measures for key in table.columns}
        if predictive:
            numbers["log_likelihood"] = row.log_likelihood
        lines.append(line | numbers)
    return pd.DataFrame(lines).astype({"images": "Int64"})


def render_table(table: Table, format: str = "markdown") -> str:
    """The table as text.

    Args:
        table: of one run, or joined.
        format: `markdown`, `latex`, `csv` or `json`.

    Raises:
        RunError: an unknown format.
    """
    if format == "markdown":
        return markdown(table)
    if format == "latex":
        return latex(table)
    if format == "csv":
        return table_frame(table).to_csv(index=False, lineterminator="\n")
    if format == "json":
        return json.dumps(table.model_dump(exclude_defaults=False), indent=2, allow_nan=False) + "\n"
    raise unknown_format(format)


def write_table(table: Table, folder: str | Path) -> None:
    """Write table.json, .csv, .md and .tex into a folder that exists."""
    for suffix, format in (("json", "json"), ("csv", "csv"), ("md", "markdown"), ("tex", "latex")):
        write_whole(Path(folder) / f"table.{suffix}", render_table(table, format))
