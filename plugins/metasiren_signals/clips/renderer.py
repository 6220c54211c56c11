"""`metasiren render RUN -o clip.mp4`: a field as a clip, of any size, and with frames between the frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from einops import rearrange, reduce
from torch import Tensor

from metasiren import Domain, Field, RecipeError, Renderer, RunError, grid, progress_bar, width_by_height
from metasiren_signals.clips.selection import MOST_SIDE, Frame
from metasiren_signals.clips.writing import to_bytes, write_clip
from metasiren_signals.files import demand_positive
from metasiren_signals.sampling import values_at


class ClipRenderer(Renderer):
    """A clip that plays.

    Args:
        size: rows and columns; those of the fitted clip by default. Below them every pixel is a mean over its area,
            against aliasing.
        frames: how many moments are sampled from the first frame to the last, both included; by default as many as
            last as long as the fitted clip. More at the clip's own fps is slow motion.
        fps: frames per second of the file; the clip's own by default. More alone makes motion smoother.

    Raises:
        RecipeError: a number that is not positive.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".mp4", ".gif")

    def __init__(
        self, *, size: tuple[int, int] | None = None, frames: int | None = None, fps: float | None = None
    ) -> None:
        if size is not None and not all(1 <= side <= MOST_SIDE for side in size):
            advice = f"Give rows and columns from 1 to {MOST_SIDE:,}."
            raise RecipeError("render: size", f"{width_by_height(size)} pixels.", advice)
        demand_positive(frames=frames, fps=fps)
        self.size, self.frames, self.fps = size, frames, fps

    def render(self, field: Field, domain: Domain, metadata: Mapping[str, Any], path: Path) -> None:
        """As `metasiren.Renderer.render`.

        Raises:
            RunError: the fitted data was no clip.
        """
        if "fps" not in metadata or domain.grid is None or len(domain.grid) != 3:
            found = "the run's metadata has neither frames nor fps."
            raise RunError(f"render -o {path}", found, "Clips come from runs on the data set `video`.")
        fps = self.fps or float(metadata["fps"])
        count = self.frames or max(1, round(domain.grid[0] * fps / float(metadata["fps"])))
        write_clip(path, self._frames(field, domain.grid, count), fps)

    def _frames(self, field: Field, own: tuple[int, ...], count: int) -> Iterator[Frame]:
        rows, columns = self.size or (own[1], own[2])
        finer = (-(-own[1] // rows), -(-own[2] // columns))
        device = next(iter(field.params.values())).device
        plane = plane_coords((rows, columns), finer).to(device)
        with progress_bar("rendering frames", count) as advance:
            for time in grid((count,), dtype=torch.float64).to(device):
                coords = torch.cat([time.expand(len(plane), 1), plane], -1)
                values = rearrange(values_at(field, coords), "(h w) c -> h w c", w=columns * finer[1])
                advance(1)
                yield to_bytes(reduce(values, "(h a) (w b) c -> h w c", "mean", a=finer[0], b=finer[1]))


def plane_coords(size: tuple[int, int], finer: tuple[int, int] = (1, 1)) -> Tensor:
    """Rows and columns of a picture's samples, ends of [-1, 1] included: (samples, 2) in float64, row by row.

    Args:
        size: rows and columns of pixels.
        finer: samples of a pixel along each, spread evenly over its area (that part of it which is inside).
    """
    axes = []
    for count, parts in zip(size, finer, strict=True):
        centres = grid((count,), dtype=torch.float64)
        width = 2 / (count - 1) if count > 1 else 2.0
        within = ((torch.arange(parts) + 0.5) / parts - 0.5) * width
        axes.append((centres + within).clamp(-1, 1).flatten())
    return torch.stack([axis.flatten() for axis in torch.meshgrid(*axes, indexing="ij")], -1)
