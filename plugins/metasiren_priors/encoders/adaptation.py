"""Encoders that find a latent by gradient steps through the decoder: context adaptation, and auto-decoding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from metasiren import Batch, Context, Dataset, Decoder, Domain, Encoder, RecipeError
from metasiren_priors.data.imageset import ImageSet
from metasiren_priors.evaluation.refinement import observed_errors, refine


class ContextAdaptation(Encoder):
    """CAVIA: the latent starts at zero, and takes a few gradient steps on the squared error of the observed values.

    Training differentiates through these steps, so that the decoder becomes one in which few steps suffice (Zintgraf et
    al. 2019, "Fast Context Adaptation via Meta-Learning", Eqs. 1 to 3). The decoder `concatenation` is theirs. The
    encoder has no parameters.

    Args:
        domain: any.
        latent_dim: size of the latent (their context parameters).
        steps: of gradient descent, in training and evaluation alike.
        rate: of gradient descent, beside the mean squared error of values in [-1, 1].
        first_order: do not differentiate through the gradient: cheaper steps, and a worse prior.

    Raises:
        RecipeError: a number out of its range.
    """

    def __init__(
        self, domain: Domain, *, latent_dim: int = 128, steps: int = 5, rate: float = 1.0, first_order: bool = False
    ) -> None:
        super().__init__()
        for option, value in (("latent_dim", latent_dim), ("steps", steps)):
            if value < 1:
                raise RecipeError(f"encoder: cavia: {option}", f"{value} is below 1.", "Give 1 or more.")
        if rate <= 0:
            raise RecipeError("encoder: cavia: rate", f"{rate} is not positive.", "Give a number such as 1.0.")
        self.latent_dim, self.steps, self.rate, self.first_order = latent_dim, steps, rate, first_order

    def forward(self, context: Context, decoder: Decoder) -> Tensor:
        """Latents (batch, latent_dim); those of items without observations are zero."""
        through = torch.is_grad_enabled() and self.training
        latent = context.values.new_zeros(len(context.items), self.latent_dim)
        for _ in range(self.steps):
            with torch.enable_grad():
                # A sum over items: no item's step depends on its neighbours.
                latent = latent if latent.requires_grad else latent.requires_grad_()
                loss = observed_errors(decoder.field(latent), context).sum()
                (slope,) = torch.autograd.grad(loss, latent, create_graph=through and not self.first_order)
                latent = latent - self.rate * slope
            latent = latent if through else latent.detach()
        return latent


class AutoDecoder(Encoder):
    """Auto-decoding: every training signal has a latent of its own, trained with the decoder.

    For other signals the latent is optimised against the observed values, with the decoder fixed (Park et al. 2019,
    "DeepSDF", Eqs. 9 and 10): Adam from zero on the mean squared error plus `prior` times the latent's mean square.

    Training steps use whole signals, so that the recipe's `train: context` changes nothing. Training sets that
    are shown mirrored are refused: a latent belongs to one picture.

    Args:
        domain: says how many training signals there are.
        latent_dim: size of a latent.
        steps: of Adam for a signal that was not trained on.
        rate: of Adam.
        prior: weight of the latent's mean square, beside the mean squared error of values in [-1, 1].
        start: standard deviation of the latents at the start.
        speed: factor on the training latents: a latent is updated once in a pass over the data, the decoder in every
            step, so latents need a larger learning rate.

    Raises:
        RecipeError: a number out of its range.
    """

    def __init__(
        self,
        domain: Domain,
        *,
        latent_dim: int = 128,
        steps: int = 100,
        rate: float = 0.05,
        prior: float = 1e-3,
        start: float = 0.01,
        speed: float = 10.0,
    ) -> None:
        super().__init__()
        for option, value, least in (("latent_dim", latent_dim, 1), ("steps", steps, 1), ("prior", prior, 0)):
            if value < least:
                raise RecipeError(
                    f"encoder: autodecoder: {option}", f"{value} is below {least}.", f"Give {least} or more."
                )
        self.latent_dim, self.steps, self.rate, self.prior = latent_dim, steps, rate, prior
        for option, number in (("rate", rate), ("speed", speed)):
            if number <= 0:
                raise RecipeError(f"encoder: autodecoder: {option}", f"{number} is not positive.", "Give 0.05 or 10.")
        self.speed = speed
        self.latents = nn.Parameter(torch.randn(max(1, domain.items), latent_dim) * (start / speed))

    def fit(self, dataset: Dataset) -> None:
        """Nothing is fitted before the first step.

        Raises:
            RecipeError: the training set is shown mirrored.
        """
        if isinstance(dataset, ImageSet) and dataset.mirror:
            found = "the data are shown mirrored, so that a picture and its mirror image would share one latent."
            raise RecipeError("encoder: autodecoder", found, "Set `data: {mirror: false}`, or use another encoder.")

    def forward(self, context: Context, decoder: Decoder) -> Tensor:
        """Latents (batch, latent_dim): the items' own in training mode, else optimised against the observed values."""
        if self.training:
            return self.speed * self.latents[context.items]
        zero = context.values.new_zeros(len(context.items), self.latent_dim)
        return refine(decoder, zero, context, self.steps, rate=self.rate, prior=self.prior).detach()

    def training_pair(
        self, batch: Batch, decoder: Decoder, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Batch]:
        """The items' own latents, and their whole signals."""
        return self.speed * self.latents[batch.context.items], batch
