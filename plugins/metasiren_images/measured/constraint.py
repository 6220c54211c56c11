"""Measurements that are weighted sums of a field's values: large pixels, line integrals."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from metasiren import Constraint, Prediction, RecipeError


class Measurements(Constraint):
    """Mean squared error of weighted sums of the field against what was measured.

    The mean over measurements k and channels of (sum over i in S_k of w_i u(x_i) - m_k)^2, where S_k are the points of
    measurement k. The points know `weights` (batch, points, 1), the number of their measurement `of`
    (batch, points, 1), counted from 0, and its result `values` (batch, points, channels), the same at all points of one
    measurement.

    Args:
        at: the point set.

    Raises:
        RecipeError: points that do not know these.
    """

    at: str
    pointwise = False

    def __init__(self, *, at: str = "measured") -> None:
        self.at = at

    def __call__(self, prediction: Prediction) -> Tensor:
        """A scalar."""
        targets = prediction.batch.points[self.at].targets
        lacking = {"weights", "of", "values"} - set(targets)
        if lacking:
            found = f"these points lack {', '.join(sorted(lacking))}; they have {', '.join(targets) or 'none'}."
            raise RecipeError(f"constraints: measurements: at: {self.at}", found, "Name a point set of measurements.")
        value = prediction.jets[self.at].value
        return (weighted_sums(value, targets) - one_of_each(targets)).square().mean()


def weighted_sums(value: Tensor, targets: Mapping[str, Tensor]) -> Tensor:
    """(batch, measurements, channels) from values (batch, points, channels)."""
    return _sums(value * targets["weights"], targets["of"])


def one_of_each(targets: Mapping[str, Tensor]) -> Tensor:
    """The results (batch, measurements, channels), from those that points repeat."""
    repeated, of = targets["values"], targets["of"]
    return _sums(repeated, of) / _sums(torch.ones_like(repeated), of)


def _sums(each: Tensor, of: Tensor) -> Tensor:
    index = of.expand_as(each)
    count = int(of.max()) + 1
    return each.new_zeros(each.shape[0], count, each.shape[2]).scatter_add(1, index, each)
