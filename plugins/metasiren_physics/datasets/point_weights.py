"""Weights of points that follow the residual: causal in time, and residual-based attention.

Both are fixed within a step, whatever the optimiser tries there, and multiply the squared residual of a point.
A target `weight` that the recipe gives is part of the residuals that they follow.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from metasiren import RecipeError


@dataclass(frozen=True)
class Causal:
    """Later times gain weight once earlier residuals are small: w = exp(-tolerance * (loss of all earlier slabs)).

    Wang, Sankaran and Perdikaris 2022, "Respecting causality is all you need for training physics-informed neural
    networks", arXiv 2203.07404, Eq. 3.6; a slab's loss is the mean squared residual in it. Weights follow from the
    residuals of the step alone.

    Attributes:
        tolerance: above 0; the larger, the longer later times wait.
        slabs: number of intervals of equal length along the time axis, at least 2.
        sets: the point sets that are weighted.

    Raises:
        RecipeError: an option outside its range.
    """

    tolerance: float = 1.0
    slabs: int = 32
    sets: tuple[str, ...] = ("interior",)

    def __post_init__(self) -> None:
        if not (self.tolerance > 0 and self.slabs >= 2):
            found = f"tolerance {self.tolerance}, slabs {self.slabs}."
            raise RecipeError("data: box: causal", found, "tolerance > 0, slabs >= 2.")

    def weights(self, times: Tensor, residuals: Tensor) -> Tensor:
        """Weights (points,) of points at times (points,) from 0 to 1 whose residuals have the sizes (points,)."""
        slab = (times * self.slabs).long().clamp(0, self.slabs - 1)
        zeros = residuals.new_zeros(self.slabs)
        counts = zeros.index_add(0, slab, torch.ones_like(residuals))
        losses = zeros.index_add(0, slab, residuals.square()) / counts.clamp(min=1)
        before = losses.cumsum(0) - losses
        return torch.exp(-self.tolerance * before)[slab]


@dataclass(frozen=True)
class Attention:
    """Points whose residual stays large gain weight: a <- memory * a + rate * |r| / max |r|, and the weight is a^2.

    Anagnostopoulos, Toscano, Stergiopulos and Karniadakis 2023, "Residual-based attention and connection to information
    bottleneck theory in PINNs", arXiv 2307.00379, Eq. 4. The points must stay (`redraw: false`); a begins at `start`
    and is kept in checkpoints.

    Attributes:
        memory: from 0 to below 1.
        rate: above 0; a settles between 0 and rate / (1 - memory).
        start: a at the first step, above 0.
        sets: the point sets that are weighted.

    Raises:
        RecipeError: an option outside its range.
    """

    memory: float = 0.999
    rate: float = 0.01
    start: float = 1.0
    sets: tuple[str, ...] = ("interior",)

    def __post_init__(self) -> None:
        if not (0 <= self.memory < 1 and self.rate > 0 and self.start > 0):
            found = f"memory {self.memory}, rate {self.rate}, start {self.start}."
            raise RecipeError("data: box: attention", found, "0 <= memory < 1, rate > 0, start > 0.")

    def updated(self, before: Tensor | None, residuals: Tensor) -> Tensor:
        """The next a (points,) from the one before, or None at the first step, and residuals of the sizes (points,)."""
        now = torch.full_like(residuals, self.start) if before is None else before.to(residuals)
        largest = residuals.max()
        grown = self.memory * now + self.rate * residuals / largest
        # A diverged model has residuals that are not finite: weights stay, and the check of the step reports the loss.
        return torch.where(torch.isfinite(largest) & (largest > 0), grown, now)
