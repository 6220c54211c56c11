"""Triangles: areas, normals, whether they close, and which side is inside."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Triangles:
    """A triangle mesh; seen from outside, a face's vertices run counter-clockwise.

    Attributes:
        vertices: (vertices, 3).
        faces: (faces, 3) indices of vertices.
    """

    vertices: Array
    faces: Indices

    @cached_property
    def corners(self) -> Array:
        """(faces, 3 corners, 3)."""
        corners: Array = self.vertices[self.faces]
        return corners

    @cached_property
    def area_vectors(self) -> Array:
        """(faces, 3) normals whose length is the area."""
        a, b, c = self.corners[:, 0], self.corners[:, 1], self.corners[:, 2]
        vectors: Array = 0.5 * np.cross(b - a, c - a)
        return vectors

    @cached_property
    def areas(self) -> Array:
        """(faces,)"""
        areas: Array = np.linalg.norm(self.area_vectors, axis=1)
        return areas

    @cached_property
    def face_normals(self) -> Array:
        """(faces, 3), unit length; zero for a face without area."""
        return unit(self.area_vectors)

    @cached_property
    def vertex_normals(self) -> Array:
        """(vertices, 3) unit means of the adjacent faces' normals, weighted by the faces' angles at the vertex.

        These are also the pseudonormals that give distances their sign (Baerentzen and Aanaes 2005).
        """
        total = np.zeros_like(self.vertices)
        for corner in range(3):
            here, ahead, behind = (self.corners[:, (corner + k) % 3] for k in range(3))
            u, v = unit(ahead - here), unit(behind - here)
            angle = np.arccos(np.clip((u * v).sum(1), -1, 1))
            np.add.at(total, self.faces[:, corner], angle[:, None] * self.face_normals)
        return unit(total)

    @cached_property
    def signed_volume(self) -> float:
        """The volume inside a closed mesh; negative where the faces look inwards."""
        # Measured from the mesh's own middle: far from the origin, the terms would cancel badly.
        middle = self.vertices.mean(axis=0)
        return float(((self.corners[:, 0] - middle) * self.area_vectors).sum() / 3)

    @cached_property
    def closed(self) -> bool:
        """Whether each edge belongs to two faces that run along it in opposite directions."""
        edges = np.concatenate([self.faces[:, [0, 1]], self.faces[:, [1, 2]], self.faces[:, [2, 0]]])
        codes = edges[:, 0] * len(self.vertices) + edges[:, 1]
        back = edges[:, 1] * len(self.vertices) + edges[:, 0]
        codes.sort()
        back.sort()
        once = bool((np.diff(codes) > 0).all())
        return once and bool(np.array_equal(codes, back))

    def flipped(self) -> Triangles:
        """The same surface seen from its other side."""
        return Triangles(self.vertices, np.ascontiguousarray(self.faces[:, ::-1]))


def unit(vectors: Array) -> Array:
    """Vectors (..., 3) of length one; zero stays zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    found: Array = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return found


def join_vertices(triangles: Triangles) -> Triangles:
    """Join vertices of equal coordinates, and drop vertices and faces that bound nothing.

    STL files repeat each vertex in every face: only after welding can it be seen that they close.
    """
    used = np.unique(triangles.faces)
    points = triangles.vertices[used] + 0.0  # -0 becomes 0: equal numbers get equal bytes
    place = np.zeros(len(triangles.vertices), np.int64)
    _, first, group = np.unique(points, axis=0, return_index=True, return_inverse=True)
    # Keep the order of first appearance, so that a mesh without repeats comes out as it went in.
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    place[used] = rank[group.reshape(-1)]
    faces = place[triangles.faces]
    distinct = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
    return Triangles(points[first[order]], faces[distinct])
