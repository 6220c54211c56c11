"""A surface, ready to be fitted: oriented points in the cube, and how to get back to the input's units."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from metasiren import demand_memory
from metasiren_shapes.checks import clean, demand_thickness, inward
from metasiren_shapes.frame import Frame, Scheme, fit_frame
from metasiren_shapes.reading import read_surface
from metasiren_shapes.reading.cloud import ROWS, Cloud
from metasiren_shapes.solids import SolidName, make_solid
from metasiren_shapes.triangles import (
    Array,
    closed,
    sample_triangles,
    signed_distance,
    triangle_mesh,
    unit,
    welded,
)

if TYPE_CHECKING:
    from trimesh import Trimesh

Rows = npt.NDArray[np.float32]
Distance = Callable[[Array], Array]
FEW = "Set data.samples lower."


@dataclass(frozen=True)
class Surface:
    """Oriented points in the cube [-1, 1]^3.

    Attributes:
        rows: (points, 6) float32: coordinates, then outward normals of length one.
        frame: how coordinates become the input's units.
        diagonal: of the bounding box, in the input's units.
        distance: coordinates (points, 3) -> exact signed distances (points,) in coordinate units, positive outside;
            None where it is not known which side a point is on.
        notes: what was done to the input, for people.
    """

    rows: Rows
    frame: Frame
    diagonal: float
    distance: Distance | None = None
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """How files become surfaces; see `metasiren_shapes.dataset.Shape` for each option."""

    samples: int
    normals: Literal["face", "vertex"]
    normalise: Scheme
    flip: bool
    skip_broken: bool
    most: int
    seed: int


def surface_of_file(path: Path, how: Reading) -> Surface:
    """The surface in a file.

    Raises:
        DataError, PluginError: as `read_surface`, `clean` and `fit_frame` do.
    """
    found = read_surface(path, most=how.most, seed=how.seed)
    if isinstance(found, Cloud):
        return surface_of_cloud(found, how, str(path))
    return surface_of_triangles(found, how, str(path))


def surface_of_triangles(mesh: Trimesh, how: Reading, where: str) -> Surface:
    """Points sampled evenly from triangles. A closed mesh that is inside out is turned."""
    mesh, notes = welded(mesh), {}
    demand_thickness(mesh.vertices, where)
    frame = fit_frame(mesh.vertices, how.normalise, where)
    # In the cube: trimesh's tolerances are lengths.
    cube = triangle_mesh(frame.to_coords(mesh.vertices), mesh.faces)
    solid = closed(cube)
    notes["mesh"] = "closed" if solid else "open"
    if solid and cube.volume < 0:
        # Of a closed surface the outside is no matter of opinion.
        cube.invert()
        notes["orientation"] = "was inside out, and has been turned"
    outside = cube
    if how.flip:
        outside = cube.copy()
        cube.invert()
        notes["orientation"] = "turned, as asked"
    demand_memory(150 * how.samples, where, FEW)
    points, normals = sample_triangles(cube, how.samples, np.random.default_rng(how.seed), normals=how.normals)

    def distance(coords: Array) -> Array:
        # A mesh that a person turned inside out has its inside outside.
        return signed_distance(outside, coords) * (-1 if how.flip else 1)

    rows = np.concatenate([points, normals], axis=1, dtype=np.float32)
    return Surface(rows, frame, _diagonal(mesh.vertices), distance if solid else None, notes)


def surface_of_cloud(cloud: Cloud, how: Reading, where: str) -> Surface:
    """The points of a scan, repeated ones left out."""
    rows, notes = clean(cloud.rows, where, skip_broken=how.skip_broken)
    if cloud.total > len(cloud.rows):
        notes = {"thinned": f"{len(cloud.rows):,} of {cloud.total:,} points kept", **notes}
    frame, diagonal = fit_frame(rows[:, :3], how.normalise, where), _diagonal(rows[:, :3])
    if how.flip:
        notes["orientation"] = "turned, as asked"
    elif inward(rows):
        notes["orientation"] = "normals point to the middle on the whole; if this is no room, set data.flip=true"
    return Surface(_placed(rows, frame, -1 if how.flip else 1), frame, diagonal, None, notes)


def surface_of_solid(name: SolidName, how: Reading) -> Surface:
    """Points sampled evenly from a solid that is known exactly."""
    solid, where = make_solid(name), f"data: solid: {name}"
    demand_memory(300 * how.samples, where, FEW)
    points, normals = solid.sample(how.samples, np.random.default_rng(how.seed))
    frame, sign = fit_frame(points, how.normalise, where), -1 if how.flip else 1

    def distance(coords: Array) -> Array:
        return sign * solid.distance(frame.to_input(coords)) / frame.scale

    rows = _placed(np.concatenate([points, normals], axis=1), frame, sign)
    return Surface(rows, frame, _diagonal(points), distance if solid.exact else None, {})


def _placed(rows: npt.NDArray[np.floating], frame: Frame, sign: int = 1) -> Rows:
    """Coordinates and unit normals, worked out in float64 piece by piece; float32 rows are overwritten."""
    placed: Rows = rows if rows.dtype == np.float32 else np.empty(rows.shape, np.float32)
    for start in range(0, len(rows), ROWS):
        part = slice(start, start + ROWS)
        block = np.asarray(rows[part], np.float64)
        placed[part, :3] = frame.to_coords(block[:, :3])
        placed[part, 3:] = sign * unit(block[:, 3:])
    return placed


def _diagonal(points: npt.NDArray[np.floating]) -> float:
    return float(np.linalg.norm(np.asarray(points.max(axis=0), np.float64) - points.min(axis=0)))
