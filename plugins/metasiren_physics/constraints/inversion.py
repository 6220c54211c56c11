"""Constraints of an inversion beside the equation: receiver data, and prior assumptions about the medium."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from metasiren import Jet, Points, Prediction, RecipeError, Residual
from metasiren_physics.constraints.helmholtz import medium_of
from metasiren_physics.constraints.wave import Norm
from metasiren_physics.two_speeds import slowness_slope, squared_slowness


class Receivers(Residual):
    """The waves minus the receiver data: the data term of the supplement's Eq. 14.

    Args:
        at: the point set; its `values` are compared with as many of the field's first channels.
        norm: `l2`, the mean square over receivers, which suits gauss_newton; or `l1`, the mean absolute value.
        scale: what differences are divided by.

    Raises:
        RecipeError: a scale that is not positive; points without values.
    """

    title = "receivers"

    def __init__(self, *, at: str = "receivers", norm: Norm = "l2", scale: float = 1.0) -> None:
        super().__init__(at=at, norm=norm, scale=scale)

    def residual(self, jet: Jet, points: Points) -> Tensor:
        """The difference u - r, by channel."""
        received = self.target(points, "values")
        return jet.value[..., : received.shape[-1]] - received


class SlownessPrior(Residual):
    """How far the squared slowness is from that of the start: m - 1, the field's last channel.

    The supplement's Eq. 13 weighs it by the number of points, while waves in the uniform medium are learned.

    Args:
        at: the point set.
        norm: `l2`, the mean square, which suits gauss_newton; or `l1`, the mean absolute value, as in the paper.
        scale: what the difference is divided by.
        start: the squared slowness of the start.

    Raises:
        RecipeError: a scale that is not positive.
    """

    title = "slowness_prior"

    def __init__(self, *, at: str = "interior", norm: Norm = "l2", scale: float = 1.0, start: float = 1.0) -> None:
        super().__init__(at=at, norm=norm, scale=scale)
        self.start = start

    def residual(self, jet: Jet, points: Points) -> Tensor:
        """The difference m - m0."""
        return squared_slowness(medium_of(jet.value, points)) - self.start


class SlownessSlope(Residual):
    """The gradient of m, whose mean (square) favours smooth media among all that explain the data.

    Args:
        at: the point set.
        norm: `l2`, the mean square, which suits gauss_newton; `l1`, total variation by coordinate; or `tv`, the
            mean of sqrt(|slope|² + sharpness²) - sharpness, which lets media jump.
        scale: what slopes are divided by.
        sharpness: with `tv`, the slope below which it is as a square.
        within: slopes count where every |x_i| is below this; everywhere by default.

    Raises:
        RecipeError: a scale, sharpness or limit that is not positive.
    """

    order = "gradient"
    title = "slowness_slope"

    def __init__(
        self,
        *,
        at: str = "interior",
        norm: Literal["l1", "l2", "tv"] = "l2",
        scale: float = 1.0,
        sharpness: float = 1.0,
        within: float = 1.0,
    ) -> None:
        super().__init__(at=at, norm="l2" if norm == "tv" else norm, scale=scale)
        if not sharpness > 0:
            raise RecipeError("constraints: slowness_slope: sharpness", f"{sharpness}.", "Give a positive number.")
        if not within > 0:
            raise RecipeError("constraints: slowness_slope: within", f"{within}.", "Give a positive length.")
        self.norm, self.sharpness, self.within = norm, sharpness, within

    def counts(self, coords: Tensor) -> Tensor:
        """Where slopes count: bool (..., 1) at coordinates (..., 2)."""
        return (coords.abs() <= self.within).all(-1, keepdim=True)

    def weight(self, prediction: Prediction) -> Tensor:
        """The weight of each point, zero where slopes do not count."""
        return super().weight(prediction) * self.counts(prediction.batch.points[self.at].coords)

    def residual(self, jet: Jet, points: Points) -> Tensor:
        """The derivatives ∂m/∂x and ∂m/∂y."""
        assert jet.gradient is not None
        slope = medium_of(jet.gradient.movedim(-1, 0), points).movedim(0, -1)
        return slowness_slope(medium_of(jet.value, points), slope)

    def steepness(self, slope: Tensor) -> Tensor:
        """sqrt(|slope|² + sharpness²) (..., 1) of scaled slopes (..., 2)."""
        return (slope.square().sum(-1, keepdim=True) + self.sharpness**2).sqrt()

    def __call__(self, prediction: Prediction) -> Tensor:
        """A scalar."""
        if self.norm != "tv":
            return super().__call__(prediction)
        return (self.weight(prediction) * (self.steepness(self.scaled(prediction)) - self.sharpness)).sum(-1).mean()
