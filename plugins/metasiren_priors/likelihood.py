"""The loss that trains a field's standard deviation: the negative log-likelihood of independent Gaussians."""

from __future__ import annotations

from math import log, pi

from torch import Tensor

from metasiren import Constraint, Prediction, RecipeError
from metasiren_priors.decoders.uncertain import UncertainField


class GaussianNll(Constraint):
    """Mean of -log N(y | mean, deviation^2) over the batch, its points and channels, in nats; values are in [-1, 1].

    The mean is the field's value. By default it counts as known here, and only the deviation's output layer is trained:
    squared errors train the rest, as they would without this constraint (Stirn et al. 2023, "Faithful Heteroscedastic
    Regression with Neural Networks"). With `through: true` this loss trains everything, as in Garnelo et al. 2018.

    Args:
        at: the point set.
        through: the mean, the hidden layers and the encoder are trained by this loss, too.

    Raises:
        RecipeError: a field without a deviation, or a point set without values.
    """

    at: str

    def __init__(self, *, at: str = "pixels", through: bool = False) -> None:
        self.at, self.through = at, through

    def __call__(self, prediction: Prediction) -> Tensor:
        """A scalar."""
        field, points = prediction.field, prediction.batch.points[self.at]
        if not isinstance(field, UncertainField):
            advice = "Set `decoder: {name: concatenation, deviation: true}`."
            raise RecipeError("constraints: gaussian_nll", "the decoder's fields have no standard deviation.", advice)
        if "values" not in points.targets:
            known = ", ".join(points.targets) or "none"
            found = f"these points have no target 'values'; they have {known}."
            raise RecipeError(f"constraints: gaussian_nll: at: {self.at}", found, "Name a point set with values.")
        mean = prediction.jets[self.at].value
        deviation = field.deviation(points.coords, through=self.through)
        error = (mean if self.through else mean.detach()) - points.values
        return (deviation.log() + (error / deviation).square() / 2).mean() + log(2 * pi) / 2
