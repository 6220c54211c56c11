"""An encoder for single signals: it returns an empty latent."""

from __future__ import annotations

from torch import Tensor

from metasiren import Context, Decoder, Domain, Encoder


class FixedEncoder(Encoder):
    """Any context -> a latent of size zero; only the decoder's own parameters are then fitted.

    Args:
        domain: any.
    """

    def __init__(self, domain: Domain) -> None:
        super().__init__()
        self.latent_dim = 0

    def forward(self, context: Context, decoder: Decoder) -> Tensor:
        """(batch, 0)"""
        return context.coords.new_zeros(context.items.shape[0], 0)
