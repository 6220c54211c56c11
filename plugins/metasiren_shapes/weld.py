"""Triangles of one block of lattice values, and how blocks are joined without a seam.

A vertex lies on a lattice edge or, in some ambiguous cells, inside a cell. The whole number that names this edge or
cell is the same whichever block finds it: vertices are joined by these names, never by distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import product
from typing import Any

import numpy as np

from metasiren_shapes.lattice import Lattice
from metasiren_shapes.mesh import Floats, Integers

LEAST = 1e-4
"""Least distance of a vertex from the ends of its lattice edge, in edges: no two vertices fall together."""

EDGES = [
    (axis, corner) for axis in range(3) for corner in product((0, 1), repeat=3) if corner[axis] == 0
]  # the twelve edges of a cell: direction, and the corner where each starts


@dataclass(frozen=True)
class Patch:
    """The surface within one block.

    Attributes:
        names: (vertices,) of the lattice edge or cell of each.
        places: (vertices, 3) in lattice units of the whole cube.
        faces: (faces, 3) counter-clockwise from where values are greater.
    """

    names: Integers
    places: Floats
    faces: Integers


def triangulate(values: Floats, corner: Integers, lattice: Lattice, unit: float) -> Patch | None:
    """March through the cubes of a block (Lewiner et al. 2003); None where the level set is not there.

    Args:
        values: distances to the level at the block's lattice points.
        corner: (3,) lattice index of its first point.
        lattice: of the whole cube.
        unit: by how much the values differ between neighbours, at most.
    """
    measure: Any = import_module("skimage.measure")
    negative = values < 0
    if negative.all() or not negative.any():
        return None
    # Only the topology is taken from here; places are then found from the values themselves.
    tame = _tame(values, corner, unit)
    found, faces, _, _ = measure.marching_cubes(np.where(negative, -tame, tame), 0.0, gradient_direction="descent")
    off = np.abs(found - np.rint(found)) > 5e-5
    base = np.where(off, np.floor(found), np.rint(found)).astype(np.int64)
    inside = off.sum(axis=1) == 3
    axis = np.where(inside, 3, off.argmax(axis=1))
    side = lattice.resolution + 1
    spot = base + corner
    names = ((spot[:, 0] * side + spot[:, 1]) * side + spot[:, 2]) * 4 + axis
    # From here on in units of the whole cube: sums round alike whatever the block.
    places = spot.astype(np.float64)
    edges = ~inside
    places[edges, axis[edges]] += _crossing(values, base[edges], axis[edges])
    places[inside] += _middles(values, base[inside])
    return Patch(names, places, faces.astype(np.int64))


def weld(patches: Sequence[Patch]) -> tuple[Floats, Integers]:
    """Join patches: places (vertices, 3) in order of their names, and faces (faces, 3).

    The order depends on the surface alone, not on how it was cut into blocks.
    """
    names = np.concatenate([p.names for p in patches])
    _, first, place_of = np.unique(names, return_index=True, return_inverse=True)
    places = np.concatenate([p.places for p in patches])[first]
    starts = np.cumsum([0, *(len(p.names) for p in patches[:-1])])
    faces = place_of[np.concatenate([p.faces + start for p, start in zip(patches, starts, strict=True)])]
    turned = (faces.argmin(axis=1)[:, None] + np.arange(3)) % 3
    faces = np.take_along_axis(faces, turned, axis=1)
    return places, faces[np.lexsort(faces.T[::-1])]


def _tame(values: Floats, corner: Integers, unit: float) -> Floats:
    """Magnitudes that keep every vertex well off the lattice points, and that never tie.

    Single precision then names a vertex's edge without doubt. Where the corners of a square tie, Lewiner's tables may
    join them one way seen from one cell and another way from its neighbour, which leaves a hole: a pattern that
    depends on the place in the cube alone lets no two magnitudes agree.
    """
    i, j, k = (np.arange(n) + c for n, c in zip(values.shape, corner, strict=True))
    mixed = (i * 73856093)[:, None, None] ^ (j * 19349663)[:, None] ^ (k * 83492791)
    pattern = 1 + 0.05 * ((mixed * 2654435761 >> 12) % 65536) / 65536
    magnitudes: Floats = (1e-2 + np.minimum(np.abs(values) / unit, 1e2)) * pattern
    return magnitudes


def _crossing(values: Floats, start: Integers, axis: Integers) -> Floats:
    """How far along its edge the value passes zero, by linear interpolation."""
    end = start.copy()
    end[np.arange(len(end)), axis] += 1
    a, b = values[tuple(start.T)], values[tuple(end.T)]
    crossing: Floats = np.clip(a / (a - b), LEAST, 1 - LEAST)
    return crossing


def _middles(values: Floats, cell: Integers) -> Floats:
    """(cells, 3) mean of the points where the value passes zero on the cell's edges, from the cell's first corner."""
    total, count = np.zeros((len(cell), 3)), np.zeros((len(cell), 1))
    for axis, corner in EDGES:
        step = np.array(corner)
        end = step + (np.arange(3) == axis)
        a, b = values[tuple((cell + step).T)], values[tuple((cell + end).T)]
        crosses = (a < 0) != (b < 0)
        place = np.tile(step.astype(np.float64), (len(cell), 1))
        place[crosses, axis] += np.clip(a[crosses] / (a - b)[crosses], LEAST, 1 - LEAST)
        total += place * crosses[:, None]
        count += crosses[:, None]
    mean: Floats = total / count
    return mean
