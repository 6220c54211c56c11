"""From a field to a mesh, block by block: memory grows with the surface, not with the volume."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from metasiren import Field, MetasirenError, RecipeError, progress_bar
from metasiren_shapes.blocks import Borders, agree, fill
from metasiren_shapes.bound import BoundRefutedError, measure_gradient, settle
from metasiren_shapes.lattice import Cuts, Lattice
from metasiren_shapes.mesh import Effort, Floats, Integers, Mesh
from metasiren_shapes.probe import Probe
from metasiren_shapes.triangles import triangle_mesh, unit
from metasiren_shapes.weld import Patch, triangulate, weld

MOST_TRIANGLES = 20_000_000
"""Of one mesh. A rough field, whose surface filled the cube at 512, took 23 GB until the system ended the process."""


class EmptyLevelSetError(MetasirenError):
    """A field that nowhere passes the level: there is no surface, and no file is written."""


def extract(
    field: Field,
    *,
    resolution: int,
    level: float = 0.0,
    bounds: tuple[float, float] = (-1.0, 1.0),
    block: int = 64,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    gradient: float | None = None,
) -> Mesh:
    """The level set of a field, as triangles with the field's own normals.

    Values greater than the level are outside. The mesh is the same whatever the block size, and the same each time.

    Args:
        field: three coordinates, one channel; a field of signed distances is skipped through best.
        resolution: lattice cells along each axis of the cube.
        level: whose set is meshed.
        bounds: least and greatest coordinate of the cube; the surface is open where it leaves the cube.
        block: cells along an axis of a block; bounds memory.
        device: where to evaluate; by default where the parameters lie.
        dtype: of the coordinates; by default the parameters'.
        gradient: the largest gradient norm to expect; measured where left out.

    Raises:
        EmptyLevelSetError: the field does not pass the level.
        BrokenFieldError: values that are not finite, or more than one channel.
        RecipeError: a resolution, block, level or bounds that make no sense; more than `MOST_TRIANGLES`.
    """
    lattice = Lattice(resolution, *bounds)
    if not 4 <= block <= 512:
        raise RecipeError("block", f"{block} cells.", "Give 4 to 512.")
    if not np.isfinite(level):
        raise RecipeError("level", f"{level}.", "Give a finite number.")
    probe = Probe(field, device, dtype)
    bound, restarts = gradient or measure_gradient(probe, *bounds), 0
    while True:
        try:
            with progress_bar(f"meshing at {resolution}", resolution**3) as advance:
                patches = _few_enough(_patches(probe, lattice, level, block, bound, advance), resolution)
            break
        except BoundRefutedError as refuted:
            bound, restarts = max(2 * bound, refuted.gradient), restarts + 1
    if not patches:
        raise EmptyLevelSetError(
            "mesh",
            f"no value of the field passes the level {level:g}; "
            f"{probe.evaluations:,} values lie between {probe.least:.4g} and {probe.most:.4g}.",
            "Train longer, mesh at a higher resolution, or give a level between these values.",
        )
    places, faces = weld(patches)
    vertices = lattice.points(places)
    effort = Effort(probe.evaluations, lattice.size, bound, restarts)
    return Mesh(vertices, faces, _normals(probe, vertices, faces), effort)


def _patches(
    probe: Probe, lattice: Lattice, level: float, block: int, bound: float, advance: Callable[[int], object]
) -> Iterator[Patch]:
    """The surface in each block that holds some of it."""
    # One stream for all draws, in the order of the blocks: the same points are checked each time.
    random = np.random.default_rng(0)
    axis = lattice.blocks(block)
    count = len(axis) - 1
    signs = np.zeros((count,) * 3, dtype=np.int8)
    settle(signs, (axis, axis, axis), probe, lattice, level, bound, random)
    borders = Borders()
    for x, y, z in np.ndindex(count, count, count):
        here = (x, y, z)
        cuts: Cuts = (axis[x : x + 2], axis[y : y + 2], axis[z : z + 2])
        before = borders.before(here)
        if signs[here]:
            shape = tuple(int(c[1] - c[0]) + 1 for c in cuts)
            values: Floats = np.broadcast_to(np.float64(signs[here] * np.inf), shape)
            agree(values, before)
        else:
            values = fill(cuts, before, probe, lattice, level, bound, random)
            corner = np.array([c[0] for c in cuts])
            patch = triangulate(values, corner, lattice, bound * lattice.spacing)
            if patch is not None:
                yield patch
        borders.leave(here, values)
        advance(int(np.prod([c[1] - c[0] for c in cuts])))


def _few_enough(found: Iterator[Patch], resolution: int) -> list[Patch]:
    """All patches, unless they have too many triangles for the memory of most machines.

    Raises:
        RecipeError: they have; before they fill the memory, in which case the system would end the process.
    """
    patches, triangles = [], 0
    for patch in found:
        patches.append(patch)
        triangles += len(patch.faces)
        if triangles > MOST_TRIANGLES:
            found_so_far = f"{resolution}, at which the surface has more than {MOST_TRIANGLES:,} triangles."
            advice = f"Train longer if the surface is rough, or mesh at {max(resolution // 2, 2)}."
            raise RecipeError("mesh: resolution", found_so_far, advice)
    return patches


def _normals(probe: Probe, vertices: Floats, faces: Integers) -> Floats:
    """(vertices, 3) directions of the field's gradient; the triangles' where it vanishes."""
    _, gradients = probe.gradients(vertices)
    normals = unit(gradients)
    flat = np.linalg.norm(gradients, axis=1) < 1e-9
    if flat.any():
        normals[flat] = triangle_mesh(vertices, faces).vertex_normals[flat]
    return normals
