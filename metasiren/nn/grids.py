"""Coordinate grids in [-1, 1]."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor


def grid(
    shape: Sequence[int],
    *,
    extent: float = 1.0,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    """Points of a regular grid, row-major, endpoints included.

    Args:
        shape: points along each axis; coordinate 0 runs along the first axis (rows of an image). An axis of one
            point lies at 0.
        extent: half-width of the box; beyond 1 extrapolates.
        dtype: of the coordinates.
        device: where they lie.

    Returns:
        (points, dimensions), points being the product of `shape`.
    """
    axes = [
        torch.linspace(-extent, extent, n, dtype=dtype, device=device)
        if n > 1
        else torch.zeros(1, dtype=dtype, device=device)
        for n in shape
    ]
    return rearrange(torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1), "... d -> (...) d")
