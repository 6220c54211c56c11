"""Exact signed distance to a closed triangle mesh; positive outside."""

from __future__ import annotations

import numpy as np

from metasiren_shapes.nearest import nearest_on_triangles
from metasiren_shapes.triangles import Array, Indices, Triangles


def signed_distance(triangles: Triangles, points: Array) -> Array:
    """Distance to the nearest triangle, with a sign by the pseudonormal there (Baerentzen and Aanaes 2005).

    The pseudonormal of a point within a face is the face's normal, on an edge the sum of both faces' normals, at a
    corner the mean that is weighted by angles. For closed meshes its side is exact; a ray might slip through an edge.

    Args:
        triangles: closed, vertices joined, faces looking outwards.
        points: (points, 3) in the mesh's units.

    Returns:
        (points,) in the mesh's units: positive outside, negative inside.
    """
    face, weights = nearest_on_triangles(triangles, points)
    away = points - np.einsum("nk,nkd->nd", weights, triangles.corners[face])
    side = np.sign((away * _pseudonormals(triangles, face, weights)).sum(axis=1))
    found: Array = side * np.linalg.norm(away, axis=1)
    return found


def _pseudonormals(triangles: Triangles, face: Indices, weights: Array) -> Array:
    """The direction (points, 3) of the outside at the corner, edge or face where a point lies."""
    edges, zero = _edge_normals(triangles), weights == 0
    normal = triangles.face_normals[face]
    for k in range(3):
        # Without a share of corner k + 2, a point lies on the edge from k to k + 1.
        on_edge = zero[:, (k + 2) % 3]
        normal[on_edge] = edges[face[on_edge], k]
    for k in range(3):
        at_corner = zero[:, (k + 1) % 3] & zero[:, (k + 2) % 3]
        normal[at_corner] = triangles.vertex_normals[triangles.faces[face[at_corner], k]]
    return normal


def _edge_normals(triangles: Triangles) -> Array:
    """(faces, 3, 3): for the edge from corner k to corner k + 1, the sum of the normals of the faces that share it."""
    count, faces = len(triangles.vertices), triangles.faces
    ahead = np.roll(faces, -1, axis=1)
    there, back = (faces * count + ahead).reshape(-1), (ahead * count + faces).reshape(-1)
    order = np.argsort(there)
    # In a closed mesh each directed edge occurs once, and so does its reverse: in the face on the other side.
    other = order[np.searchsorted(there, back, sorter=order)] // 3
    found: Array = triangles.face_normals[:, None, :] + triangles.face_normals[other].reshape(-1, 3, 3)
    return found
