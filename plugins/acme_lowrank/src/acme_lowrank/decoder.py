"""A decoder in which each signal chooses patterns: one layer of a shared SIREN gets a low-rank term of its own.

Kim et al. 2023, "Generalizable Implicit Neural Representations via Instance Pattern Composers" (CVPR): only one early
layer differs between signals, its weights being a product U V(z) of a shared matrix and the signal's own patterns,
which a hypernetwork gives. Here they are W + U V(z), which begins near a SIREN's own start W.
"""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn

from metasiren import Decoder, Params, RecipeError, Siren


class LowRankDecoder(Decoder):
    """Latent (batch, latent_dim) -> SIREN parameters that differ between signals in one layer, by a matrix of low rank.

    The hypernetwork emits rank * fan-in numbers: 4,096 instead of the 198,915 weights of the SIREN paper's face net.

    Args:
        siren: the architecture of what is emitted.
        latent_dim: size of the latent, zero or more.
        rank: number of patterns.
        layer: which layer is modulated, counted from the coordinates; the second (1), as in the paper, by default.
        hidden_features: width of the hypernetwork's one hidden layer.
        strength: standard deviation of U V(z), at the start and for latents of unit variance, in units of the
            shared weights' own.

    Raises:
        RecipeError: a rank below one, or a layer that the SIREN does not have.
    """

    def __init__(
        self,
        siren: Siren,
        latent_dim: int,
        *,
        rank: int = 16,
        layer: int = 1,
        hidden_features: int = 128,
        strength: float = 0.3,
    ) -> None:
        super().__init__(siren, latent_dim)
        if rank < 1:
            raise RecipeError("decoder: lowrank: rank", f"{rank} is below one.", "Give a positive integer.")
        if not 0 <= layer < len(siren.layers):
            found = f"there is no layer {layer}."
            raise RecipeError("decoder: lowrank: layer", found, f"Give 0 to {len(siren.layers) - 1}.")
        self.chosen, self.rank = siren.layers[layer], rank
        # Names of parameters must have no dots: a list, in the order of `siren.shapes`.
        start = siren.init()
        self.shared = nn.ParameterList(start.values())
        size = float(start[self.chosen.weight].std()) * strength
        self.left = nn.Parameter(torch.randn(self.chosen.out_features, rank) / sqrt(rank))
        self.hidden = nn.Sequential(nn.Linear(latent_dim, hidden_features), nn.ReLU()) if latent_dim else None
        features = hidden_features if latent_dim else 0
        # For latents of unit variance torch's usual start gives sums of variance 1/3, of which ReLU leaves 1/6.
        scale = size * sqrt(6 / max(1, features))
        self.right = nn.Parameter(torch.randn(rank * self.chosen.in_features, features) * scale)
        self.offset = nn.Parameter(torch.zeros(rank * self.chosen.in_features))

    def forward(self, latent: Tensor) -> Params:
        """{"0.weight": (batch, out, in), ...}; tensors that all signals share take no further memory."""
        batch = latent.shape[0]
        params = {name: p.expand(batch, *p.shape[1:]) for name, p in zip(self.siren.shapes, self.shared, strict=True)}
        x = self.hidden(latent) if self.hidden else latent
        # What ends up inside a sine stays float32 where training runs in bfloat16.
        with torch.autocast(latent.device.type, enabled=False):
            patterns = torch.addmm(self.offset, x.to(self.right.dtype), self.right.T)
            change = self.left @ patterns.view(batch, self.rank, self.chosen.in_features)
            params[self.chosen.weight] = params[self.chosen.weight] + change
        return params
