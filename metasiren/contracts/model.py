"""From a context to a field: encoder, decoder, and the field that they give."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from metasiren.contracts.data import Batch, Context, Dataset
from metasiren.contracts.field import Field
from metasiren.nn.domain import Domain
from metasiren.nn.layers import Params
from metasiren.nn.siren import Siren


class Encoder(nn.Module, ABC):
    """Context -> latent.

    A constructor takes the `Domain` first, then keyword options with types and defaults: those are what a
    recipe may set.

    Attributes:
        latent_dim: size of the latent.
        invariances: what contract checks test (`metasiren.testing`): with `permutation` the order of the observed
            pairs does not matter, with `padding` masked pairs at the end do not. A sequence model drops the first.
    """

    latent_dim: int
    invariances: ClassVar[frozenset[str]] = frozenset({"permutation", "padding"})

    def __init_subclass__(cls, **options: Any) -> None:
        """Encoders written for the former names `claims` and `rehearse` keep working."""
        super().__init_subclass__(**options)
        for former, name in (("claims", "invariances"), ("rehearse", "training_pair")):
            if former in vars(cls) and name not in vars(cls):
                setattr(cls, name, vars(cls)[former])

    @abstractmethod
    def forward(self, context: Context, decoder: Decoder) -> Tensor:
        """Latents (batch, latent_dim). `decoder` serves encoders that optimise a latent against it."""

    def fit(self, dataset: Dataset) -> None:
        """Compute the parameters that have a closed form; called once, before the first step."""
        return None

    def draws(self, context: Context, count: int, generator: torch.Generator | None = None) -> Tensor | None:
        """Latents (count, batch, latent_dim) of signals drawn from the posterior, given the context.

        None, the default, where the encoder has no distribution over latents.
        """
        return None

    def training_pair(
        self, batch: Batch, decoder: Decoder, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Batch]:
        """The latent and the targets of one training step; the default encodes the batch's context.

        Args:
            batch: as the data set drew it.
            decoder: for which the latent is meant.
            generator: source of what an encoder draws in training.

        Returns:
            The latent (batch, latent_dim) or (batch, tokens, latent_dim), and the batch for the constraints.
        """
        return self(batch.context, decoder), batch


class Decoder(nn.Module, ABC):
    """Latent -> SIREN parameters.

    A constructor takes the `Siren` and the latent's size first, then keyword options.
    """

    def __init__(self, siren: Siren, latent_dim: int) -> None:
        super().__init__()
        self.siren, self.latent_dim = siren, latent_dim

    @abstractmethod
    def forward(self, latent: Tensor) -> Params:
        """Parameters of leading size `batch`, or 1 where all items share them."""

    def field(self, latent: Tensor) -> Field:
        """The decoded field."""
        return Field(self.siren, self(latent))


class Model(nn.Module):
    """An encoder and a decoder: Context -> Field."""

    def __init__(self, encoder: Encoder, decoder: Decoder) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, context: Context) -> Field:
        """The field of every item of the context, in the dtype of the weights."""
        dtype = next((p.dtype for p in self.parameters()), torch.float32)
        context = context.cast(dtype)
        return self.decoder.field(self.encoder(context, self.decoder))

    def signal(self, domain: Domain, item: int = 0) -> Field:
        """The field of a single signal: of item `item`, with nothing observed."""
        place = next((p.device for p in self.parameters()), torch.device("cpu"))
        field: Field = self(Context.empty(torch.tensor([item], device=place), domain))
        return field
