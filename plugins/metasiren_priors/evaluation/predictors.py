"""A model for the evaluation: fields from observed pixels, predicted images, and predictive distributions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from metasiren import Field, Model, grid
from metasiren_priors.data.imageset import observe
from metasiren_priors.decoders.uncertain import UncertainField
from metasiren_priors.evaluation.masks import cells_of
from metasiren_priors.evaluation.predictive import Distribution, Independent, Joint
from metasiren_priors.evaluation.refinement import refine as refine_latent
from metasiren_priors.evaluation.weight_refinement import refine_weights


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """A model as a function of the observed pixels.

    Attributes:
        model: encoder and decoder.
        shape: (rows, columns) of an image.
        refine: steps of test-time optimisation.
        refine_in: what it changes: `latent`, or emitted `weights` (see `weight_refinement`).
        rate: its learning rate (see `refinement.refine`).
        prior: weight that holds refined latents near the encoder's.
    """

    model: Model
    shape: tuple[int, ...]
    refine: int = 0
    refine_in: Literal["latent", "weights"] = "latent"
    rate: float = 0.02
    prior: float = 1e-3

    def field(self, values: Tensor, seen: Tensor, items: Tensor) -> Field:
        """The fields of images.

        Args:
            values: (batch, pixels, channels) in [-1, 1].
            seen: (batch, pixels) bool, what may be looked at.
            items: (batch,) indices.
        """
        context = observe(values, *cells_of(seen), items, self._coords(values), self.shape)
        # Not inference_mode: encoders may optimise a latent against the decoder.
        with torch.no_grad():
            model, steps = self.model, self.refine
            latent = model.encoder(context, model.decoder)
            if steps and self.refine_in == "latent":
                latent = refine_latent(model.decoder, latent, context, steps, rate=self.rate, prior=self.prior)
            field = model.decoder.field(latent)
            if steps and self.refine_in == "weights":
                field = refine_weights(field, context, steps, rate=self.rate)
            return field

    def __call__(self, values: Tensor, seen: Tensor, items: Tensor) -> Tensor:
        """Predicted images (batch, pixels, channels); arguments as for `field`."""
        with torch.no_grad():
            made: Tensor = self.field(values, seen, items)(self._coords(values))
            return made.expand_as(values)

    def moments(self, values: Tensor, seen: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Means and standard deviations of the values, where the decoder gives an `UncertainField`."""
        with torch.no_grad():
            field, coords = self.field(values, seen, items), self._coords(values)
            assert isinstance(field, UncertainField)
            return field(coords).expand_as(values), field.deviation(coords).expand_as(values)

    def distribution(self, values: Tensor, items: Tensor) -> Distribution | None:
        """The predictive distribution; None where the model has none, or is refined.

        Args:
            values: of some image, (1, pixels, channels), which shows what kind of field the decoder gives.
            items: its index (1,).
        """
        posteriors = getattr(self.model.encoder, "posteriors", None)
        if self.refine:
            return None
        if posteriors is not None:
            return Joint(posteriors)
        seen = torch.ones_like(values[..., 0], dtype=torch.bool)
        return Independent(self.moments) if isinstance(self.field(values, seen, items), UncertainField) else None

    def _coords(self, values: Tensor) -> Tensor:
        return grid(self.shape, dtype=values.dtype, device=values.device)
