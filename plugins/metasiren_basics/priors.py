"""The losses of Eq. 26 of the SIREN paper's supplement: mean squared error, and Gaussian priors.

L = 1/(HW) sum |Phi(x) - b|^2 + lambda_1 1/k |z|^2 + lambda_2 1/l |theta|^2. The lambdas are the recipe's weights.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from metasiren import Constraint, Prediction, RecipeError


class Mse(Constraint):
    """Mean squared difference between the field and the known values, over the batch and its points.

    Args:
        at: the point set.
        channels: `mean` of the squared errors of a point's channels, as in the authors' code; or their `sum`, as
            Eq. 26 reads (three times as much for colours).

    Raises:
        RecipeError: a point set without values.
    """

    at: str

    def __init__(self, *, at: str = "pixels", channels: Literal["mean", "sum"] = "mean") -> None:
        self.at, self.channels = at, channels

    def __call__(self, prediction: Prediction) -> Tensor:
        """A scalar."""
        error = self._error(prediction)
        mean = error.square().mean()
        return mean * error.shape[-1] if self.channels == "sum" else mean

    def residuals(self, prediction: Prediction) -> Tensor:
        """(batch, points, channels); see `Constraint.residuals`."""
        error = self._error(prediction)
        return error if self.channels == "sum" else error / error.shape[-1] ** 0.5

    def _error(self, prediction: Prediction) -> Tensor:
        points = prediction.batch.points[self.at]
        if "values" not in points.targets:
            known = ", ".join(points.targets) or "none"
            found = f"these points have no target 'values'; they have {known}."
            raise RecipeError(f"constraints: mse: at: {self.at}", found, "Name a point set with values.")
        return prediction.jets[self.at].value - points.values


class LatentPrior(Constraint):
    """Mean square of the latents' coordinates: a Gaussian prior; zero where latents have no size."""

    def __call__(self, prediction: Prediction) -> Tensor:
        """A scalar."""
        return prediction.latent.square().sum() / max(1, prediction.latent.numel())


class WeightPrior(Constraint):
    """Mean square of all weights and biases of all emitted SIRENs, which favours low frequencies."""

    def __call__(self, prediction: Prediction) -> Tensor:
        """A scalar."""
        # A norm reads each tensor once and keeps no squares for the backward pass.
        norms = torch.stack([torch.linalg.vector_norm(p) for p in prediction.field.params.values()])
        return norms.square().sum() / sum(p.numel() for p in prediction.field.params.values())
