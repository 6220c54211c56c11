"""A field's values through a sampling kernel, without which a coarse grid aliases (SIREN paper, Eq. 23 and 24)."""

from __future__ import annotations

import torch
from torch import Tensor

from metasiren import Field


def bilinear_offsets(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Offsets (*shape, 2) in pixels, distributed as h(x, y) = max(0, 1 - |x|) max(0, 1 - |y|).

    That density already integrates to one; the factor of one half in the paper's text is a slip.
    """
    # A sum of two uniform numbers is distributed like a triangle.
    return torch.rand(*shape, 2, 2, generator=generator).sum(dim=-1) - 1


def blurred(
    field: Field,
    coords: Tensor,
    pixel: tuple[float, float],
    samples: int,
    generator: torch.Generator,
    *,
    chunk_points: int = 1 << 16,
) -> Tensor:
    """A Monte-Carlo estimate of the field convolved with the bilinear kernel, one pixel its half-width.

    Offsets come in pairs of opposite sign, so that an even number of samples leaves linear functions as they are. At
    the border of [-1, 1] samples are mirrored into the picture, since nothing trained the field beyond.

    Args:
        field: of one signal.
        coords: (points, 2).
        pixel: the distances between rows and between columns, in units of the coordinates.
        samples: number of them at each point.
        generator: of random numbers, on the CPU.
        chunk_points: evaluations at a time.

    Returns:
        (points, channels)
    """
    step = torch.tensor(pixel, dtype=coords.dtype, device=coords.device)
    made = []
    for centres in torch.split(coords, max(1, chunk_points // samples)):
        half = bilinear_offsets((-(-samples // 2), len(centres)), generator).to(step)
        offsets = torch.cat([half, -half])[:samples] * step
        moved = centres + offsets
        moved = torch.where(centres.abs() <= 1, 2 * moved.clamp(-1, 1) - moved, moved)
        made.append(field.jet(moved.reshape(-1, 2), "value").value[0].reshape(samples, len(centres), -1).mean(dim=0))
    return torch.cat(made)
