"""Constraints, which train a field, and metrics, which evaluate it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Tensor

from metasiren.contracts.data import Batch, Dataset
from metasiren.contracts.field import Field
from metasiren.nn.derivatives.orders import Jet, Order


@dataclass(frozen=True)
class Prediction:
    """A field with its batch, latent and derivatives: the input of constraints and metrics.

    Attributes:
        batch: the context and the point sets.
        latent: (batch, latent_dim), or (batch, tokens, latent_dim).
        field: the decoded field.
        jets: for each point set, values and derivatives there, evaluated once at the highest order asked for.
    """

    batch: Batch
    latent: Tensor
    field: Field
    jets: Mapping[str, Jet]


Fit = Prediction
"""The former name of `Prediction`."""


class Constraint(ABC):
    """Prediction -> scalar. Its weight lives in the recipe.

    Attributes:
        at: the point set where it is evaluated, or None (a prior on latents or weights).
        order: the derivatives that it needs there: `value`, `gradient`, `laplacian`, `hessian_diagonal`,
            `hessian`, `third`, `fourth`, weighted sums of second derivatives, `SecondSums`, or `UpTo`.
        pointwise: whether the loss is a mean over the points of its set, each of which counts for itself. Then a step
            may take them in parts (`train.accumulate`, several processes). Where False, each part has the whole set.
    """

    at: str | None = None
    order: Order = "value"
    pointwise: bool = True

    @abstractmethod
    def __call__(self, prediction: Prediction) -> Tensor:
        """The unweighted loss, a scalar."""

    def for_data(self, dataset: Dataset) -> Self:
        """The same constraint for one data set, called once before training; the default is the constraint itself.

        Where a coefficient of an equation is constant in that set, fewer derivatives may be enough.
        """
        return self

    def residuals(self, prediction: Prediction) -> Tensor | None:
        """The residuals whose squares the loss sums, for least-squares optimisers such as `gauss_newton`.

        Returns:
            (batch, points, components), where the loss is the mean over batch and points of the sum of the squared
            components, and each point's components depend on the field at that point alone; None (the default)
            where the loss is no such sum.
        """
        return None


class Metric(ABC):
    """Prediction -> one number per item.

    Attributes:
        unit: such as `dB`; empty for a plain number.
        at: the point set where it is evaluated, or None.
        order: the derivatives that it needs there, as for a constraint.
    """

    unit: ClassVar[str] = ""
    at: str | None = None
    order: Order = "value"

    @abstractmethod
    def __call__(self, prediction: Prediction) -> Tensor:
        """(batch,) numbers."""
