"""A field: an architecture with its weights bound, as a function of coordinates and as a module of torch."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from metasiren.contracts.perceptron import perceptron
from metasiren.nn.derivatives.jets import jet
from metasiren.nn.derivatives.orders import Jet, Order
from metasiren.nn.layers import Params
from metasiren.nn.siren import Siren


@dataclass(frozen=True)
class Field:
    """A Siren with its parameters bound: a function of coordinates.

    Attributes:
        siren: the architecture.
        params: (instances, ...) weights.
        single: whether this is the field of one signal, which drops the instance axis where coordinates have none.
    """

    siren: Siren
    params: Params
    single: bool = False

    def __call__(self, coords: Tensor) -> Tensor:
        """Values (batch, points, d_out) at coords (batch, points, d_in) or (points, d_in).

        A `single` field, such as `Run.field()` gives, has values (points, d_out) at coords (points, d_in).
        Coordinates in float64 are rounded to narrower weights with a warning; `double()` keeps them.

        Raises:
            TypeError: coordinates that are no tensor.
            ValueError: coordinates of another shape.
        """
        self._check(coords)
        values = self.siren(self.params, coords)
        return values[0] if self.single and coords.dim() == 2 else values

    def _check(self, coords: Tensor) -> None:
        some, d_in = next(iter(self.params.values())), self.siren.in_features
        if not isinstance(coords, Tensor):
            found = f"coords are {type(coords).__module__}.{type(coords).__qualname__}".replace("builtins.", "")
            raise TypeError(f"{found}; expected a tensor: torch.as_tensor(coords, dtype={some.dtype}) makes one")
        if coords.dim() not in (2, 3) or coords.shape[-1] != d_in:
            advice = "; coords[None] is one point" if coords.shape == (d_in,) else ""
            expected = f"expected (points, {d_in}) or (batch, points, {d_in})"
            raise ValueError(f"coords are {tuple(coords.shape)}; {expected}{advice}")
        if coords.dtype == torch.float64 != some.dtype:
            words = f"float64 coordinates are rounded to float32, as the weights are {some.dtype}; see Field.double()"
            warnings.warn(words, stacklevel=3)

    def jet(self, coords: Tensor, order: Order, **options: Any) -> Jet:
        """Values and derivatives in one pass; errors and warnings of coordinates as for values.

        Args:
            coords: (points, in), or (batch, points, in).
            order: such as `gradient` or `laplacian`; see `metasiren.jet`.
            options: `weights` and `chunk_points` of `metasiren.jet`.

        Returns:
            The jet, its tensors (batch, points, out, ...), also for (points, in).
        """
        self._check(coords)
        return jet(self.siren, self.params, coords, order, **options)

    def detach(self) -> Field:
        """The same function, whose weights are constants."""
        return Field(self.siren, {name: value.detach() for name, value in self.params.items()}, self.single)

    def requires_grad_(self, wanted: bool = True) -> Field:
        """Let the weights need gradients (or not), in place; returns the field."""
        for value in self.params.values():
            value.requires_grad_(wanted)
        return self

    def to(self, *args: Any, **options: Any) -> Field:
        """The field on another device or of another dtype, as `torch.Tensor.to` takes them.

        Weights narrower than float32 are kept so, but values are computed, and come, in float32.
        """
        moved = {name: value.to(*args, **options) for name, value in self.params.items()}
        return Field(self.siren, moved, self.single)

    def double(self) -> Field:
        """The field in float64."""
        return self.to(torch.float64)

    def float(self) -> Field:
        """The field in float32."""
        return self.to(torch.float32)

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """(name, weights) with names that `nn.ParameterDict` takes: `0_weight` for the checkpoint's `0.weight`."""
        return ((name.replace(".", "_"), value) for name, value in self.params.items())

    def parameters(self) -> Iterator[Tensor]:
        """The weights, as optimisers take them."""
        return iter(self.params.values())

    def state_dict(self) -> dict[str, Tensor]:
        """Detached weights by the names of `named_parameters`."""
        return {name: value.detach() for name, value in self.named_parameters()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> Field:
        """Copy weights into the field, in place; returns the field.

        Args:
            state: as `state_dict` gives it.

        Raises:
            ValueError: other names or shapes than those of this field; nothing is copied then.
        """
        mine = self.state_dict()
        if wrong := sorted(mine.keys() ^ state.keys()):
            raise ValueError(f"the names {', '.join(wrong)} are in one of field and state alone")
        for name, value in mine.items():
            if state[name].shape != value.shape:
                raise ValueError(f"{name} is {tuple(state[name].shape)}; expected {tuple(value.shape)}")
        for name, value in mine.items():
            value.copy_(state[name])  # shares its memory with the field's
        return self

    def module(self) -> FieldModule:
        """A copy as an `nn.Module` with weights to train, for use inside one's own modules.

        A field itself is no module: as an attribute of one it has no parameters there. `module.field` is the field of
        the weights as they are then, and `module.load_state_dict` also takes the names of `Field.state_dict`.
        """
        return FieldModule(self)

    def as_module(self, *, fold: bool = False, instance: int | None = None) -> nn.Sequential:
        """A copy without this library: an `nn.Sequential` of `nn.Linear`, (..., d_in) -> (..., d_out).

        `metasiren.from_module` is the way back.

        Args:
            fold: multiply every weight and bias by its layer's frequency, so that sines are plain sines. Otherwise
                frequencies stay in the sines, and the weights are those of `params`.
            instance: which one, of a field that holds several.

        Returns:
            linear layers named "0", "1", ... as in `params`, with a nonlinearity after each but the last.

        Raises:
            ValueError: several instances and no index, or an index out of range.
            RecipeError: a field that meets conditions exactly.
        """
        return perceptron(self.siren, self.params, fold=fold, instance=instance)

    def __repr__(self) -> str:
        """One line: architecture, instances, weights, dtype and device."""
        some = next(iter(self.params.values()))
        siren, count = self.siren, sum(value[0].numel() for value in self.params.values())
        return (
            f"Field({siren.in_features} -> {siren.out_features}, {siren.hidden_layers} hidden layers of "
            f"{siren.hidden_features}, {len(some)} x {count:,} weights, {some.dtype}, {some.device})"
        )

    def _repr_html_(self) -> str:
        """What notebooks show."""
        from metasiren.contracts.notebook import field_html

        return field_html(self.siren, self.params)


def _renamed(module: FieldModule, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Weights by the names of `Field.state_dict`, renamed to those of the module, in place."""
    for name in module.weights:
        if f"{prefix}{name}" in state:
            state[f"{prefix}weights.{name}"] = state.pop(f"{prefix}{name}")


class FieldModule(nn.Module):
    """A field as a module of torch: it has parameters, moves, saves, exports, and lies inside other modules.

    Args:
        field: whose weights are copied.
    """

    def __init__(self, field: Field) -> None:
        super().__init__()
        self.siren = field.siren
        self.names = list(field.params)
        self.weights = nn.ParameterDict({k: nn.Parameter(v.detach().clone()) for k, v in field.named_parameters()})
        self.register_load_state_dict_pre_hook(_renamed)  # type: ignore[no-untyped-call]

    @property
    def field(self) -> Field:
        """The field of the present weights."""
        return Field(self.siren, {name: self.weights[name.replace(".", "_")] for name in self.names})

    def forward(self, coords: Tensor) -> Tensor:
        """Values at coords (points, d_in): (points, d_out) of a single field; else with the instances first.

        Raises:
            TypeError: coordinates of another dtype than the weights; they would be rounded silently.
        """
        params = self.field.params
        some = next(iter(params.values()))
        if coords.dtype != some.dtype:
            found = f"coordinates are {coords.dtype}, weights {some.dtype}"
            raise TypeError(f"{found}: cast one of them, with coords.to(...) or module.double().")
        values = self.siren(params, coords)
        return values[0] if coords.dim() == 2 and len(some) == 1 else values
