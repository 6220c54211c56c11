"""An equation or a condition as a loss: a residual that must vanish at the points of one set.

A residual r(x) is a function of the field's values and derivatives at a point. Its loss is the mean of w |r / scale|²
over the points (`norm: l2`) or the mean of w |r / scale| (`norm: l1`), where w is the weight that a data set gives to a
point, 1 by default. The squared form also serves optimisers that need residuals one by one, such as `gauss_newton`.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

import torch
from torch import Tensor

from metasiren.contracts.data import Points
from metasiren.contracts.objective import Constraint, Prediction
from metasiren.errors import RecipeError
from metasiren.nn.derivatives.orders import Jet, SecondSums

Norm = Literal["l1", "l2"]


class Residual(Constraint):
    """Base of equations and conditions. A subclass gives `order` and `residual`; it may give another default for `at`.

        class Heat(Residual):
            order = "hessian_diagonal"

            def residual(self, jet, points):
                u_t, u_x = self.first(jet)
                u_tt, u_xx = self.second(jet)
                return u_t - 0.1 * u_xx

    Args:
        at: the point set; the class attribute `at` by default.
        norm: `l2`, the mean square, which suits gauss_newton; or `l1`, the mean absolute value.
        scale: residuals are divided by it; above 0. It makes equations of different units comparable.

    Raises:
        RecipeError: a scale that is not above 0, or a norm other than these two.
    """

    at: str = "interior"
    title: ClassVar[str] = ""
    """How errors name the part; the class name where it is empty."""
    pairs: ClassVar[bool] = False
    """Whether points come in pairs, i and i + n of 2 n points: `residual` then returns one row for each pair."""

    def __init__(self, *, at: str | None = None, norm: Norm = "l2", scale: float = 1.0) -> None:
        if not scale > 0:
            raise RecipeError(f"constraints: {self.name}: scale", f"scale is {scale}.", "Give a number above 0.")
        if norm not in ("l1", "l2"):
            raise RecipeError(f"constraints: {self.name}: norm", f"norm is {norm!r}.", "Give l1 or l2.")
        if at is not None:
            self.at = at
        self.norm: str = norm
        self.scale = scale

    @property
    def name(self) -> str:
        """How errors name this part."""
        return self.title or type(self).__name__

    @abstractmethod
    def residual(self, jet: Jet, points: Points) -> Tensor:
        """The residual, (batch, points, components); (batch, points / 2, components) with `pairs`.

        Each component must depend on the field at its own point alone, or at the two points of its own pair.

        Args:
            jet: the field's value and derivatives at the points, of at least the order `order`.
            points: their coordinates, and the targets that are known there.
        """

    def first(self, jet: Jet) -> tuple[Tensor, ...]:
        """The first derivatives along each coordinate in turn, each (batch, points, channels).

        Raises:
            RecipeError: the jet has none: `order` is below `gradient`.
        """
        return self._along(jet.gradient, "gradient")

    def second(self, jet: Jet) -> tuple[Tensor, ...]:
        """The unmixed second derivatives along each coordinate in turn, each (batch, points, channels).

        Raises:
            RecipeError: the jet has none: `order` is below `hessian_diagonal`.
        """
        return self._along(jet.hessian_diagonal, "hessian_diagonal")

    def third(self, jet: Jet) -> tuple[Tensor, ...]:
        """The unmixed third derivatives along each coordinate in turn, each (batch, points, channels).

        Raises:
            RecipeError: the jet has none: `order` is below `third`.
        """
        return self._along(jet.third, "third")

    def fourth(self, jet: Jet) -> tuple[Tensor, ...]:
        """The unmixed fourth derivatives along each coordinate in turn, each (batch, points, channels).

        Raises:
            RecipeError: the jet has none: `order` is below `fourth`.
        """
        return self._along(jet.fourth, "fourth")

    def _along(self, derivatives: Tensor | None, order: str) -> tuple[Tensor, ...]:
        if derivatives is None:
            found = f"order is {self.order!r}, which does not include these derivatives."
            raise RecipeError(f"constraints: {self.name}", found, f"Set order = {order!r} in the class.")
        return derivatives.unbind(-1)

    def sums(self, jet: Jet) -> tuple[Tensor, ...]:
        """The weighted sums of second derivatives that `order` names, each (batch, points, channels).

        Raises:
            RecipeError: `order` is no `SecondSums`, or the jet lacks them.
        """
        if not isinstance(self.order, SecondSums):
            found = f"order is {self.order!r}, which names no sums of second derivatives."
            raise RecipeError(f"constraints: {self.name}", found, "Set order = SecondSums(...) in the class.")
        return self.order.of(jet)

    def target(self, points: Points, name: str) -> Tensor:
        """A named target of a point set, such as `values`.

        Raises:
            RecipeError: the points have no such target.
        """
        if name not in points.targets:
            found = f"these points have no target {name!r}; they have {', '.join(points.targets) or 'none'}."
            raise RecipeError(f"constraints: {self.name}: at: {self.at}", found, "Name a point set that has it.")
        return points.targets[name]

    def __call__(self, prediction: Prediction) -> Tensor:
        """The loss, a scalar."""
        if self.norm == "l1":
            return (self.weight(prediction) * self.scaled(prediction).abs()).sum(-1).mean()
        found = self.residuals(prediction)
        assert found is not None
        return found.square().sum(-1).mean()

    def residuals(self, prediction: Prediction) -> Tensor | None:
        """Weighted and scaled residuals, (batch, points, components); None for other norms than `l2`."""
        return self.weight(prediction).sqrt() * self.scaled(prediction) if self.norm == "l2" else None

    def scaled(self, prediction: Prediction) -> Tensor:
        """The residual over `scale`, (batch, points, components).

        Raises:
            RecipeError: `residual` returned another shape, or points that should be pairs are an odd number.
        """
        points = prediction.batch.points[self.at]
        count = points.coords.shape[1]
        if self.pairs and count % 2:
            advice = "Name a point set whose points come in pairs."
            raise RecipeError(f"constraints: {self.name}: at: {self.at}", f"{count} points are no pairs.", advice)
        found = self.residual(prediction.jets[self.at], points)
        count //= 2 if self.pairs else 1
        if found.dim() != 3 or found.shape[1] != count:
            of = f"{count} pairs of points" if self.pairs else f"{count} points"
            shape = f"residual returned the shape {tuple(found.shape)} at {of}."
            advice = "Return (batch, points, components); jet.value[..., 0:1] keeps the last axis, [..., 0] drops it."
            raise RecipeError(f"constraints: {self.name}", shape, advice)
        return found / self.scale

    def weight(self, prediction: Prediction) -> Tensor:
        """The weight of each point, (batch, points, 1), or of the first point of each pair; or a scalar 1."""
        found = prediction.batch.points[self.at].targets.get("weight", torch.ones((), device=prediction.latent.device))
        return found.chunk(2, 1)[0] if self.pairs and found.dim() else found
