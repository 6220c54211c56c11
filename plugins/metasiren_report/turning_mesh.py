"""A mesh made small enough for a page: vertices merged cell by cell, coordinates rounded to 16 bits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metasiren import load_extra
from metasiren_report.embedding import data_uri

MOST_BYTES = 300 << 20

Real = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True)
class TurningMesh:
    """A mesh for the page's viewer.

    Attributes:
        vertices: data URI of uint16 (vertices, 3); 0 to 65,535 spans the longest side of the box.
        faces: data URI of uint16 (faces, 3), indices of vertices.
        shown: number of faces shown.
        faces_before: number of faces in the file.
    """

    vertices: str
    faces: str
    shown: int
    faces_before: int


def read_mesh(path: Path, most: int) -> TurningMesh:
    """A mesh file with at most `most` vertices left.

    Raises:
        PluginError: trimesh is not installed.
        ValueError: a file over 300 MB, or one that holds no mesh.
    """
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path.name} has {path.stat().st_size / 1e6:.0f} MB; at most 300 MB are read")
    trimesh: Any = load_extra("trimesh", extra="shapes", where=f"report: {path}")
    mesh = trimesh.load(path, force="mesh", process=False)
    vertices, faces = np.asarray(mesh.vertices, dtype=np.float64), np.asarray(mesh.faces, dtype=np.int64)
    if not len(faces) or not np.isfinite(vertices).all():
        raise ValueError(f"{path.name} holds no faces, or vertices that are not finite")
    small, left = merge_vertices(vertices, faces, most)
    low, side = small.min(0), float(np.ptp(small, axis=0).max()) or 1.0
    centred = (small - low - np.ptp(small, axis=0) / 2) / side + 0.5
    grid = np.clip(np.rint(centred * 65_535), 0, 65_535)
    kind = "application/octet-stream"
    packed = data_uri(grid.astype("<u2").tobytes(), kind), data_uri(left.astype("<u2").tobytes(), kind)
    return TurningMesh(*packed, len(left), len(faces))


def merge_vertices(vertices: Real, faces: Whole, most: int) -> tuple[Real, Whole]:
    """Merge all vertices that share a cell of a regular grid, the finest of a few that leaves at most `most`.

    Args:
        vertices: (vertices, 3).
        faces: (faces, 3).
        most: 8 to 65,535.

    Returns:
        the means of the merged vertices, and the faces whose corners are still three.
    """
    if len(vertices) <= most:
        return vertices, faces
    low, side = vertices.min(0), float(np.ptp(vertices, axis=0).max()) or 1.0
    # A surface fills about 3 n² of n³ cells.
    cells = max(2, int((most / 3) ** 0.5 * 2))
    while True:
        index = np.minimum((vertices - low) / side * cells, cells - 1).astype(np.int64)
        keys = (index[:, 0] * cells + index[:, 1]) * cells + index[:, 2]
        kept, inverse = np.unique(keys, return_inverse=True)
        if len(kept) <= most:
            break
        cells = max(1, int(cells * 0.85))
    counts = np.bincount(inverse, minlength=len(kept))
    means = np.stack([np.bincount(inverse, vertices[:, axis], len(kept)) / counts for axis in range(3)], -1)
    merged = inverse[faces]
    whole = (merged[:, 0] != merged[:, 1]) & (merged[:, 1] != merged[:, 2]) & (merged[:, 2] != merged[:, 0])
    merged = merged[whole]
    _, first = np.unique(np.sort(merged, axis=1), axis=0, return_index=True)
    return means, merged[np.sort(first)]
