"""The Helmholtz equation with its absorbing layer, Eq. 11 of the paper's supplement.

    a u_11 + a_1 u_1 + b u_22 + b_2 u_2 + c k² m u - f,    with the signs of `metasiren_physics.conventions`.

The field's channels are (Re u, Im u) of each wave in turn; one more channel, where there is one, is m - 1, or two are
a medium of two speeds (`metasiren_physics.two_speeds`).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from metasiren import Constraint, Jet, Points, Prediction, RecipeError
from metasiren_physics.two_speeds import squared_slowness


def helmholtz_residual(jet: Jet, points: Points, slowness: Tensor) -> Tensor:
    """(batch, points, waves), complex: the residual of Eq. 11 for each wave.

    Args:
        jet: of order `hessian_diagonal`.
        points: with the `operator` (1, points, 5, 2) and `source` (1, points, waves, 2) known there.
        slowness: m, (batch, points, 1), real.
    """
    source = as_complex(points.targets["source"])
    waves = source.shape[-1]
    a, a_1, b, b_2, ck2 = as_complex(points.targets["operator"]).unsqueeze(-2).unbind(-1)
    assert jet.gradient is not None
    assert jet.hessian_diagonal is not None
    u = paired(jet.value, waves)
    u_1, u_2 = (paired(jet.gradient[..., i], waves) for i in range(2))
    u_11, u_22 = (paired(jet.hessian_diagonal[..., i], waves) for i in range(2))
    return a * u_11 + a_1 * u_1 + b * u_22 + b_2 * u_2 + ck2 * slowness * u - source


def as_complex(pairs: Tensor) -> Tensor:
    """(..., 2) real -> (...) complex."""
    return torch.view_as_complex(pairs.contiguous())


def paired(channels: Tensor, waves: int) -> Tensor:
    """Channels (..., 2 * waves or more) as complex waves (..., waves)."""
    return torch.complex(channels[..., 0 : 2 * waves : 2], channels[..., 1 : 2 * waves : 2])


class Helmholtz(Constraint):
    """The equation's residual over the square, the absorbing layer included.

    `l2` is the mean of |residual|², weighted by the area that each point stands for, over `scale`². `l1` is the mean of
    |Re residual| + |Im residual|, where points inside a source count `source_lambda` times (the paper's lambda).

    Args:
        at: the point set.
        norm: `l2`, which is a sum of squares and suits gauss_newton; or `l1`, the paper's.
        reduction: with `l1`, the `mean` over points, or their `sum`, as in the paper.
        source_lambda: with `l1`, the factor where the source is not zero: a number, or `N/1000` for the number of
            points over 1000, which the authors' code has (`N/5000` in the supplement, `N/10000` for the inversion).
        inside: former name of `source_lambda`.
        scale: with `l2`, what residuals are divided by; k² makes them comparable with the wave itself.
        free_slowness: take m from the field's last channel (m - 1), instead of from the medium.
        bound: with `free_slowness`, m is that of the start, 1, where |x_i| exceeds this.

    Raises:
        RecipeError: a factor or scale that is not positive.
    """

    order = "hessian_diagonal"
    at: str

    def __init__(
        self,
        *,
        at: str = "interior",
        norm: Literal["l1", "l2"] = "l2",
        reduction: Literal["mean", "sum"] = "mean",
        source_lambda: float | str = 1.0,
        inside: float | None = None,
        scale: float = 1.0,
        free_slowness: bool = False,
        bound: float = 0.75,
    ) -> None:
        if not scale > 0:
            raise RecipeError("constraints: helmholtz: scale", f"{scale}.", "Give a positive number.")
        self.at, self.norm, self.reduction, self.scale = at, norm, reduction, scale
        self.source_lambda = read_lambda(source_lambda if inside is None else inside)
        self.free_slowness, self.bound = free_slowness, bound

    def _residual(self, prediction: Prediction) -> Tensor:
        points, jet = prediction.batch.points[self.at], prediction.jets[self.at]
        if "operator" not in points.targets:
            found = f"these points have no target 'operator'; they have {', '.join(points.targets) or 'none'}."
            raise RecipeError(f"constraints: helmholtz: at: {self.at}", found, "Use data: helmholtz or fwi.")
        slowness = points.targets["slowness"]
        if self.free_slowness:
            slowness = field_slowness(
                medium_of(jet.value, points), points.coords, self.bound, points.targets.get("range")
            )
        return helmholtz_residual(jet, points, slowness)

    def __call__(self, prediction: Prediction) -> Tensor:
        """A scalar."""
        if self.norm == "l2":
            return squares(self.residuals(prediction))
        points = prediction.batch.points[self.at]
        residual = self._residual(prediction)
        inside = as_complex(points.targets["source"]) != 0
        number, of_points = self.source_lambda
        factor = number * residual.shape[1] if of_points else number
        weight = points.targets["weight"] * torch.where(inside, factor, 1.0)
        mean = (weight * (residual.real.abs() + residual.imag.abs())).sum(-1).mean()
        return mean * residual.shape[1] if self.reduction == "sum" else mean

    def residuals(self, prediction: Prediction) -> Tensor | None:
        """(batch, points, 2 * waves): real, then imaginary parts; None for `l1`."""
        if self.norm != "l2":
            return None
        residual = self._residual(prediction)
        root = prediction.batch.points[self.at].known["weight"].sqrt() / self.scale
        return torch.cat([residual.real, residual.imag], -1) * root


def read_lambda(text: float | str) -> tuple[float, bool]:
    """A factor, and whether it is one of the number of points: `N/1000` is (0.001, True).

    Raises:
        RecipeError: no positive number, and not of the form N/1000.
    """
    words = str(text).strip().partition("/")
    of_points = words[0] == "N"
    try:
        number = 1 / float(words[2] or 1) if of_points else float(str(text))
    except (ValueError, ZeroDivisionError):
        number = 0.0
    if not 0 < number < math.inf:
        raise RecipeError("constraints: helmholtz: source_lambda", f"{text}.", "Give a positive number, or N/1000.")
    return number, of_points


def squares(residuals: Tensor | None) -> Tensor:
    """The loss of residuals: the mean over batch and points of the sum of squared components."""
    assert residuals is not None
    return residuals.square().sum(-1).mean()


def medium_of(channels: Tensor, points: Points) -> Tensor:
    """The channels (..., 1 or 2) that follow those of the waves; the last one at points without sources."""
    return channels[..., 2 * points.targets["source"].shape[-2] if "source" in points.targets else -1 :]


def field_slowness(medium: Tensor, coords: Tensor, bound: float, limits: Tensor | None = None) -> Tensor:
    """The squared slowness m (batch, points, 1) from the channels of the medium; 1 where |x_i| > bound.

    It is kept between `limits` (1, 1, 2), or at least at 0.001 as in the authors' code: a negative m would let waves
    grow.
    """
    m = squared_slowness(medium)
    m = m.clamp(min=0.001) if limits is None else torch.clamp(m, limits[..., :1], limits[..., 1:])
    outside = (coords.abs() > bound).any(-1, keepdim=True)
    return torch.where(outside, torch.ones_like(m), m)
