"""Media of two speeds: that of the start, and another one that is found with the shape where it is.

A level y and a contrast C give the squared slowness

    m = 1 + C s(y / C),    s(z) = ε (softplus(z / ε) - softplus((z - 1) / ε)),

where s is 0 below 0, z between, and 1 above, rounded over ε. So m is 1 or 1 + C but for a narrow edge, even where y
is smooth: a field of few frequencies has sharp edges. With C = 0 the medium is any, m = 1 + y.
"""

from __future__ import annotations

import torch
from torch import Tensor

EDGE = 0.08
"""ε: over which share of the contrast the limits are rounded."""
LEAST_CONTRAST = 1e-6
"""A contrast nearer to zero is none."""


def squared_slowness(medium: Tensor) -> Tensor:
    """The squared slowness m (..., 1) of the medium's channels (..., 1 or 2): y, and C where there is one."""
    level = medium[..., :1]
    if medium.shape[-1] == 1:
        return 1 + level
    contrast, far, z = _parts(medium)
    return 1 + torch.where(far, contrast * step(z), level)


def slowness_slope(medium: Tensor, slope: Tensor) -> Tensor:
    """The derivatives of m (..., d) from the channels (..., 1 or 2) and their derivatives (..., 1 or 2, d)."""
    if medium.shape[-1] == 1:
        return slope[..., 0, :]
    _, far, z = _parts(medium)
    steep = step_slope(z)
    by_level = torch.where(far, steep, 1.0)
    by_contrast = torch.where(far, step(z) - z * steep, 0.0)
    return by_level * slope[..., 0, :] + by_contrast * slope[..., 1, :]


def step(z: Tensor) -> Tensor:
    """s(z), elementwise."""
    softplus = torch.nn.functional.softplus
    return EDGE * (softplus(z / EDGE) - softplus((z - 1) / EDGE))


def step_slope(z: Tensor) -> Tensor:
    """s'(z), elementwise."""
    return torch.sigmoid(z / EDGE) - torch.sigmoid((z - 1) / EDGE)


def step_bend(z: Tensor) -> Tensor:
    """s''(z), elementwise."""
    low, high = torch.sigmoid(z / EDGE), torch.sigmoid((z - 1) / EDGE)
    return (low * (1 - low) - high * (1 - high)) / EDGE


def _parts(medium: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """C, whether it is not zero, and y / C; each (..., 1)."""
    contrast = medium[..., 1:]
    far = contrast.abs() > LEAST_CONTRAST
    return contrast, far, medium[..., :1] / torch.where(far, contrast, 1.0)
