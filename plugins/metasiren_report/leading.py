"""Which cells of a table are bold: the best number of a column, where it is known which direction is better."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from metasiren import least_within_errors

GREATER = re.compile(r"(?!.*std)(.*_)?(psnr|snr)(_.*)?_db|ssim|iou|normal_consistency")
LESS = re.compile(r"(.*_)?(mse|l2|error|chamfer|hausdorff)(_share)?|eikonal_residual|mean_abs_sdf")


def leading_cells(rows: Sequence[Mapping[str, Any]], measure: str, keys: Sequence[str]) -> frozenset[tuple[int, str]]:
    """The best number of each column among models and baselines with the same note, as (row, column's key).

    Of the errors of a prior's table (measure `mse`) the least leads, with each that differs from it by no more than
    the standard error of the difference; none where a standard error is not known. Of other metrics those of the best
    value lead; none where their name does not tell which direction is better, or where there is nothing to compare
    with.

    Args:
        rows: of a table or a comparison, as their JSON files hold them.
        measure: the entry of each row that maps keys to numbers.
        keys: of the columns.
    """
    found = set()
    notes = [str(row.get("note") or "") for row in rows]
    for note in dict.fromkeys(notes):
        mine = [(i, row) for i, row in enumerate(rows) if notes[i] == note and row.get("kind") != "paper"]
        for key in keys:
            numbers = {i: row[measure].get(key) for i, row in mine}
            known = {i: value for i, value in numbers.items() if _is_number(value)}
            if len(known) < 2:
                continue
            if measure == "mse":
                errors = {i: _entry(row.get("mse_stderr"), key) for i, row in mine if i in known}
                found |= {(i, key) for i in least_within_errors(known, errors)}
            elif GREATER.fullmatch(key) or LESS.fullmatch(key):
                best = (max if GREATER.fullmatch(key) else min)(known.values())
                found |= {(i, key) for i, value in known.items() if value == best}
    return frozenset(found)


def _entry(held: Any, key: str) -> float | None:
    """A number of a mapping; None where a damaged file holds something else."""
    found = held.get(key) if isinstance(held, dict) else None
    return found if _is_number(found) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
