"""Points spread evenly over triangles."""

from __future__ import annotations

from typing import Literal

import numpy as np

from metasiren import DataError
from metasiren_shapes.triangles import Array, Triangles, unit

AT_ONCE = 1 << 20


def sample_triangles(
    triangles: Triangles, count: int, generator: np.random.Generator, *, normals: Literal["face", "vertex"] = "face"
) -> tuple[Array, Array]:
    """Random points, uniform by area, and the directions of the outside there.

    Args:
        triangles: the mesh.
        count: number of points.
        generator: source of randomness.
        normals: `face` gives the triangle's own; `vertex` blends those of its corners, which rounds off the edges
            of a coarse model of something smooth.

    Returns:
        points (count, 3) in the mesh's units, and normals (count, 3) of length one.

    Raises:
        DataError: triangles without any area.
    """
    cumulated = np.cumsum(triangles.areas)
    if not cumulated[-1] > 0:
        raise DataError("data: mesh", f"{len(triangles.faces):,} triangles without any area.", "Repair the mesh.")
    last = np.searchsorted(cumulated, cumulated[-1], side="left")
    points, directions = np.empty((count, 3)), np.empty((count, 3))
    for start in range(0, count, AT_ONCE):
        stop = min(start + AT_ONCE, count)
        # Every draw falls into a stretch of positive length: faces without area are never hit.
        face = np.searchsorted(cumulated, generator.random(stop - start) * cumulated[-1], side="right")
        face = np.minimum(face, last)  # a draw just below one may round to the total
        # The root makes the density even: without it, points would crowd at the first corner.
        root, share = np.sqrt(generator.random(stop - start)), generator.random(stop - start)
        weights = np.stack([1 - root, root * (1 - share), root * share], axis=1)
        points[start:stop] = np.einsum("nk,nkd->nd", weights, triangles.corners[face])
        if normals == "face":
            directions[start:stop] = triangles.face_normals[face]
        else:
            blended = np.einsum("nk,nkd->nd", weights, triangles.vertex_normals[triangles.faces[face]])
            # Corners whose normals cancel leave the triangle's own.
            cancelled = np.linalg.norm(blended, axis=1) < 1e-9
            directions[start:stop] = np.where(cancelled[:, None], triangles.face_normals[face], unit(blended))
    return points, directions
