"""A surface as a data set: points on it, points in the space around it, drawn anew each step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from metasiren import Batch, Context, DataError, Dataset, Domain, Points, progress_bar, why_no_file
from metasiren_shapes.frame import Frame, Scheme
from metasiren_shapes.reading import SUFFIXES, is_mesh
from metasiren_shapes.solids import NAMES, SolidName
from metasiren_shapes.surface import Reading, Surface, surface_of_file, surface_of_solid
from metasiren_shapes.triangles import Array

ADVICE = (
    f"Give data.path, a mesh or a cloud of oriented points ({', '.join(SUFFIXES)});\n"
    f"or data.solid, one of {', '.join(NAMES)}."
)
MOST_HELD_OUT = 20_000
LABELLED_AT_ONCE = 8192
"""Points whose side is computed between two updates of the progress bar."""


class Shape(Dataset):
    """The surface of a mesh, of a cloud of oriented points, or of a solid known exactly, in the cube [-1, 1]^3.

    A training step has the set `surface` (drawn with replacement; known: `normals`), as many points in the set
    `space` (uniform in the cube), and, with `near`, as many in the set `near`. With `labelled`, as many in the set
    `labelled` state whether they lie `inside` (1 or 0). Tests have held-out surface points and fixed points in space;
    where the exact distance is known, it is the target `sdf`, in coordinate units, positive outside.

    A cloud is kept as 24 bytes a point. Binary PLY and NPY files are mapped into memory and converted piece by piece:
    20 million points of a PLY took 21 s of one busy core and, beside the mapped file, whose pages the system may take
    back, some 450 MB. What would not fit into the free memory is refused before it is read.

    Args:
        path: a mesh (.ply, .obj, .stl, .off, .glb) or a cloud with normals (.ply, .xyz, .npz, .npy).
        solid: instead of a file, one of sphere, box, torus, chain, knot, dust and room.
        points: surface points a step, and as many space points.
        near: standard deviation, in coordinate units, of points drawn around surface points; 0 draws none.
        labelled: points whose side of the surface is computed once, in the first step: half of them uniform in the
            cube, half around the surface with the standard deviation `near`, or 0.05; 0 for none.
        samples: surface points taken from a mesh or solid, once; 1,000,000 by default.
        normals: of a mesh: `face`, the default, or `vertex` for normals blended over each face.
        normalise: where the shape lies in the cube. `box` centres the bounding box, its longest side 2 * 0.9; `ball`
            turns with the shape; `official` is the authors' scheme, which touches the cube and ends off-centre.
        unit: of the input's lengths, such as mm; kept with the run.
        flip: turn the outside in. Closed meshes that are inside out are turned anyway.
        skip_broken: leave out points that are not finite or have no normal, rather than stop.
        most: keep at most so many points of a cloud, thinned evenly while they are read; 20,000,000 by default.
        held_out: share of the surface points that training does not use (at most 20,000 of them).
        test_points: points in space for the evaluation.
        seed: of the samples and of what is held out.
        title: the shape's name, as tables print it; by default the file's stem.

    Raises:
        DataError: neither or both of path and solid; a number out of range; what is wrong with the file.
        PluginError: a mesh, where trimesh is not installed.
    """

    renderer = "shape"
    instead_of: ClassVar = {"path": "solid"}

    def __init__(
        self,
        *,
        path: Path | None = None,
        solid: SolidName | None = None,
        points: int = 16_384,
        near: float = 0.0,
        labelled: int = 0,
        samples: int | None = None,
        normals: Literal["face", "vertex"] | None = None,
        normalise: Scheme = "box",
        unit: str | None = None,
        flip: bool = False,
        skip_broken: bool = False,
        most: int | None = None,
        held_out: float = 0.02,
        test_points: int = 4096,
        seed: int = 0,
        title: str | None = None,
    ) -> None:
        samples, most = 1_000_000 if samples is None else samples, 20_000_000 if most is None else most
        _demand_numbers(points, near, samples, most, held_out, test_points)
        how = Reading(samples, normals or "face", normalise, flip, skip_broken, most, seed)
        if (path is None) == (solid is None):
            raise DataError("data", "give a path or a solid, one of them.", ADVICE)
        if path is not None:
            path = Path(path).expanduser()
            surface = surface_of_file(path, how)
        else:
            assert solid is not None
            surface = surface_of_solid(solid, how)
        self.title = title or (path.stem if path is not None else str(solid))
        self.splits, self.domain = {"train": 1, "test": 1}, Domain(3, 1)
        self.surface, self.points, self.near = surface, points, near
        self.provenance = {**surface.notes, **({"shape": said} if (said := _said(surface.notes)) else {})}
        self.metadata = {**surface.frame.metadata, "unit": unit, "diagonal": surface.diagonal}
        pool, held = _hold_out(surface.rows, held_out, seed)
        self._pool, self._held = torch.from_numpy(pool), torch.from_numpy(held)
        self._space = torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, (test_points, 3)).astype(np.float32))
        _demand_inside(surface, labelled)
        self.labelled, self.seed = labelled, seed
        self._sdf: Tensor | None = None
        self._sides: Tensor | None = None

    @property
    def frame(self) -> Frame:
        """How coordinates become the input's units."""
        return self.surface.frame

    def reference(self, count: int = 200_000) -> tuple[Array, Array]:
        """What a mesh of the field is compared with: points (points, 3) in the input's units, and their normals.

        Held-out points come first, then training points up to `count`: with the few held-out ones of a scan alone,
        distances to the reference would measure their spacing.
        """
        held, pool = self._held.cpu().numpy(), self._pool[: max(0, count - len(self._held))].cpu().numpy()
        rows = np.concatenate([held, pool])[:count].astype(np.float64)
        return self.frame.to_input(rows[:, :3]), rows[:, 3:]

    def batch(
        self,
        split: str,
        items: Tensor,
        *,
        context: tuple[int, int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Batch:
        """Fresh points of the surface and of space for `train`, always the same ones for `test`."""
        nothing = Context.empty(items, self.domain)
        if split == "test":
            space = self._space.to(items.device)
            known = {} if self.surface.distance is None else {"sdf": self._distances().to(items.device)[None, :, None]}
            held = _oriented(self._held.to(items.device))
            return Batch(nothing, {"surface": held, "space": Points(space.unsqueeze(0), known)})
        device = items.device
        chosen = torch.randint(len(self._pool), (self.points,), generator=generator, device=device)
        drawn = self._pool[chosen.to(self._pool.device)].to(device)
        space = torch.rand(1, self.points, 3, generator=generator, device=device) * 2 - 1
        sets = {"surface": _oriented(drawn), "space": Points(space)}
        if self.near:
            away = torch.randn(1, self.points, 3, generator=generator, device=device) * self.near
            sets["near"] = Points(drawn[None, :, :3] + away)
        if self.labelled:
            chosen = torch.randint(self.labelled, (self.points,), generator=generator, device=device)
            rows = self._with_sides().to(device)[chosen]
            sets["labelled"] = Points(rows[None, :, :3], {"inside": rows[None, :, 3:]})
        return Batch(nothing, sets)

    def to(self, device: torch.device | str) -> Shape:
        """Move the points to the device where they take no more than a quarter of its free memory."""
        place = torch.device(device)
        free = torch.cuda.mem_get_info(place)[0] if place.type == "cuda" else None
        if free is None or self._pool.nbytes <= free / 4:
            self._pool = self._pool.to(place)
        self._held, self._space = self._held.to(place), self._space.to(place)
        self._sides = None if self._sides is None else self._sides.to(place)
        return self

    def _distances(self) -> Tensor:
        """Exact distances (points,) at the test's points in space; worked out when first asked for."""
        if self._sdf is None:
            assert self.surface.distance is not None
            exact = self.surface.distance(self._space.cpu().numpy().astype(np.float64))
            self._sdf = torch.from_numpy(exact.astype(np.float32))
        return self._sdf

    def _with_sides(self) -> Tensor:
        """(labelled, 4): coordinates, and 1 inside the surface, 0 outside; worked out when first asked for."""
        if self._sides is None:
            assert self.surface.distance is not None
            # A stream of its own: that of the seed alone draws the points in space that tests see.
            rng, around = np.random.default_rng((self.seed, 1)), self.labelled // 2
            coords = rng.uniform(-1, 1, (self.labelled, 3))
            drawn = self._pool[torch.from_numpy(rng.integers(len(self._pool), size=around)).to(self._pool.device), :3]
            coords[:around] = drawn.cpu().numpy() + (self.near or 0.05) * rng.standard_normal((around, 3))
            inside = np.empty((self.labelled, 1), bool)
            with progress_bar("labelling points", self.labelled) as advance:
                for start in range(0, self.labelled, LABELLED_AT_ONCE):
                    part = coords[start : start + LABELLED_AT_ONCE]
                    inside[start : start + len(part), 0] = self.surface.distance(part) < 0
                    advance(len(part))
            rows = np.concatenate([coords, inside], axis=1, dtype=np.float32)
            self._sides = torch.from_numpy(rows).to(self._space.device)
        return self._sides

    @classmethod
    def unused(cls, *, path: Path | str | None = None, solid: str | None = None, **options: Any) -> Mapping[str, str]:
        """Clouds have points and normals, meshes and solids all their points; a .ply file's header says which it is."""
        if path is None:
            return {} if solid is None else {"most": "solid", "normals": "solid"}
        mesh = is_mesh(Path(str(path)).expanduser())
        if mesh is None:
            return {}
        return {"most": "path"} if mesh else {"samples": "path", "normals": "path"}

    @classmethod
    def missing(cls, *, path: Path | str | None = None, solid: str | None = None, **options: Any) -> str | None:
        """Why this shape cannot be used here: its file is not there."""
        if solid is not None:
            return None
        if path is None:
            return "no shape is given.\n" + ADVICE
        return why_no_file(path, ADVICE)


def _said(notes: Mapping[str, str]) -> str:
    """The notes printed before training: an open mesh, turned normals, points left out."""
    mesh = "open, so that the field closes its holes" if notes.get("mesh") == "open" else ""
    return "; ".join(f"{name}: {words}" for name, words in {**notes, "mesh": mesh}.items() if words)


def _oriented(rows: Tensor) -> Points:
    return Points(rows[None, :, :3], {"normals": rows[None, :, 3:]})


def _demand_inside(surface: Surface, labelled: int) -> None:
    """Refuse a negative number of labelled points, and surfaces of which no inside is known.

    Raises:
        DataError: these.
    """
    if labelled < 0:
        raise DataError("data: labelled", f"{labelled} points.", "Give 0 or more.")
    if labelled and surface.distance is None:
        found = "the inside of this surface is not known: it is open, or a cloud of points."
        raise DataError("data: labelled", found, "Give a closed mesh or an exact solid, or fit a distance instead.")


def _hold_out(rows: np.ndarray[Any, Any], share: float, seed: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Rows for training and rows held out; works in place, for there may be many."""
    count = min(max(1, round(share * len(rows))), MOST_HELD_OUT)
    chosen = np.sort(np.random.default_rng(seed).choice(len(rows), count, replace=False, shuffle=False))
    held, left = rows[chosen], len(rows) - count
    # The last rows that stay take the places of those held out before them.
    movers = np.setdiff1d(np.arange(left, len(rows)), chosen, assume_unique=True)
    rows[chosen[: len(movers)]] = rows[movers]
    return rows[:left], held


def _demand_numbers(points: int, near: float, samples: int, most: int, held_out: float, test_points: int) -> None:
    for name, value, least, greatest in (
        ("points", points, 1, 10_000_000), ("samples", samples, 1000, 100_000_000), ("most", most, 1000, 10**9),
        ("test_points", test_points, 1, 1_000_000), ("near", near, 0, 1), ("held_out", held_out, 0.0001, 0.5),
    ):  # fmt: skip
        if not least <= value <= greatest:
            raise DataError(f"data: {name}", f"{value:,} is out of range.", f"Give {least:,} to {greatest:,}.")
