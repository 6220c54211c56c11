"""Measurements that are weighted sums of a field's values: large pixels, line integrals."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from metasiren import Constraint, Prediction, RecipeError


class Measurements(Constraint):
    """Mean squared error of weighted sums of the field against what was measured.

    The mean over measurements k and channels of (sum over i in S_k of w_i u(x_i) - m_k)^2, where S_k are the points of
    measurement k. The points have the targets `weights` (batch, points, 1), the number of their measurement `of`
    (batch, points, 1), from 0 and below the number of points, and its result `values` (batch, points, channels), the
    same at all points of one measurement.

    Args:
        at: the point set.

    Raises:
        RecipeError: points without these.
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
        # There are at most as many measurements as points. Reading their number would wait for the device.
        value, count = prediction.jets[self.at].value, targets["of"].shape[1]
        points = _sums(torch.ones_like(targets["weights"]), targets["of"], count)
        results = _sums(targets["values"], targets["of"], count) / points.clamp_min(1)
        residuals = weighted_sums(value, targets, count) - results
        return residuals.square().sum() / ((points > 0).sum() * value.shape[2])


def weighted_sums(value: Tensor, targets: Mapping[str, Tensor], count: int) -> Tensor:
    """(batch, count, channels) from values (batch, points, channels); zero for numbers that no point has."""
    return _sums(value * targets["weights"], targets["of"], count)


def _sums(each: Tensor, of: Tensor, count: int) -> Tensor:
    return each.new_zeros(each.shape[0], count, each.shape[2]).scatter_add(1, of.expand_as(each), each)
