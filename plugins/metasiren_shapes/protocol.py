"""How a fitted shape is evaluated: its mesh beside the true surface, with pictures of both field and solid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd
import torch
from torch import Tensor

from metasiren import (
    FULL_EVALUATION,
    Comparison,
    ComparisonRow,
    Dataset,
    EvaluationOptions,
    Field,
    Model,
    Protocol,
    RecipeError,
    write_metrics,
)
from metasiren_shapes.camera import LETTER, Axis, Up
from metasiren_shapes.mesh import frame_of
from metasiren_shapes.mesh_files import write_mesh
from metasiren_shapes.meshing import EmptyLevelSetError, extract
from metasiren_shapes.pictures import AZIMUTHS, as_image, cameras, views
from metasiren_shapes.probe import BrokenFieldError, Probe
from metasiren_shapes.reference import Reference, compare, floor, reference_of, unknown
from metasiren_shapes.slices import slice_picture
from metasiren_shapes.tracing import Space

PREVIEW = 192
ERROR = "mesh_error.txt"


@dataclass(frozen=True, kw_only=True)
class ShapeProtocol(Protocol):
    """Chamfer and Hausdorff distances, normals, area and watertightness of the mesh, in a person's units.

    Writes mesh.ply, shaded.png (views of the field itself), slice.png, metrics.json and comparison.*. Where the field
    has no surface, its numbers are null and mesh_error.txt says why.

    Args:
        resolution: lattice cells along each axis of the mesh.
        level: of the field, that is the surface.
        samples: points drawn on the mesh, and points of the truth at most.
        size: side of each view in pixels.
        views: number of views, 1 to 3.
        up: the axis that points upwards in pictures, such as z; -z where it points downwards.
        slice: the axis across which slice.png cuts.
        at: where it does, in the field's coordinates.
        smooth: take the steps out of edges in pictures.

    Raises:
        RecipeError: a number out of range.
    """

    captions: ClassVar[dict[str, str]] = {
        "shaded.png": "The surface where the field is zero, seen from several sides.",
        "slice.png": "The signed distance in a plane: orange inside, blue outside, black where it is zero.",
    }

    resolution: int = 256
    level: float = 0.0
    samples: int = 200_000
    size: int = 384
    views: int = 3
    up: Up = "y"
    slice: Axis = "z"
    at: float = 0.0
    smooth: bool = True

    def __post_init__(self) -> None:
        for option, least, most in (
            ("resolution", 8, 4096), ("samples", 100, 20_000_000), ("size", 16, 8192), ("views", 1, len(AZIMUTHS)),
        ):  # fmt: skip
            value = getattr(self, option)
            if not least <= value <= most:
                raise RecipeError(f"evaluate: {option}", f"{value} is out of range.", f"Give {least} to {most:,}.")

    def evaluate(
        self,
        model: Model,
        dataset: Dataset,
        results: Path,
        *,
        name: str,
        options: EvaluationOptions = FULL_EVALUATION,
        device: torch.device | str = "cpu",
    ) -> pd.DataFrame:
        """As `metasiren.Protocol.evaluate`.

        Raises:
            DataError: the data has no surface.
        """
        truth = reference_of(dataset, self.samples, device)
        (results / ERROR).unlink(missing_ok=True)
        numbers, note = unknown(), ""
        with torch.no_grad():
            field = model.signal(dataset.domain)
            try:
                numbers, note = self._measure(field, dataset, truth, results)
            except (EmptyLevelSetError, BrokenFieldError) as error:
                (results / ERROR).write_text(f"{error}\n", "utf-8")
                (results / "mesh.ply").unlink(missing_ok=True)
                note = f"no mesh: {error.found}"
            self._draw(field, results)
        write_metrics(results, numbers)
        unit = dataset.metadata.get("unit") or "the input's units"
        rows = [
            ComparisonRow(name=name, kind="model", metrics=numbers, note=note),
            ComparisonRow(name="two halves of the data", kind="baseline", metrics=floor(truth), note="their spacing"),
        ]
        title = f"{dataset.title}: {len(truth.points):,} points of the surface, lengths in {unit}"
        comparison = Comparison(title=title, rows=rows)
        comparison.write(results)
        return comparison.frame()

    def check(self, dataset: Dataset) -> None:
        """As `metasiren.Protocol.check`.

        Raises:
            DataError: the data has no surface.
        """
        reference_of(dataset, 1, "cpu")

    def preview(
        self, model: Model, dataset: Dataset, path: Path, *, device: torch.device | str = "cpu"
    ) -> Tensor | None:
        """Draw one small view; None where the field has no surface yet."""
        with torch.no_grad():
            try:
                space = Space(Probe(model.signal(dataset.domain)), self.level)
                seen_from = cameras(space, AZIMUTHS[:1], up=self.up)
                picture = views(space, seen_from, (PREVIEW, PREVIEW), smooth=False)
            except BrokenFieldError:
                return None
        if not picture.cover.any():
            return None
        as_image(picture).save(path)
        return picture.bytes

    def _measure(
        self, field: Field, dataset: Dataset, truth: Reference, results: Path
    ) -> tuple[dict[str, float | None], str]:
        """The numbers of the mesh, which is written, and a line about it."""
        mesh = extract(field, resolution=self.resolution, level=self.level).placed(frame_of(dataset.metadata))
        write_mesh(mesh, results / "mesh.ply")
        assert mesh.effort is not None
        note = f"{len(mesh.faces):,} faces at {self.resolution}; {mesh.effort.share:.1%} of the lattice evaluated"
        return compare(mesh, truth, self.samples), note

    def _draw(self, field: Field, results: Path) -> None:
        """The pictures, where the field allows them; an old picture never stays beside new numbers."""
        shaded, cut = results / "shaded.png", results / "slice.png"
        for path in (shaded, cut):
            path.unlink(missing_ok=True)
        try:
            probe = Probe(field)
            slice_picture(probe, level=self.level, axis=self.slice, at=self.at, up=LETTER[self.up]).save(cut)
            space = Space(probe, self.level)
            picture = views(
                space, cameras(space, AZIMUTHS[: self.views], up=self.up), (self.size, self.size), smooth=self.smooth
            )
        except BrokenFieldError:
            return
        if picture.cover.any():
            as_image(picture).save(shaded)
