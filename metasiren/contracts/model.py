"""From a context to a field: encoder, decoder, and the field that they give."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from metasiren.contracts.data import Batch, Context, Dataset
from metasiren.nn.derivatives.jets import Jet, jet
from metasiren.nn.domain import Domain
from metasiren.nn.layers import Params
from metasiren.nn.siren import Siren


@dataclass(frozen=True)
class Field:
    """A Siren with its parameters bound: a function of coordinates.

    Attributes:
        siren: the architecture.
        params: (instances, ...) weights.
    """

    siren: Siren
    params: Params

    def __call__(self, coords: Tensor) -> Tensor:
        """Values (batch, points, d_out) at coords (batch, points, d_in) or (points, d_in)."""
        return self.siren(self.params, coords)

    def jet(self, coords: Tensor, order: str, **options: Any) -> Jet:
        """Values and derivatives in one pass; see `metasiren.nn.derivatives.jets.jet`."""
        return jet(self.siren, self.params, coords, order, **options)

    def _repr_html_(self) -> str:
        """What notebooks show."""
        from metasiren.contracts.notebook import field_html

        return field_html(self.siren, self.params)


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

    def training_pair(
        self, batch: Batch, decoder: Decoder, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Batch]:
        """The latent and the targets of one training step; the default encodes the batch's context."""
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
