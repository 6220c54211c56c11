"""A SIREN's layers as ordinary modules of torch: `nn.Linear`, nonlinearities, and features of the coordinates.

Their `state_dict` has the names of `Params` without the leading instance dimension, and `torch.export`, ONNX and other
libraries read them as they read any multilayer perceptron.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from metasiren.nn.activations import Activation
from metasiren.nn.activations import Sine as SineActivation
from metasiren.nn.encodings import InputLayer
from metasiren.nn.layers import Params
from metasiren.nn.siren import Siren


class Sine(nn.Module):
    """sin(omega * z), elementwise: (..., features) -> (..., features)."""

    def __init__(self, omega: float = 30.0) -> None:
        super().__init__()
        self.omega = omega

    def forward(self, z: Tensor) -> Tensor:
        """The sine of omega z."""
        return torch.sin(self.omega * z if self.omega != 1 else z)

    def extra_repr(self) -> str:
        """The frequency, for printing."""
        return f"omega={self.omega:g}"


class Elementwise(nn.Module):
    """f(omega * z) for any other nonlinearity f: (..., features) -> (..., features)."""

    def __init__(self, activation: Activation, omega: float = 1.0) -> None:
        super().__init__()
        self.activation, self.omega = activation, omega

    def forward(self, z: Tensor) -> Tensor:
        """The nonlinearity of omega z."""
        return self.activation.value(self.omega * z if self.omega != 1 else z)

    def extra_repr(self) -> str:
        """The nonlinearity and its frequency, for printing."""
        return f"{self.activation!r}, omega={self.omega:g}"


class InputFeatures(nn.Module):
    """An input layer: coordinates (..., in) -> features (..., features)."""

    def __init__(self, layer: InputLayer, params: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.layer = layer
        self.names = tuple(params)
        for name, value in params.items():
            self.register_parameter(name.rpartition(".")[2], nn.Parameter(value))

    def forward(self, coords: Tensor) -> Tensor:
        """The features."""
        params = {name: getattr(self, name.rpartition(".")[2]).unsqueeze(0) for name in self.names}
        flat = coords.reshape(1, -1, coords.shape[-1])
        return self.layer.expand(flat, params).value.reshape(*coords.shape[:-1], -1)


def perceptron(siren: Siren, params: Params, *, fold: bool = False, instance: int | None = None) -> nn.Sequential:
    """A network with its weights as an `nn.Sequential`: coordinates (..., in) -> values (..., out).

    Args:
        siren: the architecture.
        params: weights, which are copied.
        fold: multiply every weight and bias by its layer's frequency, so that sines are plain sines. Otherwise
            frequencies stay in the sines, and the weights are those of `params`.
        instance: which one, of a field that holds several.

    Returns:
        Linear layers named "0", "1", ... as in `Params`, with a nonlinearity after each but the last. Its dtype and
        device are the weights'.

    Raises:
        ValueError: several instances and no index, or an index out of range.
        RecipeError: a field that meets conditions exactly.
    """
    siren.demand_plain("as_module")
    count = next(iter(params.values())).shape[0]
    if instance is None and count != 1:
        raise ValueError(f"the field holds {count} instances; say which one: instance=0 to {count - 1}")
    if not 0 <= (instance or 0) < count:
        raise ValueError(f"instance is {instance}; the field holds {count}, counted from 0")
    own = {name: value[instance or 0].detach().clone() for name, value in params.items()}
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    if siren.encoding is not None:
        names = siren.encoding.shapes
        parts["input"] = InputFeatures(siren.encoding, {name: own[name] for name in names})
    for layer in siren.layers:
        factor = layer.omega if fold else 1.0
        weight, bias = own[layer.weight] * factor, own[layer.bias] * factor
        linear = nn.Linear(layer.in_features, layer.out_features, device="meta")
        linear.weight, linear.bias = nn.Parameter(weight), nn.Parameter(bias)
        parts[layer.name] = linear
        if not layer.last:
            omega = 1.0 if fold else layer.omega
            sine = isinstance(siren.activation, SineActivation)
            parts[f"nonlinearity{layer.name}"] = Sine(omega) if sine else Elementwise(siren.activation, omega)
    return nn.Sequential(parts)
