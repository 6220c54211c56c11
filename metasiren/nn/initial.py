"""Distributions of initial weights, symmetric about zero."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Distribution(Protocol):
    """How a weight or a bias is drawn at the start; the mean over its entries is zero."""

    @property
    def std(self) -> float:
        """Standard deviation of the entries."""

    def fill(self, parameter: Tensor, generator: torch.Generator | None = None) -> None:
        """Draw every entry of `parameter`, in place: weights are (instances, out, in), biases (instances, out)."""


@dataclass(frozen=True)
class Uniform:
    """U(-bound, bound).

    Args:
        bound: half the width, zero or more.
    """

    bound: float

    @property
    def std(self) -> float:
        """Standard deviation, bound / sqrt(3)."""
        return self.bound / sqrt(3)

    def fill(self, parameter: Tensor, generator: torch.Generator | None = None) -> None:
        """Draw every entry of `parameter`, in place."""
        parameter.uniform_(-self.bound, self.bound, generator=generator)


@dataclass(frozen=True)
class Normal:
    """N(0, std^2).

    Args:
        std: standard deviation, zero or more.
    """

    std: float

    def fill(self, parameter: Tensor, generator: torch.Generator | None = None) -> None:
        """Draw every entry of `parameter`, in place."""
        parameter.normal_(0, self.std, generator=generator)
