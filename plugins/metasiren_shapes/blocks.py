"""Lattice values of one block, evaluated only near the level set, and their agreement with neighbouring blocks.

A block is halved again and again; boxes that the level set cannot reach keep only their sign. Values are kept as
distances to the level; skipped points are plus or minus infinity: an inferred sign, which neighbours that do
evaluate the point can refute. So a bound that is too small cannot leave a hole in the surface.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from metasiren_shapes.bound import BoundRefutedError, settle
from metasiren_shapes.lattice import Cuts, Lattice, expand, halves
from metasiren_shapes.mesh import Floats, Integers
from metasiren_shapes.probe import Probe

LEAF = 2
"""Edge in cells at which halving ends: one centre decides about up to 27 points."""

Faces = list[Floats | None]


class Borders:
    """The last lattice layer of each block along each axis: its neighbour's first. Blocks come in row-major order."""

    def __init__(self) -> None:
        self._faces: dict[tuple[int, ...], Floats] = {}

    def before(self, block: tuple[int, int, int]) -> Faces:
        """The layers that a block shares with the three neighbours before it, None at the border."""
        return [self._faces.get(self._key(axis, block)) if block[axis] else None for axis in range(3)]

    def leave(self, block: tuple[int, int, int], values: Floats) -> None:
        """Keep the block's last layers for those that come after it."""
        for axis in range(3):
            self._faces[self._key(axis, block)] = np.array(values.take(-1, axis=axis))

    @staticmethod
    def _key(axis: int, block: tuple[int, int, int]) -> tuple[int, ...]:
        # Earlier indices are left out: in row-major order the next block along the axis reads the slot before any
        # other block writes it.
        return axis, *block[axis + 1 :]


def fill(
    cuts: Cuts,
    before: Faces,
    probe: Probe,
    lattice: Lattice,
    level: float,
    gradient: float,
    random: np.random.Generator,
) -> Floats:
    """Distances to the level at a block's lattice points, infinite where skipped.

    Args:
        cuts: the block: first and last lattice index along each axis.
        before: the layers that it shares with its neighbours.
        probe: of the field.
        lattice: of the whole cube.
        level: whose set is sought.
        gradient: the bound.
        random: draws the points of checks.

    Raises:
        BoundRefutedError: two inferred signs, or an inferred sign and a value, differ.
    """
    cells = _survey(cuts, probe, lattice, level, gradient, random)
    values = np.full(tuple(n + 1 for n in cells.shape), np.nan)
    for axis, face in enumerate(before):
        if face is not None:
            layer = values[_first(axis)]
            # Where two neighbours have a point of a shared edge, a value replaces an inferred sign.
            layer[...] = np.where(np.isfinite(layer), layer, face)
    todo = _touching(cells == 0) & ~np.isfinite(values)
    corner = np.array([c[0] for c in cuts])
    values[todo] = probe.values(lattice.points(np.argwhere(todo) + corner)) - level
    above, below = _touching(cells > 0), _touching(cells < 0)
    skipped = ~np.isfinite(values)
    values[skipped] = np.where(above, np.inf, -np.inf)[skipped]
    negative = values < 0
    if (above & negative).any() or (below & ~negative).any():
        raise BoundRefutedError
    agree(values, before)
    return values


def agree(values: Floats, before: Faces) -> None:
    """Demand that a block and its neighbours have the same signs where they meet.

    Raises:
        BoundRefutedError: they do not.
    """
    for axis, face in enumerate(before):
        if face is not None and ((values[_first(axis)] < 0) != (face < 0)).any():
            raise BoundRefutedError


def _survey(
    cuts: Cuts, probe: Probe, lattice: Lattice, level: float, gradient: float, random: np.random.Generator
) -> np.ndarray:
    """For every cell of the block the sign of the box that was skipped there, or 0."""
    signs = np.zeros((1, 1, 1), dtype=np.int8)
    while True:
        finer, parts = zip(*(halves(c, LEAF) for c in cuts), strict=True)
        if all(len(f) == len(c) for f, c in zip(finer, cuts, strict=True)):
            break
        cuts, signs = finer, expand(signs, parts)
        settle(signs, cuts, probe, lattice, level, gradient, random)
    widths: tuple[Integers, Integers, Integers] = (np.diff(cuts[0]), np.diff(cuts[1]), np.diff(cuts[2]))
    return expand(signs, widths)


def _touching(cells: np.ndarray) -> np.ndarray:
    """Lattice points at a corner of any of the cells."""
    points = np.zeros(tuple(n + 1 for n in cells.shape), dtype=bool)
    for corner in np.ndindex(2, 2, 2):
        points[tuple(slice(c, c + n) for c, n in zip(corner, cells.shape, strict=True))] |= cells
    return points


def _first(axis: int) -> tuple[Any, ...]:
    """The index of the first layer along an axis."""
    return (*(slice(None),) * axis, 0)
