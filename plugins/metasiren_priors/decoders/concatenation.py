"""A decoder whose SIREN all signals share; the latent is appended to the coordinates of every point.

The first layer then computes W [x, z] + b = W_x x + (W_z z + b): the latent shifts its biases. With ReLU this is the
decoder of a conditional neural process (Garnelo et al. 2018, "Conditional Neural Processes", section 3), of DeepSDF
(Park et al. 2019) and of CAVIA (Zintgraf et al. 2019, section 3.2). Shifting the biases of *every* hidden layer is the
modulation of functa (Dupont et al. 2022, "From data to functa", section 3.1).
"""

from __future__ import annotations

from math import sqrt
from typing import Literal

import torch
from torch import Tensor, nn

from metasiren import Decoder, Field, Params, RecipeError, Siren
from metasiren_priors.decoders.uncertain import UncertainField


class Concatenation(Decoder):
    """Latent (batch, latent_dim) -> the shared SIREN's weights, with biases that the latent shifts linearly.

    Args:
        siren: the shared architecture.
        latent_dim: size of the latent, zero or more.
        layers: `first` appends the latent to the coordinates, `hidden` to the input of every hidden layer.
        gain: size of the latent's initial weights: a latent of unit variance changes the arguments of the activation by
            about `gain` / sqrt(3), whatever the layer's frequency.
        deviation: fields have a standard deviation, too: a second output layer of the same hidden layers
            (`UncertainField`), trained by the constraint `gaussian_nll`.
        least: smallest standard deviation, of values in [-1, 1].

    Raises:
        RecipeError: a `least` that is not positive.
    """

    def __init__(
        self,
        siren: Siren,
        latent_dim: int,
        *,
        layers: Literal["first", "hidden"] = "first",
        gain: float = 1.0,
        deviation: bool = False,
        least: float = 0.02,
    ) -> None:
        super().__init__(siren, latent_dim)
        if least <= 0:
            raise RecipeError(
                "decoder: concatenation: least", f"{least} is not positive.", "Give a number such as 0.02."
            )
        self.least = least
        self.shifted = siren.layers[:1] if layers == "first" else siren.layers[: max(1, len(siren.layers) - 1)]
        # Names of parameters must have no dots: a list, in the order of `siren.shapes`.
        self.shared = nn.ParameterList(nn.Parameter(value) for value in siren.init().values())
        self.latent_weights = nn.ParameterList()
        for layer in self.shifted:
            bound = gain / sqrt(max(1, latent_dim)) / layer.omega
            self.latent_weights.append(
                nn.Parameter(torch.empty(layer.out_features, latent_dim).uniform_(-bound, bound))
            )
        # Drawn last, so that the other weights are the same with and without it.
        last = siren.layers[-1]
        drawn = siren.init()
        self.spread = nn.ParameterList(drawn[name][0] for name in (last.weight, last.bias)) if deviation else None

    def field(self, latent: Tensor) -> Field:
        """The decoded field; an `UncertainField` where `deviation` is set."""
        params = self(latent)
        if self.spread is None:
            return Field(self.siren, params)
        return UncertainField(self.siren, params, output=(self.spread[0], self.spread[1]), least=self.least)

    def forward(self, latent: Tensor) -> Params:
        """{"0.weight": (batch, out, in), ...}; tensors that all signals share take no further memory."""
        batch = len(latent)
        params = {name: p.expand(batch, *p.shape[1:]) for name, p in zip(self.siren.shapes, self.shared, strict=True)}
        # What ends up inside a sine stays float32 where training runs in bfloat16.
        with torch.autocast(latent.device.type, enabled=False):
            for layer, weight in zip(self.shifted, self.latent_weights, strict=True):
                params[layer.bias] = params[layer.bias] + latent.to(weight.dtype) @ weight.T
        return params
