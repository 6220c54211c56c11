"""Kinds of masks, by the variance that they leave, and masks of all kinds.

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


def masks_of_all_kinds(grid: tuple[int, ...], count: int, generator: torch.Generator) -> list[Tensor]:
    """Masks (points,) bool: `count` of scattered points, and as many that show or hide a whole part.

    The numbers of scattered points grow by equal factors from 4 to a third of all. Of the parts one third is a half,
    one a side that is cut anywhere, and one everything but a rectangle.
    """
    size, found = prod(grid), []
    few, many = log(min(4, size)), log(max(size / 3, 1))
    for number in range(count):
        seen = round(exp(few + number / max(count - 1, 1) * max(many - few, 0)))
        found.append(torch.rand(size, generator=generator).argsort() < seen)
        found.append(
            _all_but_a_rectangle(grid, generator) if number % 3 == 2 else _side(grid, generator, number % 3 == 0)
        )
    return found


def _side(grid: tuple[int, ...], generator: torch.Generator, half: bool) -> Tensor:
    dimension = int(torch.randint(len(grid), (1,), generator=generator))
    amount, flip = torch.rand(2, generator=generator).tolist()
    length = grid[dimension]
    line = torch.arange(length) < (length // 2 if half else 1 + int(amount * (length - 1)))
    line = line if flip < 0.5 else line.flip(0)
    return _along(line, dimension, len(grid)).expand(grid).flatten()


def _all_but_a_rectangle(grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
    inside = torch.ones(grid, dtype=torch.bool)
    for dimension, length in enumerate(grid):
        start, share = torch.rand(2, generator=generator).tolist()
        extent = max(1, round(length * (0.25 + 0.5 * share)))
        first, line = int(start * (length - extent + 1)), torch.arange(length)
        inside &= _along((line >= first) & (line < first + extent), dimension, len(grid))
    return ~inside.flatten()


def _along(line: Tensor, dimension: int, dimensions: int) -> Tensor:
    return line.view([-1 if d == dimension else 1 for d in range(dimensions)])
