"""Triangle meshes by trimesh: made, welded, sampled, and signed distances to them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from metasiren import DataError, load_extra

if TYPE_CHECKING:
    from trimesh import Trimesh

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

SAMPLES_AT_ONCE, POINTS_AT_ONCE = 1 << 20, 64


def triangle_mesh(vertices: Array, faces: Indices, normals: Array | None = None) -> Trimesh:
    """A mesh whose vertices and faces keep their number and order.

    Args:
        vertices: (vertices, 3).
        faces: (faces, 3) indices of vertices, counter-clockwise seen from outside.
        normals: (vertices, 3) of length one; by default trimesh's, weighted by the faces' angles.

    Raises:
        PluginError: trimesh is not installed; the message names the extra.
    """
    trimesh = load_extra("trimesh", extra="shapes", where="a triangle mesh")
    # trimesh cannot take normals of no vertices.
    given = normals if len(vertices) else None
    mesh: Trimesh = trimesh.Trimesh(vertices, faces, vertex_normals=given, process=False)
    return mesh


def closed(mesh: Trimesh) -> bool:
    """Whether each edge belongs to two faces that run along it in opposite directions."""
    return bool(len(mesh.faces) and mesh.is_watertight and mesh.is_winding_consistent)


def welded(mesh: Trimesh) -> Trimesh:
    """A mesh whose equal vertices are joined; vertices of no face, and faces without three vertices, are left out.

    STL files repeat each vertex in every face: whether they close is known only afterwards. Vertices count as equal
    within 1e-8 of the mesh's size.
    """
    joined = mesh.copy()
    joined.remove_unreferenced_vertices()
    if not len(joined.vertices):
        return joined
    # Of the size, not a length: by default trimesh joins within 1e-8 units, whatever the unit. Whole numbers of 63 bits
    # hold 18 digits.
    size, far = float(np.ptp(joined.vertices, axis=0).max()), float(np.abs(joined.vertices).max())
    if size > 0:
        digits = min(8 - math.floor(math.log10(size)), 17 - math.ceil(math.log10(far)))
        joined.merge_vertices(merge_tex=True, merge_norm=True, digits_vertex=digits)
    faces = np.asarray(joined.faces)
    joined.update_faces((faces != np.roll(faces, 1, axis=1)).all(axis=1))
    return joined


def sample_triangles(
    mesh: Trimesh, count: int, generator: np.random.Generator, *, normals: Literal["face", "vertex"] = "face"
) -> tuple[Array, Array]:
    """Random points, uniform by area, and the directions of the outside there.

    Args:
        mesh: the mesh.
        count: number of points.
        generator: source of randomness.
        normals: `face` gives the triangle's own; `vertex` blends those of its corners, which rounds off the edges
            of a coarse model of something smooth.

    Returns:
        points (count, 3) in the mesh's units, and normals (count, 3) of length one.

    Raises:
        DataError: triangles without any area.
    """
    sample = load_extra("trimesh.sample", extra="shapes", where="samples of a mesh")
    if not mesh.area > 0:
        raise DataError("data: mesh", f"{len(mesh.faces):,} triangles without any area.", "Repair the mesh.")
    points, directions = np.empty((count, 3)), np.empty((count, 3))
    for start in range(0, count, SAMPLES_AT_ONCE):
        part = slice(start, min(start + SAMPLES_AT_ONCE, count))
        drawn = sample.sample_surface(mesh, part.stop - start, return_barycentric=True, seed=generator)
        points[part], face, weights = drawn
        directions[part] = mesh.face_normals[face]
        if normals == "vertex":
            blended = np.einsum("nk,nkd->nd", weights, mesh.vertex_normals[mesh.faces[face]])
            # Corners whose normals cancel leave the triangle's own.
            kept = np.linalg.norm(blended, axis=1) > 1e-9
            directions[part][kept] = unit(blended[kept])
    return points, directions


def signed_distance(mesh: Trimesh, points: Array) -> Array:
    """Signed distances (points,) of points (points, 3) to a closed mesh, positive outside.

    trimesh takes distances below 1e-8 as zero, whatever the unit: give a mesh whose size is about one.
    """
    proximity = load_extra("trimesh.proximity", extra="shapes", where="distances to a mesh")
    load_extra("rtree", extra="shapes", where="distances to a mesh")
    # trimesh holds all pairs of a point and a face near it: a part of the points bounds its memory.
    parts = range(0, len(points), POINTS_AT_ONCE)
    found = [-proximity.signed_distance(mesh, points[start : start + POINTS_AT_ONCE]) for start in parts]
    return np.concatenate(found) if found else np.empty(0)


def unit(vectors: Array) -> Array:
    """Vectors (..., 3) of length one; zero stays zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    found: Array = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return found
