"""A decoder that emits the weights of a SIREN, with one small ReLU network for each weight tensor.

Sitzmann et al. 2020, section 4.4 and supplement section 9.1 ("Hypernetwork Initialization").
"""

from __future__ import annotations

from math import sqrt
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metasiren import Decoder, Params, RecipeError, Siren


class Hypernetwork(Decoder):
    """Latent (batch, latent_dim) -> SIREN weights (batch, ...), in float32 or better.

    Each weight tensor has a network of its own: `hidden_layers` ReLU layers (the trunk) and a linear head. The
    networks are independent, but computed together: all first layers are one matrix product, each deeper layer one
    batched product, and a head writes its tensor where the SIREN reads it.

    With a latent of size zero and no hidden layer it is its heads' biases: free weights.

    Under autocast the trunk runs in the lower precision; heads and emitted weights do not.

    Args:
        siren: the architecture of what is emitted.
        latent_dim: size of the latent, zero or more.
        hidden_features: width of the trunks.
        hidden_layers: ReLU layers before the head: 1 in the paper's text, 2 in the authors' code.
        start: how the heads begin. `paper`: weights from Kaiming's normal distribution divided by 100, biases
            uniform in +-1/n, where n is the fan-in of the SIREN's layer for its weights and `hidden_features` for
            its biases. The emitted weights are then *near* the initialisation of a SIREN: hidden ones somewhat
            smaller, biases almost zero, plus what the latent adds. `siren`: biases a draw of `Siren.init`, weights
            `spread` times a normal draw, and the outputs of heads are in units of the standard deviation with which
            `Siren.init` draws their tensor, so that one learning rate moves all tensors in proportion.
        spread: with `siren`, the standard deviation of what a trunk of unit size adds at the start, in those units.
            With 0, *every* latent begins exactly at the same initialised SIREN; the first step moves the heads
            only, and from the second on gradients reach trunk and encoder too.

    Raises:
        RecipeError: `hidden_features` below one, or `hidden_layers` or `spread` below zero.
    """

    def __init__(
        self,
        siren: Siren,
        latent_dim: int,
        *,
        hidden_features: int = 256,
        hidden_layers: int = 1,
        start: Literal["paper", "siren"] = "paper",
        spread: float = 0.0,
    ) -> None:
        super().__init__(siren, latent_dim)
        for option, size, least in (
            ("hidden_features", hidden_features, 1),
            ("hidden_layers", hidden_layers, 0),
            ("spread", spread, 0),
        ):
            if size < least:
                raise RecipeError(f"decoder: hypernetwork: {option}", f"{size} is too small.", f"Give {least} or more.")
        self.hidden_features, self.hidden_layers = hidden_features, hidden_layers
        networks = len(siren.shapes)
        self.trunk_weights, self.trunk_biases = nn.ParameterList(), nn.ParameterList()
        for i in range(hidden_layers):
            fan_in = hidden_features if i else latent_dim
            # Kaiming's normal weights and PyTorch's usual biases, as in the authors' trunks.
            weight = torch.randn(networks, hidden_features, fan_in) * sqrt(2 / max(1, fan_in))
            bound = 1 / sqrt(max(1, fan_in))
            self.trunk_weights.append(nn.Parameter(weight))
            self.trunk_biases.append(nn.Parameter(torch.empty(networks, hidden_features).uniform_(-bound, bound)))
        self.head_weights, self.head_biases = nn.ParameterList(), nn.ParameterList()
        fan_in = hidden_features if hidden_layers else latent_dim
        draw = siren.init()
        fan_ins = {layer.weight: layer.in_features for layer in siren.layers}
        fan_ins |= {layer.bias: hidden_features for layer in siren.layers}
        scales = siren.init_std() if start == "siren" else {}
        self.units = {name: scales.get(name, 1.0) for name in draw}
        for name, value in draw.items():
            weight, bias = torch.zeros(value.numel(), fan_in), value.flatten() / self.units[name]
            if start == "siren" and spread:
                weight.normal_(0, spread / sqrt(max(1, fan_in)))
            if start == "paper":
                weight.normal_(0, sqrt(2 / max(1, fan_in)) / 100)
                if name in fan_ins:  # else it belongs to an input encoding, which draws it itself
                    bias.uniform_(-1 / fan_ins[name], 1 / fan_ins[name])
            self.head_weights.append(nn.Parameter(weight))
            self.head_biases.append(nn.Parameter(bias))

    def forward(self, latent: Tensor) -> Params:
        """The weights of each item: {"0.weight": (batch, out, in), ...}."""
        trunks = self._trunks(latent)
        params = {}
        with torch.autocast(latent.device.type, enabled=False):
            heads = zip(self.siren.shapes.items(), trunks, self.head_weights, self.head_biases, strict=True)
            for (name, shape), trunk, weight, bias in heads:
                # The unit scales the head's small operands, not its large output.
                unit, features = self.units[name], trunk.to(weight.dtype)
                if unit != 1:
                    bias, features = bias * unit, features * unit
                params[name] = torch.addmm(bias, features, weight.T).view(-1, *shape)
        return params

    def _trunks(self, latent: Tensor) -> list[Tensor]:
        """The input of each head: (batch, features) for each weight tensor."""
        networks = len(self.siren.shapes)
        if not self.hidden_layers:
            return [latent] * networks
        first = F.linear(latent, self.trunk_weights[0].flatten(0, 1), self.trunk_biases[0].flatten())
        x = F.relu(first).view(-1, networks, self.hidden_features).transpose(0, 1)
        for weight, bias in zip(self.trunk_weights[1:], self.trunk_biases[1:], strict=True):
            x = F.relu(torch.baddbmm(bias.unsqueeze(1), x, weight.mT))
        return list(x.unbind(0))
