"""Oriented points: rows of a position and a normal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metasiren import DataError

ROWS = 1 << 18
"""Rows converted at a time, which bounds what a large file takes beyond its result."""

NORMALS = """Signed distances need to know which side is outside. Estimate normals once, and save them, for example:
  Open3D: cloud.estimate_normals(); cloud.orient_normals_consistent_tangent_plane(30); o3d.io.write_point_cloud(...)
  MeshLab: Filters > Normals > Compute normals for point sets, then export a PLY with normals
  trimesh, where you have the mesh: points, faces = mesh.sample(200000, return_index=True); mesh.face_normals[faces]"""


@dataclass(frozen=True)
class Cloud:
    """Points of a surface, each with the direction of the outside.

    Attributes:
        rows: (points, 6), float32 or float64: position, then normal of any length but zero.
        total: points in the file, of which these may be a sample.
    """

    rows: npt.NDArray[np.floating]
    total: int

    @property
    def points(self) -> npt.NDArray[np.floating]:
        """(points, 3)"""
        return self.rows[:, :3]

    @property
    def normals(self) -> npt.NDArray[np.floating]:
        """(points, 3)"""
        return self.rows[:, 3:]


def no_normals(where: str, found: str) -> DataError:
    """The error of points without normals."""
    return DataError(where, found, NORMALS)


def chosen_rows(total: int, most: int, seed: int) -> npt.NDArray[np.int64] | None:
    """Ascending indices of a random `most` of `total` rows; None for all of them."""
    if total <= most:
        return None
    # A random offset within each of `most` equal stretches: sorted, without repeats, and no permutation of `total`.
    edges = np.linspace(0, total, most + 1).astype(np.int64)
    offsets = np.random.default_rng(seed).random(most)
    return edges[:-1] + (offsets * np.diff(edges)).astype(np.int64)
