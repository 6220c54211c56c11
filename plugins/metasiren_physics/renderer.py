"""The field of any equation as a picture: curves on one axis, maps on two, maps at several times on two and time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from metasiren import DataError, Domain, Field, RecipeError, Renderer, progress_bar
from metasiren_physics.arrays import Real
from metasiren_physics.protocols.box_pictures import SLICES, frames, picture, stepped

MOST_SIDE = 4096
MOVING = (".gif", ".webp")


class EquationRenderer(Renderer):
    """An equation's field over its box, each map with its colour bar.

    One axis gives curves. Two axes give a map, the first that the data names to the right. More give maps of two axes
    at several coordinates of the time axis (or of the first); as .gif or .webp these are frames in the same colours.

    Args:
        quantity: `value`; `gradient`, one map for each axis; `laplacian`, the sum of second derivatives over the axes
            other than time. Derivatives are exact.
        size: (rows, columns) of samples of each map; titles and colour bars are added around them.
        frames: coordinates of the time axis that are shown; by default 4 side by side, and 40 where they move.
        fps: frames per second where they move.
        chunk_points: points evaluated at a time, which bounds memory.

    Raises:
        RecipeError: sizes or numbers that make no sense.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".png", ".webp", ".gif", ".jpg")

    def __init__(
        self,
        *,
        quantity: Literal["value", "gradient", "laplacian"] = "value",
        size: tuple[int, int] = (256, 256),
        frames: int | None = None,
        fps: float = 12.5,
        chunk_points: int = 1 << 14,
    ) -> None:
        if not all(2 <= side <= MOST_SIDE for side in size):
            raise RecipeError("render: size", f"{size[0]}x{size[1]} samples.", f"Give sides of 2 to {MOST_SIDE:,}.")
        for name, number in (("frames", frames), ("fps", fps), ("chunk_points", chunk_points)):
            if number is not None and not number > 0:
                raise RecipeError(f"render: {name}", f"{number} is not positive.", "Give a number above 0.")
        self.quantity, self.size, self.frames, self.fps = quantity, size, frames, fps
        self.chunk_points = chunk_points

    def render(self, field: Field, domain: Domain, metadata: Mapping[str, Any], path: Path) -> None:
        """As `metasiren.Renderer.render`.

        Raises:
            DataError: the run's data names no axes.
        """
        axes: Mapping[str, Sequence[float]] = metadata.get("axes") or {}
        if len(axes) != domain.d_in:
            found = f"the field has {domain.d_in} coordinates, and its data names {len(axes) or 'no'} axes."
            raise DataError("render: equation", found, "Equations are rendered from data such as box.")
        names, time = tuple(axes), metadata.get("time")
        moving = len(names) > 2 and path.suffix.lower() in MOVING
        shown = self.frames or (40 if moving else SLICES)
        grid = self._grid(axes, time, shown)
        labels, values = self._values(field, names, time, grid, metadata.get("channels") or ())
        rows, columns = self.size
        if not moving:
            picture(names, time, grid, values, None, labels=labels, sides=(columns, rows), slices=shown).save(path)
            return
        first, *rest = frames(names, time, grid, values, labels=labels, sides=(columns, rows))
        first.save(path, save_all=True, append_images=rest, duration=round(1000 / self.fps), loop=0)

    def _grid(self, axes: Mapping[str, Sequence[float]], time: str | None, shown: int) -> list[Real]:
        """Coordinates of every axis: the first that is shown runs along columns, the second along rows."""
        rows, columns = self.size
        through = stepped(tuple(axes), time)
        counts = iter((columns, rows))
        made = []
        for name, (low, high) in axes.items():
            if name == through:
                made.append(np.linspace(low, high, shown))
            else:
                count = next(counts, 1)
                made.append(np.linspace(low, high, count) if count > 1 else np.array([(low + high) / 2]))
        return made

    def _values(
        self, field: Field, names: Sequence[str], time: str | None, grid: Sequence[Real], channels: Sequence[str]
    ) -> tuple[list[str], Real]:
        """Labels, and what is drawn (n0, n1, ..., labels) on the grid, in float64."""
        like = next(iter(field.params.values()))
        points = torch.from_numpy(np.stack(np.meshgrid(*grid, indexing="ij"), -1)).to(like)
        flat, made = points.reshape(-1, len(names)), []
        with progress_bar("rendering samples", len(flat)) as advance:
            for part in torch.split(flat, self.chunk_points):
                made.append(self._quantity(field, part, names, time).double().cpu())
                advance(len(part))
        whole: Real = torch.cat(made).numpy().reshape(*points.shape[:-1], -1)
        count = field.siren.out_features
        known = list(channels) if len(channels) == count else [f"channel {c}" for c in range(count)]
        if self.quantity == "value":
            return known if count > 1 or channels else ["field"], whole
        bare = known if count > 1 or channels else ["u"]
        if self.quantity == "laplacian":
            return [f"Laplacian of {channel}" for channel in bare], whole
        return [f"d {channel} / d {name}" for channel, name in product(bare, names)], whole

    def _quantity(self, field: Field, coords: Tensor, names: Sequence[str], time: str | None) -> Tensor:
        """What is drawn at coords (points, d), (points, labels)."""
        with torch.no_grad():
            if self.quantity == "value":
                return field.jet(coords, "value").value[0]
            if self.quantity == "gradient":
                gradient = field.jet(coords, "gradient").gradient
                assert gradient is not None
                return gradient[0].flatten(1)
            weights = [0.0 if name == time else 1.0 for name in names]
            laplacian = field.jet(coords, "laplacian", weights=weights).laplacian
            assert laplacian is not None
            return laplacian[0]
