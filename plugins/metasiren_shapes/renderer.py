"""A fitted shape as a file: a mesh in a person's units, or a shaded picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from metasiren import Domain, Field, RecipeError, Renderer, width_by_height
from metasiren_shapes.camera import Up
from metasiren_shapes.mesh import frame_of
from metasiren_shapes.mesh_files import SUFFIXES, describe, write_mesh
from metasiren_shapes.meshing import EmptyLevelSetError, extract
from metasiren_shapes.pictures import as_image, cameras, views
from metasiren_shapes.probe import Probe
from metasiren_shapes.tracing import Space


class ShapeRenderer(Renderer):
    """The level set as .ply, .obj, .glb or .stl, with the field's own normals; or a picture of it as .png.

    Memory grows with the surface, not with the volume. Area and watertightness are printed.

    Args:
        resolution: lattice cells along each axis of a mesh.
        level: of the field, that is the surface.
        block: lattice cells along each axis that are worked on at a time.
        size: rows and columns of a picture.
        azimuths: degrees around the shape from where a picture shows it; several stand side by side.
        elevation: degrees above the horizon.
        up: the axis that points upwards in a picture, such as z; -z where it points downwards.
        smooth: take the steps out of edges.

    Raises:
        RecipeError: a size that is no picture's, or no view.
    """

    suffixes: ClassVar[tuple[str, ...]] = (*SUFFIXES, ".png")

    def __init__(
        self,
        *,
        resolution: int = 256,
        level: float = 0.0,
        block: int = 64,
        size: tuple[int, int] = (768, 768),
        azimuths: tuple[float, ...] = (30.0,),
        elevation: float = 20.0,
        up: Up = "y",
        smooth: bool = True,
    ) -> None:
        if not all(1 <= side <= 16384 for side in size):
            raise RecipeError("render: size", f"{width_by_height(size)} pixels.", "Give sides of 1 to 16384.")
        if not azimuths:
            raise RecipeError("render: azimuths", "no view.", "Give at least one angle, such as [30].")
        self.resolution, self.level, self.block = resolution, level, block
        self.size, self.azimuths, self.elevation = size, azimuths, elevation
        self.up, self.smooth = up, smooth

    def render(self, field: Field, domain: Domain, metadata: Mapping[str, Any], path: Path) -> None:
        """As `metasiren.Renderer.render`.

        Raises:
            EmptyLevelSetError: nowhere does the field pass the level; no file is written.
            BrokenFieldError: a field that is not finite, or of several channels.
            DataError: metadata without a centre and scale, or a folder that cannot be written.
        """
        if path.suffix.lower() == ".png":
            self._picture(field, path)
            return
        frame = frame_of(metadata)
        mesh = extract(field, resolution=self.resolution, level=self.level, block=self.block).placed(frame)
        write_mesh(mesh, path)
        print(describe(mesh))

    def _picture(self, field: Field, path: Path) -> None:
        space = Space(Probe(field), self.level)
        seen_from = cameras(space, self.azimuths, elevation=self.elevation, up=self.up)
        picture = views(space, seen_from, self.size, smooth=self.smooth)
        if not picture.cover.any():
            raise EmptyLevelSetError(
                f"render -o {path}",
                f"no ray meets the level {self.level:g}; "
                f"the field's values lie between {space.probe.least:.4g} and {space.probe.most:.4g}.",
                "Train longer, or give a level between these values.",
            )
        as_image(picture).save(path)
