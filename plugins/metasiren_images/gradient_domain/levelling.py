"""A field known up to a constant, moved to the level of the picture that it stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from metasiren import Domain, Field, grid
from metasiren_images.single.render import PictureRenderer


class LevelledRenderer(PictureRenderer):
    """As `picture`, for fields fitted to derivatives: their mean is made the picture's before they are sampled."""

    def render(self, field: Field, domain: Domain, metadata: Mapping[str, Any], path: Path) -> None:
        """Level the field, sample it and write it; see `metasiren.Renderer.render`."""
        level = metadata.get("level")
        if level is not None and domain.grid is not None:
            field = levelled(field, domain.grid, level, chunk_points=self.chunk_points)
        super().render(field, domain, metadata, path)


def levelled(field: Field, shape: Sequence[int], level: Sequence[float], *, chunk_points: int = 1 << 16) -> Field:
    """The same field plus a constant, so that its mean over a grid is `level`.

    Args:
        field: of one signal.
        shape: of the grid on [-1, 1]^2.
        level: one number for each channel.
        chunk_points: points evaluated at a time.
    """
    last = field.siren.layers[-1].bias
    bias = field.params[last]
    with torch.no_grad():
        values = field.jet(grid(shape).to(bias), "value", chunk_points=chunk_points).value[0]
        shift = bias.new_tensor(list(level)) - values.mean(0)
    return replace(field, params={**field.params, last: bias + shift})
