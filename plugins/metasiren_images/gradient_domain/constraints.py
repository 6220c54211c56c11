"""Supervision by derivatives alone: Eq. 5 of the SIREN paper, squared as its code has it.

Each channel has its own gradient and Laplacian; their sum over channels, which the authors' code supervises where a
picture has colours, would leave the channels free to drift apart.
"""

from __future__ import annotations

from torch import Tensor

from metasiren import Constraint, Fit, RecipeError


class _Match(Constraint):
    """Mean over batch, points and channels of the squared error of a derivative.

    Args:
        at: the point set, which knows the derivative.

    Raises:
        RecipeError: a point set that does not know it.
    """

    at: str
    name: str

    def __init__(self, *, at: str = "pixels") -> None:
        self.at = at

    def __call__(self, fit: Fit) -> Tensor:
        """A scalar."""
        errors: Tensor = self.residuals(fit).square().sum(-1)
        return errors.mean()

    def residuals(self, fit: Fit) -> Tensor:
        """(batch, points, components): the error of every channel's derivative, over the root of their number."""
        points = fit.batch.points[self.at]
        if self.order not in points.known:
            found = f"nothing says what {self.order} the field should have there; known: {sorted(points.known)}."
            advice = "Name a point set with it: the data sets poisson and editing have `pixels`."
            raise RecipeError(f"constraints: {self.name}: at: {self.at}", found, advice)
        asked: Tensor = getattr(fit.jets[self.at], self.order)
        error: Tensor = asked - points.known[self.order]
        residuals: Tensor = error.flatten(2) / error.shape[2] ** 0.5
        return residuals


class GradientMse(_Match):
    """Squared norm of the gradient's error, its mean over points and channels; needs known `gradient`.

    Args:
        at: the point set; it knows gradients (batch, points, channels, 2).
    """

    name, order = "gradient_mse", "gradient"


class LaplacianMse(_Match):
    """Squared error of the Laplacian, its mean over points and channels; needs known `laplacian`.

    Args:
        at: the point set; it knows Laplacians (batch, points, channels).
    """

    name, order = "laplacian_mse", "laplacian"
