"""A set encoder: each observation on its own through one network, then their mean.

Garnelo et al. 2018, "Conditional Neural Processes"; with sines in Sitzmann et al. 2020, supplement section 9.1.
"""

from __future__ import annotations

from math import sqrt
from typing import Literal

import torch
from torch import Tensor, nn

from metasiren import Context, Decoder, Domain, Encoder


class SetEncoder(Encoder):
    """Set of (coordinate, value) pairs -> latent (batch, latent_dim), invariant to order and padding.

    The latent is the mean of the pairs' embeddings, times `gain`; that of no pairs is zero. The network's last layer
    has the nonlinearity too, as in the authors' code, so that the embeddings of a sine network lie in [-1, 1].

    Args:
        domain: any; a pair has d_in + d_out numbers.
        latent_dim: size of the latent.
        hidden_features: width of the hidden layers.
        hidden_layers: number of hidden-to-hidden layers: 2 is the authors' code (pair -> 256 -> 256 -> 256 -> latent),
            1 the paper's text ("two hidden layers").
        nonlinearity: `sine` or `relu`.
        omega: frequency of the sines.
        gain: factor on the mean, which sets how far the latent moves the decoder's weights from where they start;
            1 is the authors' code.
    """

    def __init__(
        self,
        domain: Domain,
        *,
        latent_dim: int = 256,
        hidden_features: int = 256,
        hidden_layers: int = 2,
        nonlinearity: Literal["sine", "relu"] = "sine",
        omega: float = 30.0,
        gain: float = 0.1,
    ) -> None:
        super().__init__()
        self.latent_dim, self.gain = latent_dim, gain
        self.omega = omega if nonlinearity == "sine" else None
        sizes = [domain.d_in + domain.d_out, *[hidden_features] * (hidden_layers + 1), latent_dim]
        self.layers = nn.ModuleList(nn.Linear(sizes[i], sizes[i + 1]) for i in range(len(sizes) - 1))
        for layer in self.layers:
            assert isinstance(layer, nn.Linear)
            if self.omega is None:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            else:
                # sqrt(6/n)/omega in the first layer too: unlike a SIREN's, its input is a whole observation.
                bound = sqrt(6 / layer.in_features) / self.omega
                nn.init.uniform_(layer.weight, -bound, bound)

    def forward(self, context: Context, decoder: Decoder) -> Tensor:
        """Latents (batch, latent_dim), in the dtype of the weights."""
        pairs = torch.cat([context.coords, context.values], dim=-1)
        x = self._embed(pairs.flatten(0, 1)).view(*pairs.shape[:2], self.latent_dim)
        seen = context.mask.to(x.dtype)
        shares = seen / seen.sum(dim=1, keepdim=True).clamp(min=1)
        with torch.autocast(x.device.type, enabled=False):
            return self.gain * torch.bmm(shares.unsqueeze(1), x).squeeze(1)

    def _embed(self, x: Tensor) -> Tensor:
        """Pairs (n, d_in + d_out) to embeddings (n, latent_dim), in the dtype of the pairs."""
        dtype, factor = x.dtype, self.omega or 1
        for i, layer in enumerate(self.layers):
            assert isinstance(layer, nn.Linear)
            # Coordinates and the arguments of sines stay in full precision.
            exact = self.omega is not None or i == 0
            with torch.autocast(x.device.type, enabled=not exact and torch.is_autocast_enabled(x.device.type)):
                x = torch.addmm(layer.bias, x, layer.weight.T, beta=factor, alpha=factor)
            x = x.relu() if self.omega is None else x.sin()
        return x.to(dtype)
