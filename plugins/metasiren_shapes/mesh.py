"""A triangle mesh in plain arrays: its area, volume, bounds and samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metasiren import DataError
from metasiren_shapes.frame import Frame
from metasiren_shapes.triangles import closed, sample_triangles, triangle_mesh

if TYPE_CHECKING:
    from trimesh import Trimesh

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Effort:
    """The cost of finding a mesh.

    Attributes:
        evaluations: points at which the field was evaluated, checks included.
        dense: points of the whole lattice, which is what a dense extraction evaluates.
        gradient_bound: the largest gradient norm that was measured, and raised where a check refuted it.
        restarts: how often a check refuted the bound.
    """

    evaluations: int
    dense: int
    gradient_bound: float
    restarts: int = 0

    @property
    def share(self) -> float:
        """Evaluations as a share of the dense lattice."""
        return self.evaluations / self.dense


@dataclass(frozen=True)
class Mesh:
    """Triangles, seen counter-clockwise from outside.

    Attributes:
        vertices: (vertices, 3).
        faces: (faces, 3) indices of vertices.
        normals: (vertices, 3) of length one, outwards: the field's own, not the triangles'.
        effort: how the mesh was found, where it was extracted from a field.
    """

    vertices: Floats
    faces: Integers
    normals: Floats
    effort: Effort | None = None

    @cached_property
    def triangles(self) -> Trimesh:
        """The mesh for trimesh."""
        return triangle_mesh(self.vertices, self.faces, self.normals)

    @property
    def area(self) -> float:
        """Surface area, in the vertices' unit squared."""
        return float(self.triangles.area)

    @property
    def watertight(self) -> bool:
        """Whether every edge joins exactly two triangles that agree which side is out."""
        return closed(self.triangles)

    @property
    def volume(self) -> float | None:
        """Enclosed volume, in the vertices' unit cubed; None where the mesh is not watertight."""
        return float(self.triangles.volume) if self.watertight else None

    @property
    def bounds(self) -> tuple[Floats, Floats]:
        """Lowest and highest corner of the bounding box, (3,) each.

        Raises:
            DataError: a mesh without vertices.
        """
        if not len(self.vertices):
            raise DataError("mesh: bounds", "the mesh has no vertices.", "Mesh at another level, or train longer.")
        return self.vertices.min(axis=0), self.vertices.max(axis=0)

    def placed(self, frame: Frame) -> Mesh:
        """The mesh in a person's own units: vertices * scale + centre."""
        return replace(self, vertices=frame.to_input(self.vertices))

    def sample(self, count: int, generator: np.random.Generator) -> tuple[Floats, Floats]:
        """Points uniform by area, (count, 3), and the normals there, (count, 3), blended from the corners'."""
        return sample_triangles(self.triangles, count, generator, normals="vertex")


def frame_of(metadata: Mapping[str, Any]) -> Frame:
    """The frame that a run recorded; where it recorded none, coordinates are a person's units already.

    Raises:
        DataError: a scale that is not positive, or a centre that is not three numbers.
    """
    advice = "Train again, or correct `facts` in the run's environment.json."
    try:
        frame = Frame.of_metadata({"scale": 1.0, "centre": [0.0, 0.0, 0.0], **metadata})
    except (TypeError, ValueError) as error:
        raise DataError("metadata: scale, centre", f"not numbers: {error}.", advice) from None
    if not 0 < frame.scale < np.inf:
        raise DataError("metadata: scale", f"{frame.scale} is not a positive number.", advice)
    if frame.centre.shape != (3,) or not np.isfinite(frame.centre).all():
        raise DataError("metadata: centre", f"{frame.centre.tolist()} is not three numbers.", advice)
    return frame
