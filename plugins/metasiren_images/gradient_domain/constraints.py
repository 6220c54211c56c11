"""Supervision by derivatives alone: Eq. 5 of the SIREN paper, squared as its code has it.

Each channel has its own gradient and Laplacian; their sum over channels, which the authors' code supervises where a
picture has colours, would leave the channels free to drift apart.
"""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from metasiren import Constraint, Prediction, RecipeError


class _Squares(Constraint):
    """Mean over batch and points of the residuals' squared norm.

    Args:
        at: the point set, with the targets that the constraint needs.

    Raises:
        RecipeError: a point set without it.
    """

    at: str
    name: str

    def __init__(self, *, at: str = "pixels") -> None:
        self.at = at

    def __call__(self, prediction: Prediction) -> Tensor:
        """A scalar."""
        errors: Tensor = self.residuals(prediction).square().sum(-1)
        return errors.mean()

    @abstractmethod
    def residuals(self, prediction: Prediction) -> Tensor:
        """(batch, points, components)."""

    def known(self, prediction: Prediction, name: str, missing: str, advice: str) -> Tensor:
        """The point set's target of that name."""
        known = prediction.batch.points[self.at].known
        if name not in known:
            found = f"{missing}; known: {sorted(known)}."
            raise RecipeError(f"constraints: {self.name}: at: {self.at}", found, advice)
        return known[name]


class _Match(_Squares):
    order: str

    def residuals(self, prediction: Prediction) -> Tensor:
        """(batch, points, components): the error of every channel's derivative, over the root of their number."""
        known = self.known(
            prediction,
            self.order,
            f"these points have no target {self.order!r}",
            "Name a point set with it: the data sets poisson and editing have `pixels`.",
        )
        asked: Tensor = getattr(prediction.jets[self.at], self.order)
        error: Tensor = asked - known
        residuals: Tensor = error.flatten(2) / error.shape[2] ** 0.5
        return residuals


class GradientMse(_Match):
    """Squared norm of the gradient's error, its mean over points and channels; needs known `gradient`.

    Args:
        at: the point set, with the target `gradient` (batch, points, channels, 2).
    """

    name, order = "gradient_mse", "gradient"


class LaplacianMse(_Match):
    """Squared error of the Laplacian, its mean over points and channels; needs known `laplacian`.

    Args:
        at: the point set, with the target `laplacian` (batch, points, channels).
    """

    name, order = "laplacian_mse", "laplacian"


class DifferenceMse(_Squares):
    """Mean squared error of the field's differences between pixel pairs, over pairs and channels; needs `integral`.

    The fundamental theorem of calculus: f(end) - f(start) is the gradient's integral between. It determines low
    frequencies, to which gradients are hardly sensitive. Where the targets are no gradient of any field, it selects one
    of the fields that are near to them.

    Args:
        at: the point set: all starts, then as many ends, with the target `integral` (batch, points, channels). `spans`
            is the former name of `pixel_pairs`.
    """

    name = "difference_mse"
    pointwise = False  # a pair has two points

    def __init__(self, *, at: str = "pixel_pairs") -> None:
        super().__init__(at="pixel_pairs" if at == "spans" else at)

    def residuals(self, prediction: Prediction) -> Tensor:
        """(batch, pairs, channels): the error of each difference, over the square root of the number of channels."""
        integral = self.known(
            prediction,
            "integral",
            "no integrals of the gradient are known there",
            "Give data: pixel_pairs, a number of them, to poisson or editing.",
        )
        start, end = (prediction.jets[self.at].value - integral).chunk(2, dim=1)
        residuals: Tensor = (end - start) / integral.shape[-1] ** 0.5
        return residuals
