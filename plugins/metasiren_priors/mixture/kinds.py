"""Kinds of masks, by what they leave unknown, and random masks of all kinds.

Scattered points leave the fine coordinates unknown, and hidden parts the coarse ones.
"""

from __future__ import annotations

from math import exp, log, prod

import torch
from torch import Tensor

LEFT = (0.03, 0.08, 0.15, 0.25, 0.4)
"""Limits between kinds of masks: the variance that is left, as a share of the prior's."""
COARSE, COARSE_PRIOR = 0.45, 0.8
"""Another: the share of it in the coarse coordinates, which are the first ones that hold four fifths of the prior's."""
KINDS = 2 * (len(LEFT) + 1)


def precision_and_variances(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """S^-1 (coordinates, coordinates) and the diagonal of S, from S."""
    return torch.cholesky_inverse(torch.linalg.cholesky(covariance)), covariance.diagonal().clone()


def kind_of(precision: Tensor, variances: Tensor, gram: Tensor) -> tuple[int, float]:
    """The kind of a mask, below `KINDS`, and the share of the variance that it leaves, from 0 to 1.

    Args:
        precision: S^-1, (coordinates, coordinates), S being the prior's covariance.
        variances: the diagonal of S.
        gram: the observed values' precision of the coordinates; see `Seen`.
    """
    covariance = torch.cholesky_inverse(torch.linalg.cholesky(precision + gram))
    inner = torch.minimum(covariance.diagonal(), variances)
    coarse = variances.cumsum(0) <= COARSE_PRIOR * variances.sum()
    coarse[0] = True
    left, rough = float(inner.sum() / variances.sum()), float(inner[coarse].sum() / inner.sum())
    return 2 * sum(left > limit for limit in LEFT) + int(rough > COARSE), left


def random_mask(grid: tuple[int, ...], generator: torch.Generator, scattered: bool) -> Tensor:
    """A mask (points,) bool: scattered points, their number log-uniform from 4 to a third of all, or a whole part.

    A part is one side of the signal (two times in three; every other one is cut in the middle), or everything but a
    rectangle.
    """
    size = prod(grid)
    kind, amount, flip = torch.rand(3, generator=generator).tolist()
    if scattered:
        few, many = log(min(4, size)), log(max(size / 3, 1))
        return torch.rand(size, generator=generator).argsort() < round(exp(few + amount * max(many - few, 0)))
    if kind < 2 / 3:
        dimension = int(torch.randint(len(grid), (1,), generator=generator))
        length = grid[dimension]
        cut = length // 2 if kind < 1 / 3 else 1 + int(amount * (length - 1))
        line = torch.arange(length) < cut
        line = line if flip < 0.5 else line.flip(0)
        shape = [-1 if d == dimension else 1 for d in range(len(grid))]
        return line.view(shape).expand(grid).flatten()
    inside = torch.ones(grid, dtype=torch.bool)
    for dimension, length in enumerate(grid):
        start, share = torch.rand(2, generator=generator).tolist()
        extent = max(1, round(length * (0.25 + 0.5 * share)))
        first = int(start * (length - extent + 1))
        line = torch.arange(length)
        shape = [-1 if d == dimension else 1 for d in range(len(grid))]
        inside &= ((line >= first) & (line < first + extent)).view(shape)
    return ~inside.flatten()
