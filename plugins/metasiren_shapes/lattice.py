"""The cubic lattice on which a field is meshed, and the boxes that it is cut into."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from metasiren import RecipeError
from metasiren_shapes.mesh import Floats, Integers

Cuts = tuple[Integers, Integers, Integers]
"""Where the axes are cut, in lattice units: boxes are products of the intervals between neighbours."""


@dataclass(frozen=True)
class Lattice:
    """(resolution + 1)**3 points that span a cube.

    Attributes:
        resolution: cells along each axis.
        low: least coordinate.
        high: greatest coordinate.
    """

    resolution: int
    low: float = -1.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if not 2 <= self.resolution <= 1 << 16:
            raise RecipeError("resolution", f"{self.resolution} cells along an axis.", "Give 2 to 65536.")
        if not -np.inf < self.low < self.high < np.inf:
            raise RecipeError("bounds", f"({self.low}, {self.high}).", "Give the least coordinate, then the greatest.")

    @property
    def spacing(self) -> float:
        """Edge of a cell."""
        return (self.high - self.low) / self.resolution

    @property
    def size(self) -> int:
        """Points of the whole lattice."""
        return (self.resolution + 1) ** 3

    def points(self, index: Integers | Floats) -> Floats:
        """Coordinates (n, 3) of lattice positions (n, 3), which need not be whole."""
        points: Floats = self.low + index.astype(np.float64) * self.spacing
        return points

    def blocks(self, size: int) -> Integers:
        """Where an axis is cut so that no interval is longer than `size` cells."""
        return np.append(np.arange(0, self.resolution, size), self.resolution)


def halves(cuts: Integers, leaf: int) -> tuple[Integers, Integers]:
    """Cut intervals longer than `leaf` in two.

    Returns:
        the finer cuts, and into how many parts each old interval fell.
    """
    parts: list[int] = []
    finer = [int(cuts[0])]
    for start, end in pairwise(cuts.tolist()):
        split = end - start > leaf
        parts.append(2 if split else 1)
        finer += [(start + end + 1) // 2, end] if split else [end]
    return np.array(finer), np.array(parts)


def centres(cuts: Cuts) -> tuple[Floats, Floats]:
    """Centres (boxes, 3) and edges (boxes, 3) of all boxes, row-major, in lattice units."""
    middles = np.meshgrid(*((c[1:] + c[:-1]) / 2 for c in cuts), indexing="ij")
    edges = np.meshgrid(*(np.diff(c).astype(np.float64) for c in cuts), indexing="ij")
    return (
        np.stack([m.reshape(-1) for m in middles], axis=1),
        np.stack([e.reshape(-1) for e in edges], axis=1),
    )


def expand(boxes: np.ndarray, counts: tuple[Integers, Integers, Integers]) -> np.ndarray:
    """Repeat what is known of boxes along each axis, such as for each of their cells."""
    for axis, count in enumerate(counts):
        boxes = boxes.repeat(count, axis=axis)
    return boxes
