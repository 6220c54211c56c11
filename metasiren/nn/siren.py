"""The functional SIREN: a pure function of parameters and coordinates, batched over instances.

Sitzmann et al. 2020, "Implicit Neural Representations with Periodic Activation Functions", Eq. 1 and section 3.2.
A layer is sin(omega * (W x + b)): the frequency multiplies the bias too, as in the authors' code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from metasiren.errors import RecipeError, did_you_mean
from metasiren.nn.activations import ACTIVATIONS, Activation, value_at_peak
from metasiren.nn.derivatives.exact import ExactConditions
from metasiren.nn.derivatives.jets import jet as evaluate_jet
from metasiren.nn.derivatives.orders import Jet, Order
from metasiren.nn.domain import Domain
from metasiren.nn.encodings import InputLayer
from metasiren.nn.input_layers import make_input_layer
from metasiren.nn.layers import Layer, Params, affine, full_precision


@dataclass(frozen=True, kw_only=True)
class Siren:
    """The architecture of a SIREN (or of a network with another nonlinearity); it holds no weights.

    Args:
        in_features: dimension of the coordinates.
        out_features: number of channels of the signal.
        hidden_features: width of every hidden layer.
        hidden_layers: number of hidden-to-hidden layers; the whole net has `hidden_layers + 2` affine layers.
        first_omega: frequency of the first layer, 30 in the paper; only of activations that take it, such as sine.
        hidden_omega: frequency of the other layers, 30 in the paper.
        nonlinearity: an `Activation`, or the name of a built-in one: `sine`, `relu`, `tanh`, `softplus`, `elu`,
            `selu` or `sigmoid`. An object equal to a built-in one is replaced by its name.
        input_layer: features that replace the coordinates as input of the first layer: an `InputLayer`, or a built-in
            one as plain data such as `{"name": "positional_encoding", "frequencies": 7}`.
        init_scale: factor on the initial weights (not the biases) of all layers but the last: above one, high
            frequencies are learned sooner (Yeom et al. 2024, arXiv 2410.04779, "weight scaling").
        exact: conditions that values and derivatives meet whatever the weights, by a factor on the last layer's output.

    Attributes:
        activation: the nonlinearity between layers.
        encoding: the input layer, or None.
        layers: the affine layers from coordinates to values.
        shapes: name and shape of every parameter, without the leading instance dimension.

    Raises:
        RecipeError: an unknown nonlinearity or input layer, an input layer for other coordinates, a size
            that is no integer or below one, or a frequency or scale that is not positive.
    """

    in_features: int
    out_features: int
    hidden_features: int = 256
    hidden_layers: int = 3
    first_omega: float = 30.0
    hidden_omega: float = 30.0
    nonlinearity: str | Activation = field(default="sine", compare=False)
    input_layer: Mapping[str, Any] | InputLayer | None = field(default=None, compare=False)
    init_scale: float = 1.0
    exact: ExactConditions | None = None
    activation: Activation = field(init=False, repr=False)
    encoding: InputLayer | None = field(init=False, repr=False)
    layers: tuple[Layer, ...] = field(init=False, repr=False, compare=False)
    shapes: Mapping[str, tuple[int, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._demand_sizes()
        # Derived once: every pass reads them.
        object.__setattr__(self, "activation", _activation(self.nonlinearity))
        named = next((name for name, made in ACTIVATIONS.items() if self.activation == made()), self.activation)
        object.__setattr__(self, "nonlinearity", named)
        object.__setattr__(self, "encoding", self._encoding())
        object.__setattr__(self, "layers", self._layers())
        object.__setattr__(self, "shapes", self._shapes())

    def _demand_sizes(self) -> None:
        for name in ("in_features", "out_features", "hidden_features", "hidden_layers"):
            if not isinstance(getattr(self, name), Integral):
                found = f"{getattr(self, name)!r} is not an integer."
                raise RecipeError(f"siren: {name}", found, "Give an integer.")
        for name in ("in_features", "out_features", "hidden_features"):
            if getattr(self, name) < 1:
                raise RecipeError(f"siren: {name}", f"{getattr(self, name)} is below one.", "Give a positive integer.")
        if self.hidden_layers < 0:
            raise RecipeError("siren: hidden_layers", f"{self.hidden_layers} is negative.", "Give zero or more.")
        for name, usual in (("first_omega", 30), ("hidden_omega", 30), ("init_scale", 1)):
            if not 0 < getattr(self, name) < math.inf:
                found = f"{getattr(self, name)} is not a positive number."
                raise RecipeError(f"siren: {name}", found, f"{usual} is the paper's.")

    def _encoding(self) -> InputLayer | None:
        if not self.input_layer:
            return None
        if not isinstance(self.input_layer, InputLayer):
            return make_input_layer(self.input_layer, Domain(self.in_features, self.out_features))
        made = self.input_layer.domain.d_in
        if made != self.in_features:
            found = f"made for {made} coordinates; the network has {self.in_features}."
            raise RecipeError("siren: input_layer", found, f"Make it with Domain(d_in={self.in_features}, ...).")
        return self.input_layer

    def _layers(self) -> tuple[Layer, ...]:
        features = self.encoding.features if self.encoding else self.in_features
        sizes = [features, *[self.hidden_features] * (self.hidden_layers + 1), self.out_features]
        last = len(sizes) - 2

        def omega(i: int) -> float:
            if not self.activation.takes_omega or i == last:
                return 1.0
            return self.first_omega if i == 0 else self.hidden_omega

        return tuple(Layer(str(i), sizes[i], sizes[i + 1], omega(i), i == last) for i in range(last + 1))

    def _shapes(self) -> Mapping[str, tuple[int, ...]]:
        shapes = dict(self.encoding.shapes) if self.encoding else {}
        for layer in self.layers:
            shapes[layer.weight] = (layer.out_features, layer.in_features)
            shapes[layer.bias] = (layer.out_features,)
        return shapes

    @property
    def parameter_count(self) -> int:
        """Number of scalars in one instance: 198,915 for the paper's CelebA net."""
        return sum(torch.Size(shape).numel() for shape in self.shapes.values())

    def init(
        self,
        instances: int = 1,
        *,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> dict[str, Tensor]:
        """Draw parameters as the activation says; for sines, as the authors do.

        First layer weights are then U(-1/n, 1/n); hidden and final weights U(-sqrt(6/n)/omega, sqrt(6/n)/omega)
        with the hidden omega (section 3.2; the final linear layer too, as in the authors' code); biases
        U(-1/sqrt(n), 1/sqrt(n)), n being the fan-in.

        Args:
            instances: leading size of every parameter.
            generator: source of randomness; its device must match `device`.
            dtype: of the parameters; torch's default otherwise.
            device: where they lie.

        Returns:
            `{"0.weight": (instances, out, in), "0.bias": (instances, out), ...}`
        """
        params = {}
        for name, shape in (self.encoding.shapes if self.encoding else {}).items():
            assert self.encoding is not None
            params[name] = torch.empty(instances, *shape, dtype=dtype, device=device)
            self.encoding.init(name, params[name], generator)
        for layer in self.layers:
            weight = torch.empty(instances, layer.out_features, layer.in_features, dtype=dtype, device=device)
            bias = torch.empty(instances, layer.out_features, dtype=dtype, device=device)
            self.activation.initial_weights(layer, self.hidden_omega).fill(weight, generator)
            if not layer.last:
                weight *= self.init_scale
            self.activation.initial_biases(layer).fill(bias, generator)
            params[layer.weight], params[layer.bias] = weight, bias
        return params

    def init_std(self) -> dict[str, float]:
        """The standard deviation with which `init` draws each parameter, by name."""
        stds = {name: self.encoding.init_std(name) for name in self.encoding.shapes} if self.encoding else {}
        for layer in self.layers:
            drawn = self.activation.initial_weights(layer, self.hidden_omega).std
            stds[layer.weight] = drawn if layer.last else drawn * self.init_scale
            stds[layer.bias] = self.activation.initial_biases(layer).std
        return stds

    def __call__(self, params: Params, coords: Tensor) -> Tensor:
        """Evaluate the signal.

        Args:
            params: as `init` returns them, with leading size `batch` or 1.
            coords: (batch, points, in_features), or (points, in_features) for the same points everywhere.
                Gradients reach them.

        Returns:
            (batch, points, out_features), in the dtype of the parameters (at least float32).

        Raises:
            ValueError: shapes that do not fit; the message names both.
        """
        x, params, batch = self.prepare(params, coords)
        with full_precision(x):
            values = self.evaluate(x, params)
        return values.reshape(batch, values.shape[0] * values.shape[1] // batch, self.out_features)

    def evaluate(self, x: Tensor, params: Params) -> Tensor:
        """Values (instances, points, out) at x (instances, points, in), both as `prepare` lays them out."""
        h = self.encoding.expand(x, params).value if self.encoding else x
        for layer in self.layers:
            h = affine(h, params[layer.weight], params[layer.bias], layer)
            if not layer.last:
                at_peak = layer is self.layers[-2]
                h = value_at_peak(self.activation, h) if at_peak else self.activation.value(h)
            if h.dim() == 3 and h.shape[0] == 1:
                h = h.squeeze(0)  # once, not on the way into and out of each layer
        h = h.unsqueeze(0) if h.dim() == 2 else h
        return h if self.exact is None else self.exact.values(x, h)

    def jet(
        self,
        params: Params,
        coords: Tensor,
        order: Order,
        *,
        weights: Sequence[float] | None = None,
        chunk_points: int | None = None,
    ) -> Jet:
        """Values and derivatives in one call; see `metasiren.nn.derivatives.jets.jet`."""
        return evaluate_jet(self, params, coords, order, weights=weights, chunk_points=chunk_points)

    def demand_plain(self, where: str) -> None:
        """Refuse a network whose values are not those of its layers alone.

        Raises:
            RecipeError: it meets conditions exactly; the message names `where`.
        """
        if self.exact is not None:
            found = "the field meets conditions exactly, so its layers alone do not give its values."
            raise RecipeError(where, found, "Give the conditions as constraints instead, without data.exact.")

    def prepare(self, params: Params, coords: Tensor) -> tuple[Tensor, Params, int]:
        """Check shapes, and lay coordinates out as (instances, points, in) for the batched products.

        With one instance and many point sets the sets are joined into one, so that a single matrix
        product serves them all.

        Returns:
            coordinates (instances, points, in), parameters in at least float32, and the batch size.

        Raises:
            ValueError: a parameter is missing, or shapes do not fit; the message names what was expected.
        """
        first = self.layers[0]
        try:
            weight = params[first.weight]
        except KeyError:
            raise ValueError(f"params lack {first.weight!r}; they hold {sorted(params)}") from None
        if coords.shape[-1] != self.in_features or coords.dim() not in (2, 3):
            raise ValueError(f"coords are {tuple(coords.shape)}; expected (batch, points, {self.in_features})")
        if tuple(weight.shape[1:]) != self.shapes[first.weight]:
            expected = ("instances", *self.shapes[first.weight])
            raise ValueError(f"{first.weight} is {tuple(weight.shape)}; expected {expected}")
        x = coords if coords.dim() == 3 else coords.unsqueeze(0)
        instances, sets = weight.shape[0], x.shape[0]
        if instances == 1:
            x = x.reshape(1, -1, self.in_features)
        elif sets == 1:
            x = x.expand(instances, -1, -1)
        elif sets != instances:
            raise ValueError(f"{sets} sets of coords meet {instances} instances of params; give equal numbers, or one")
        dtype = torch.promote_types(weight.dtype, torch.float32)
        if any(p.dtype != dtype for p in params.values()):
            params = {name: p.to(dtype) for name, p in params.items()}
        return x.to(dtype), params, max(instances, sets)


def _activation(nonlinearity: str | Activation) -> Activation:
    if isinstance(nonlinearity, Activation):
        return nonlinearity
    if nonlinearity not in ACTIVATIONS:
        advice = f"{did_you_mean(str(nonlinearity), ACTIVATIONS)}\nknown: {', '.join(ACTIVATIONS)}".strip()
        advice += "\nThose of plugins are named in recipes, or given as objects."
        raise RecipeError("siren: nonlinearity", f"no activation is called {nonlinearity!r}.", advice)
    return ACTIVATIONS[nonlinearity]()
