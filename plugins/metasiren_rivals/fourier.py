"""Random Fourier features of coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from math import pi

import torch
from torch import Tensor

from metasiren import Domain, Expansion, InputLayer, RecipeError
from metasiren.nn.constants import kept


class FourierFeatures(InputLayer):
    """sin(2 pi B x) and cos(2 pi B x) with fixed B ~ N(0, sigma^2).

    Tancik et al. 2020, "Fourier features let networks learn high frequency functions in low dimensional domains",
    NeurIPS, Eq. 5; for a network with `nonlinearity: relu`. Coordinates lie in [-1, 1], the paper's in [0, 1]: the
    same picture needs half the paper's sigma.

    Args:
        domain: of the signals.
        frequencies: rows of B; there are twice as many features.
        sigma: standard deviation of B, in periods per unit of the coordinates.
        seed: of B.

    Raises:
        RecipeError: no frequency, or a sigma that is not positive.
    """

    def __init__(self, domain: Domain, *, frequencies: int = 256, sigma: float = 5.0, seed: int = 0) -> None:
        super().__init__(domain)
        if frequencies < 1 or not sigma > 0:
            found = f"frequencies is {frequencies}, sigma is {sigma}."
            raise RecipeError("siren: input_layer: fourier_features", found, "Give numbers above 0.")
        self.frequencies, self.sigma, self.seed = frequencies, sigma, seed

    @property
    def features(self) -> int:
        """See `InputLayer.features`."""
        return 2 * self.frequencies

    def expand(self, x: Tensor, params: Mapping[str, Tensor]) -> Expansion:
        """See `InputLayer.expand`."""
        rate = kept(_rates, self.seed, self.sigma, self.frequencies, self.domain.d_in, like=x)
        angle = x @ rate.T
        s, c = torch.sin(angle), torch.cos(angle)

        def first(i: int) -> Tensor:
            return torch.cat([rate[:, i] * c, -rate[:, i] * s], -1)

        def second(i: int, j: int) -> Tensor:
            return -rate[:, i].repeat(2) * rate[:, j].repeat(2) * torch.cat([s, c], -1)

        return Expansion(torch.cat([s, c], -1), first, second)


def _rates(seed: int, sigma: float, rows: int, d: int) -> Tensor:
    """2 pi B, (rows, d)."""
    draw = torch.Generator().manual_seed(seed)
    return 2 * pi * sigma * torch.randn(rows, d, generator=draw, dtype=torch.float64)
