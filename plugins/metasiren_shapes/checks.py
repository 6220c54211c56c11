"""Checks of oriented points before a field is fitted to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasiren import DataError
from metasiren_shapes.reading.cloud import ROWS

Rows = npt.NDArray[np.floating]
Flags = npt.NDArray[np.bool_]

LEAST_POINTS = 100
MOST_COMPARED = 5_000_000
"""Clouds beyond this are not searched for repeated points: it takes several times their memory."""

FLAT = 1e-5
"""Least standard deviation along an axis (of the points' own), as a share of the greatest."""


def clean(rows: Rows, where: str, *, skip_broken: bool) -> tuple[Rows, dict[str, str]]:
    """Rows without repeated points, and a note of what was left out.

    Args:
        rows: (points, 6) position and normal.
        where: as errors name the data.
        skip_broken: leave out rows that are not finite or whose normal is zero, rather than stop.

    Raises:
        DataError: such rows; fewer than 100 points; points of a plane or a line.
    """
    notes = {}
    keep = np.ones(len(rows), bool)
    for found, broken in (("a number that is not finite", _not_finite(rows)), ("a normal of zero", _no_normal(rows))):
        broken &= keep
        count = int(broken.sum())
        if count and not skip_broken:
            found_there = (
                f"{count:,} of {len(rows):,} points have {found}; the first is point {int(broken.argmax()):,}."
            )
            raise DataError(where, found_there, "Repair the file, or set data.skip_broken=true to leave them out.")
        if count:
            notes[found.replace("a number that is ", "").replace("a ", "")] = f"{count:,} points left out"
            keep &= ~broken
    if not keep.all():
        rows = rows[keep]
    if len(rows) <= MOST_COMPARED:
        again = pd.DataFrame(rows[:, :3]).duplicated().to_numpy()
        if again.any():
            notes["repeated"] = f"{int(again.sum()):,} points left out"
            rows = rows[~again]
    demand_surface(rows[:, :3], where)
    return rows, notes


def demand_surface(points: Rows, where: str) -> None:
    """Go on only with enough points that enclose something.

    Raises:
        DataError: fewer than 100 points; points of a plane or a line.
    """
    if len(points) < LEAST_POINTS:
        found = f"{len(points):,} distinct points."
        raise DataError(where, found, f"A surface takes {LEAST_POINTS} or more; thousands for any detail.")
    demand_thickness(points, where)


def demand_thickness(points: Rows, where: str) -> None:
    """Go on only with points that do not all lie in a plane, whichever way it leans.

    Raises:
        DataError: they do.
    """
    some = np.asarray(points[:: max(1, len(points) // 100_000)], np.float64)
    some = some - some.mean(axis=0)
    size = np.abs(some).max()
    if size == 0:
        return  # `fit_frame` has the words for it
    # Of the covariance, not of the points: 3 x 3, whatever their number. Scaled first, against overflow.
    spread = np.sqrt(np.clip(np.linalg.eigvalsh(np.cov((some / size).T)), 0, None))
    if spread[0] < FLAT * spread[-1]:
        found = f"the shape is flat: {spread[0] / spread[-1]:.1g} as thick as it is long."
        raise DataError(where, found, "A signed distance needs an inside: give the shape some thickness.")


def inward(rows: Rows) -> bool:
    """Whether normals point to the middle on the whole: for a closed surface, the flux of x is then negative."""
    some = np.asarray(rows[:: max(1, len(rows) // 100_000)], np.float64)
    middle = (some[:, :3].min(axis=0) + some[:, :3].max(axis=0)) / 2
    return bool(((some[:, :3] - middle) * some[:, 3:]).sum() < 0)


def _not_finite(rows: Rows) -> Flags:
    return _each(rows, lambda block: (~np.isfinite(block)).any(axis=1))


def _no_normal(rows: Rows) -> Flags:
    return _each(rows, lambda block: np.abs(block[:, 3:]).max(axis=1) < 1e-12)


def _each(rows: Rows, ask: Callable[[Rows], Any]) -> Flags:
    """A test of every row, in parts of `ROWS`."""
    return np.concatenate([ask(rows[i : i + ROWS]) for i in range(0, len(rows), ROWS)])
