"""Fields with common hidden layers, which are evaluated once for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from metasiren import Field, Jet, Params, Siren, feature_jet
from metasiren.nn.derivatives import Order


def trunk_features(siren: Siren, params: Params, coords: Tensor) -> Tensor:
    """The output layer's input (points, hidden_features) at coords (points, d_in); params of leading size 1."""
    x = coords.unsqueeze(0).to(params[siren.layers[0].weight].dtype)
    if siren.encoding:
        x = siren.encoding.expand(x, params).value
    for layer in siren.layers[:-1]:
        weight, bias = params[layer.weight][0] * layer.omega, params[layer.bias][0] * layer.omega
        x = siren.activation.value(torch.addmm(bias, x[0], weight.T).unsqueeze(0))
    return x[0]


@dataclass(frozen=True)
class SharedTrunkField(Field):
    """A field of many instances that differ in their output layers alone.

    The parameters are those of a `Field`, the hidden layers' being views of leading size `batch`.
    """

    @property
    def _trunk(self) -> dict[str, Tensor]:
        # The output layer is there for its shape alone: its gradients do not concern the trunk.
        last = self.siren.layers[-1]
        kept = (last.weight, last.bias)
        return {name: (v.detach() if name in kept else v)[:1] for name, v in self.params.items()}

    def _head(self) -> tuple[Tensor, Tensor]:
        last = self.siren.layers[-1]
        return self.params[last.weight], self.params[last.bias]

    def __call__(self, coords: Tensor) -> Tensor:
        """As `Field.__call__`."""
        if coords.dim() not in (2, 3) or coords.shape[-1] != self.siren.in_features:
            return super().__call__(coords)  # this call raises the error
        weight, bias = self._head()
        with torch.autocast(weight.device.type, enabled=False):
            features = trunk_features(self.siren, self._trunk, coords.reshape(-1, coords.shape[-1]))
            if coords.dim() == 2 or coords.shape[0] == 1:
                # One product for all instances: (points, features) x (features, batch * out).
                made = features @ weight.flatten(0, 1).T
                return made.view(len(made), *bias.shape).transpose(0, 1) + bias.unsqueeze(1)
            made = features.view(*coords.shape[:2], -1) @ weight.mT
            return made + bias.unsqueeze(1)

    def jet(self, coords: Tensor, order: Order, **options: Any) -> Jet:
        """As `Field.jet`; linear in the output layers, so that their gradients are exact."""
        trained = any(value.requires_grad for value in self._trunk.values()) or coords.requires_grad
        if options or (trained and torch.is_grad_enabled()):
            return super().jet(coords, order, **options)
        weight, bias = self._head()
        points = coords.reshape(-1, coords.shape[-1])
        features = feature_jet(self.siren, self._trunk, points, order)
        shared = coords.dim() == 2 or coords.shape[0] == 1
        shape = (coords.shape[0], -1)

        def outputs(tensor: Tensor | None) -> Tensor | None:
            if tensor is None:
                return None
            if shared:  # (points, features, ...): one product for all instances
                made: Tensor = torch.tensordot(weight, tensor[0], dims=([2], [1]))  # (batch, out, points, ...)
                return made.transpose(1, 2)
            product: Tensor = torch.einsum("bpf...,bof->bpo...", tensor.view(*shape, *tensor.shape[2:]), weight)
            return product

        found = {name: outputs(value) for name, value in vars(features).items()}
        found["value"] = found["value"] + bias.unsqueeze(1)  # type: ignore[operator]
        return Jet(**found)  # type: ignore[arg-type]
