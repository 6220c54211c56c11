"""A metric table as Markdown and as LaTeX."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from metasiren.errors import RunError, did_you_mean

if TYPE_CHECKING:
    from metasiren.results.table import Table, TableRow

Key = TypeVar("Key", bound=Hashable)

FORMATS = ("markdown", "latex", "csv", "json")

MSE = "Mean squared error of values in [0, 1], clipped, over all points and channels (± standard error over items)"
HIDDEN = "The same over unobserved points only"
PSNR = "Peak signal-to-noise ratio in dB, averaged over items"

BOLD = (
    "Bold: the least number of a column, and each that differs from it by no more than the standard error of the "
    "difference, the root of the sum of both squared standard errors"
)

LIKELIHOOD = "Joint log-likelihood per target point (± standard error over items; more is better)"
DISTRIBUTIONS = {
    "crps": "Continuous ranked probability score of unobserved values in [0, 1] (less is better)",
    "coverage_50": "Share of unobserved values inside the central 50 % interval",
    "coverage_90": "Share of unobserved values inside the central 90 % interval",
    "coverage_95": "Share of unobserved values inside the central 95 % interval",
}


def markdown(table: Table) -> str:
    """Markdown tables (MSE, unobserved points only, PSNR, and of distributions) under one line of conditions."""
    blocks = [f"{plain(table.conditions)}.", f"{MSE}:", grid := _grid(table, "mse")]
    blocks += [f"{BOLD}."] if "**" in grid else []
    for measure, title in (("mse_hidden", HIDDEN), ("psnr", PSNR)):
        if any(value is not None for row in table.rows for value in getattr(row, measure).values()):
            blocks += [f"{title}:", _grid(table, measure)]
    blocks += _distributions(table)
    if table.notes:
        blocks.append("\n".join(f"- ({letter}) {plain(words)}" for letter, words in table.notes.items()))
    return "\n\n".join(blocks) + "\n"


def _distributions(table: Table) -> list[str]:
    """What rows with a predictive distribution have: CRPS, coverage and log-likelihood."""
    blocks = []
    for measure, title in DISTRIBUTIONS.items():
        if any(value is not None for row in table.rows for value in getattr(row, measure).values()):
            blocks += [f"{title}:", _grid(table, measure)]
    scored = [row for row in table.rows if row.log_likelihood is not None]
    if scored:
        lines = []
        for row in scored:
            error = "" if row.log_likelihood_stderr is None else f" ± {row.log_likelihood_stderr:.2f}"
            lines.append([plain(row.name), f"{row.log_likelihood:.2f}{error}"])
        blocks += [f"{LIKELIHOOD}:", markdown_grid(["", "nats"], lines)]
    if table.likelihood and blocks:
        blocks.append(plain(table.likelihood) + ".")
    return blocks


def latex(table: Table) -> str:
    """A LaTeX table of mean squared errors; needs no package."""
    heads, lines = cells(table, "mse", lambda text: f"\\textbf{{{text}}}", tex, "$\\pm$")
    rule = f" {tex(BOLD)}." if any("\\textbf" in cell for line in lines for cell in line) else ""
    notes = "".join(f" ({letter}) {tex(words)}." for letter, words in table.notes.items())
    return latex_grid(heads, lines, f"{tex(MSE)}. {tex(table.conditions)}.{rule}{notes}")


def latex_grid(heads: Sequence[str], lines: Sequence[Sequence[str]], caption: str) -> str:
    """A LaTeX table of cells that are LaTeX already."""
    body = " \\\\\n".join(" & ".join(line) for line in lines)
    return (
        f"\\begin{{table}}\n\\centering\n\\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}\n\\hline\n"
        f"{' & '.join(heads)} \\\\\n\\hline\n{body} \\\\\n\\hline\n\\end{{tabular}}\n"
        f"\\caption{{{caption}}}\n\\end{{table}}\n"
    )


def cells(
    table: Table, measure: str, bold: Callable[[str], str], escape: Callable[[str], str], plus_minus: str
) -> tuple[list[str], list[list[str]]]:
    """The heads and the lines of one measure's table, every cell as text; `bold` marks those of `leading`."""
    rows = table.rows if measure == "mse" else [row for row in table.rows if getattr(row, measure)]
    counts = {row.images for row in rows if row.kind != "paper"}
    varied = len(counts) > 1
    marked = [(row.note, key) for row in rows for key in table.columns] if measure == "mse" else []
    best = {(note, key): leading(rows, note, key) for note, key in dict.fromkeys(marked)}
    heads = ["", *(["items"] if varied else []), *(escape(table.labels.get(key, key)) for key in table.columns)]
    lines = []
    for row in rows:
        note = f" ({row.note})" if row.note else ""
        line = [escape(row.name) + note, *([str(row.images or "")] if varied else [])]
        numbers: Mapping[str, float | None] = getattr(row, measure)
        for key in table.columns:
            value = numbers.get(key)
            text = "–" if value is None else number(value, measure, exact=row.kind == "paper")
            error = row.mse_stderr.get(key) if measure == "mse" else None
            if any(row is each for each in best.get((row.note, key), ())):
                text = bold(text)
            line.append(text if error is None or value is None else f"{text} {plus_minus} {number(error, 'stderr')}")
        lines.append(line)
    return heads, lines


def least_within_errors(values: Mapping[Key, float], errors: Mapping[Key, float | None]) -> list[Key]:
    """The keys of the least value, and of those that are not apart from it.

    Two numbers are apart where they differ by more than the root of the sum of both squared standard errors.

    Args:
        values: finite numbers by key.
        errors: standard errors by the same keys.

    Returns:
        none where a standard error is not known, or where there is nothing to compare with.
    """
    known = {key: error for key in values if (error := errors.get(key)) is not None and math.isfinite(error)}
    if len(values) < 2 or len(known) < len(values):
        return []
    least = min(values, key=lambda key: values[key])
    return [key for key, value in values.items() if value - values[least] <= math.hypot(known[least], known[key])]


def leading(rows: Sequence[TableRow], note: str | None, key: str) -> list[TableRow]:
    """The models and baselines of one note with the least error in a column; see `least_within_errors`."""
    mine = [row for row in rows if row.kind != "paper" and row.note == note]
    values = {i: value for i, row in enumerate(mine) if (value := row.mse.get(key)) is not None}
    errors = {i: mine[i].mse_stderr.get(key) for i in values}
    return [mine[i] for i in least_within_errors(values, errors)]


def number(value: float, measure: str, *, exact: bool = False) -> str:
    """Three significant digits (two of a standard error, two decimals of a PSNR), never in powers of ten."""
    if measure == "psnr":
        return f"{value:.2f}"
    digits = 2 if measure == "stderr" else 3
    if exact:
        return np.format_float_positional(value, precision=digits, fractional=False, trim="-") if value else "0"
    return format(Decimal(f"{value:.{digits - 1}e}"), "f") if value else "0"


def _grid(table: Table, measure: str) -> str:
    return markdown_grid(*cells(table, measure, lambda text: f"**{text}**", plain, "±"))


def markdown_grid(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table: the first column to the left, the others to the right."""
    rule = ["---", *["---:"] * (len(heads) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (heads, rule, *lines))


def plain(text: str) -> str:
    """Text as the cell of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")


def unknown_format(format: str) -> RunError:
    """The error of a format that tables are not written in."""
    advice = f"{did_you_mean(format, FORMATS)}\nformats: {', '.join(FORMATS)}".strip()
    return RunError("table: format", f"no format is called {format!r}.", advice)


_TEX = {"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "±": "$\\pm$"}


def tex(text: str) -> str:
    """Text as LaTeX."""
    return re.sub(r"[\\~^±&%$#_{}]", lambda m: _TEX.get(m[0], "\\" + m[0]), text.replace("\n", " "))
