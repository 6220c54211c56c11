"""Exactly periodic sides: the network's input are sines and cosines of a coordinate in place of the coordinate.

Every function of them has the period, and so have all its derivatives (Dong and Ni 2021, "A method for representing
periodic functions and enforcing exactly periodic boundary conditions with deep neural networks", section 2.2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite, pi

import torch
from torch import Tensor

from metasiren import Domain, Expansion, InputLayer, RecipeError

WHERE = "siren: input_layer: periodic"


class Periodic(InputLayer):
    """cos(k ω x_i) and sin(k ω x_i), k = 1 ... frequencies and ω = 2π / period, for some coordinates; the others stay.

    Args:
        domain: of the signals.
        axes: the periodic coordinates, counted from 0. (Of (t, x), space is [1].)
        period: of all of them; 2 for [-1, 1].
        frequencies: number of k for each.

    Raises:
        RecipeError: no axis, or one that the domain lacks; a period or number that is not above 0.
    """

    def __init__(
        self, domain: Domain, *, axes: tuple[int, ...] = (1,), period: float = 2.0, frequencies: int = 1
    ) -> None:
        super().__init__(domain)
        if not axes or len(set(axes)) < len(axes) or not all(0 <= i < domain.d_in for i in axes):
            found = f"{list(axes)} of {domain.d_in} coordinates."
            raise RecipeError(f"{WHERE}: axes", found, "Name each periodic coordinate once, counted from 0.")
        if not (period > 0 and isfinite(period)) or frequencies < 1:
            found = f"period {period}, frequencies {frequencies}."
            raise RecipeError(WHERE, found, "Give a positive period, and one frequency or more.")
        self.axes, self.period, self.frequencies = tuple(axes), period, frequencies

    @property
    def features(self) -> int:
        """The coordinates that stay, and two features for each frequency of the others."""
        return self.domain.d_in + len(self.axes) * (2 * self.frequencies - 1)

    def expand(self, x: Tensor, params: Mapping[str, Tensor]) -> Expansion:
        """See `InputLayer.expand`."""
        rate = 2 * pi / self.period * torch.arange(1, self.frequencies + 1, dtype=x.dtype, device=x.device)
        waves = {i: (torch.cos(rate * x[..., i : i + 1]), torch.sin(rate * x[..., i : i + 1])) for i in self.axes}

        def joined(periodic: Callable[[int], tuple[Tensor, Tensor]], plain: Callable[[int], Tensor]) -> Tensor:
            parts = [torch.cat(periodic(i), -1) if i in waves else plain(i) for i in range(self.domain.d_in)]
            return torch.cat(parts, -1)

        def none(i: int) -> Tensor:
            return torch.zeros_like(x[..., i : i + 1])

        def first(j: int) -> Tensor:
            def periodic(i: int) -> tuple[Tensor, Tensor]:
                cos, sin = waves[i]
                return (-rate * sin, rate * cos) if i == j else (0 * sin, 0 * cos)

            return joined(periodic, lambda i: none(i) + (1 if i == j else 0))

        def second(j: int, k: int) -> Tensor:
            def periodic(i: int) -> tuple[Tensor, Tensor]:
                cos, sin = waves[i]
                return (-(rate**2) * cos, -(rate**2) * sin) if i == j == k else (0 * cos, 0 * sin)

            return joined(periodic, none)

        return Expansion(joined(lambda i: waves[i], lambda i: x[..., i : i + 1]), first, second)
