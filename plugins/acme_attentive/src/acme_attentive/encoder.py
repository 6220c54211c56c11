"""A set encoder in which observations attend to one another before they are pooled.

Lee et al. 2019, "Set Transformer": blocks of self-attention, then pooling by attention with a learned seed as query.
Kim et al. 2019, "Attentive Neural Processes", also let a context's pairs attend to one another.
"""

from __future__ import annotations

from math import pi

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metasiren import Context, Decoder, Domain, Encoder, RecipeError


class Attention(nn.Module):
    """Multi-head attention and a small network, each added to its input, each after a layer norm.

    Args:
        features: width of queries, keys and values.
        heads: among which the features are divided.
    """

    def __init__(self, features: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_queries, self.norm_tokens = nn.LayerNorm(features), nn.LayerNorm(features)
        self.query, self.out = nn.Linear(features, features), nn.Linear(features, features)
        # A bias of the keys adds the same number to all scores of a query, which does not change the softmax.
        self.key = nn.Linear(features, features, bias=False)
        self.value = nn.Linear(features, features)
        self.think = nn.Sequential(
            nn.LayerNorm(features), nn.Linear(features, 2 * features), nn.GELU(), nn.Linear(2 * features, features)
        )

    def forward(self, queries: Tensor, tokens: Tensor, seen: Tensor) -> Tensor:
        """Queries (batch, q, features) attend to tokens (batch, t, features) where `seen` (batch, t) is true."""
        normed, context = self.norm_queries(queries), self.norm_tokens(tokens)
        q, k, v = (self._split(x) for x in (self.query(normed), self.key(context), self.value(context)))
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=seen[:, None, None, :])
        queries = queries + self.out(attended.transpose(1, 2).flatten(2))
        result: Tensor = queries + self.think(queries)
        return result

    def _split(self, x: Tensor) -> Tensor:
        """(batch, n, features) -> (batch, heads, n, features / heads)"""
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


class AttentiveEncoder(Encoder):
    """Set of (coordinate, value) pairs -> latent (batch, latent_dim), invariant to order and padding.

    Coordinates enter with sines and cosines of doubling frequency, so that close observations can be distinguished.
    Beside the observations there is always one learned token: attention over an empty context is defined.
    Memory grows with the square of the number of observations.

    Args:
        domain: any; a pair has d_in + d_out numbers.
        latent_dim: size of the latent.
        features: width of the tokens.
        heads: number of attention heads; divides `features`.
        blocks: number of self-attention blocks before the pooling.
        octaves: number of frequencies of each coordinate.

    Raises:
        RecipeError: heads that do not divide the features.
    """

    def __init__(
        self,
        domain: Domain,
        *,
        latent_dim: int = 64,
        features: int = 128,
        heads: int = 4,
        blocks: int = 2,
        octaves: int = 4,
    ) -> None:
        super().__init__()
        if heads < 1 or features % heads:
            found = f"{heads} heads cannot share {features} features."
            raise RecipeError("encoder: attentive: heads", found, "Give a number that divides the features.")
        self.latent_dim, self.octaves = latent_dim, octaves
        self.embed = nn.Linear(domain.d_in * (1 + 2 * octaves) + domain.d_out, features)
        self.nothing = nn.Parameter(torch.randn(1, 1, features))
        self.blocks = nn.ModuleList(Attention(features, heads) for _ in range(blocks))
        self.seed = nn.Parameter(torch.randn(1, 1, features))
        self.pool = Attention(features, heads)
        self.head = nn.Sequential(nn.LayerNorm(features), nn.Linear(features, latent_dim))

    def forward(self, context: Context, decoder: Decoder) -> Tensor:
        """Latents (batch, latent_dim), in the dtype of the weights."""
        batch = len(context.items)
        pairs = self.embed(torch.cat([self._waves(context.coords), context.values], dim=-1))
        nothing, seed = (token.to(pairs.dtype).expand(batch, -1, -1) for token in (self.nothing, self.seed))
        tokens = torch.cat([nothing, pairs], dim=1)
        seen = F.pad(context.mask, (1, 0), value=True)
        for block in self.blocks:
            tokens = block(tokens, tokens, seen)
        latent: Tensor = self.head(self.pool(seed, tokens, seen).squeeze(1))
        return latent.to(self.seed.dtype)

    def _waves(self, coords: Tensor) -> Tensor:
        """(batch, pairs, d_in) -> (batch, pairs, d_in (1 + 2 octaves))"""
        frequencies = pi * 2 ** torch.arange(self.octaves, dtype=coords.dtype, device=coords.device)
        angles = (coords.unsqueeze(-1) * frequencies).flatten(-2)
        return torch.cat([coords, angles.sin(), angles.cos()], dim=-1)
