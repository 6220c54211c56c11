"""Fields as ordinary `nn.Module`s, and ordinary modules as fields."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from metasiren.contracts.field import Field
from metasiren.contracts.perceptron import Elementwise, Sine
from metasiren.errors import RecipeError
from metasiren.nn.activations import Activation
from metasiren.nn.siren import Siren

TORCH_NONLINEARITIES: dict[type[nn.Module], str] = {
    nn.ReLU: "relu",
    nn.Tanh: "tanh",
    nn.Softplus: "softplus",
    nn.ELU: "elu",
    nn.SELU: "selu",
    nn.Sigmoid: "sigmoid",
}
"""Modules of torch, with their default options, and the nonlinearities that they are."""


def as_module(field: Field, *, fold: bool = False, instance: int | None = None) -> nn.Sequential:
    """See `Field.as_module`."""
    return field.as_module(fold=fold, instance=instance)


def from_module(
    module: nn.Module,
    *,
    nonlinearity: str | None = None,
    first_omega: float | None = None,
    hidden_omega: float | None = None,
) -> Field:
    """A multilayer perceptron as a field, with derivatives in one pass.

    The `nn.Linear` layers are taken in the order in which the module registers them. Nonlinearities and frequencies
    are read from modules that state them (`Sine`, `nn.ReLU`, ...); a module that computes them in its own `forward`
    needs them as arguments. The result is compared with the module at random coordinates before it is returned.

    Args:
        module: (points, in) -> (points, out), of `nn.Linear` layers with one width and one nonlinearity. Its weights
            are copied.
        nonlinearity: as in recipes.
        first_omega: frequency of the first layer, which multiplies its bias too; 1 where it is folded into the
            weights.
        hidden_omega: frequency of the other layers with a nonlinearity.

    Returns:
        the field, of one instance, in the module's dtype and on its device.

    Raises:
        RecipeError: fewer than two linear layers, unequal widths, a nonlinearity or frequency that is not known, or
            a field whose values are not the module's.
    """
    where = f"from_module: {type(module).__name__}"
    leaves = [m for m in module.modules() if not any(True for _ in m.children())]
    linears = [m for m in leaves if isinstance(m, nn.Linear)]
    if len(linears) < 2:
        raise RecipeError(where, f"{len(linears)} linear layers.", "A field needs two or more.")
    widths = {linear.out_features for linear in linears[:-1]}
    chained = all(a.out_features == b.in_features for a, b in pairwise(linears))
    if len(widths) != 1 or not chained:
        sizes = ", ".join(f"{m.in_features} -> {m.out_features}" for m in linears)
        raise RecipeError(where, f"layers are {sizes}.", "Hidden layers must have one width, each fed by the last.")
    others = [m for m in leaves if not isinstance(m, nn.Linear)]
    found = {} if nonlinearity else _read(where, others)
    name = nonlinearity or found["nonlinearity"]
    omegas = {"first_omega": first_omega, "hidden_omega": hidden_omega}
    options: dict[str, Any] = {k: v if v is not None else found.get(k) for k, v in omegas.items()}
    if name == "sine" and None in options.values():
        raise RecipeError(where, "no frequency is given.", "Give first_omega and hidden_omega; 1 where folded in.")
    siren = Siren(
        in_features=linears[0].in_features, out_features=linears[-1].out_features, hidden_features=widths.pop(),
        hidden_layers=len(linears) - 2, nonlinearity=name, **{k: v for k, v in options.items() if v is not None},
    )  # fmt: skip
    params = {}
    for layer, linear in zip(siren.layers, linears, strict=True):
        bias = linear.weight.new_zeros(linear.out_features) if linear.bias is None else linear.bias
        params[layer.weight] = linear.weight.detach().clone().unsqueeze(0)
        params[layer.bias] = bias.detach().clone().unsqueeze(0)
    field = Field(siren, params)
    _compare(where, module, field)
    return field


def _read(where: str, others: list[nn.Module]) -> dict[str, Any]:
    names = {_nonlinearity(m) for m in others}
    if len(names) != 1 or None in names:
        kinds = ", ".join(sorted({type(m).__name__ for m in others})) or "none"
        advice = "Give nonlinearity='sine', first_omega and hidden_omega (or another nonlinearity)."
        raise RecipeError(where, f"the nonlinearity cannot be read from its modules ({kinds}).", advice)
    omegas = [m.omega for m in others if isinstance(m, Sine | Elementwise)]
    if len(set(omegas[1:])) > 1:
        raise RecipeError(where, f"hidden frequencies are {omegas[1:]}.", "Fold them into the weights.")
    read: dict[str, Any] = {"nonlinearity": names.pop()}
    if omegas:
        read |= {"first_omega": omegas[0], "hidden_omega": omegas[-1]}
    return read


def _nonlinearity(module: nn.Module) -> str | Activation | None:
    if isinstance(module, Sine):
        return "sine"
    if isinstance(module, Elementwise):
        return module.activation
    plain = type(module)
    defaults = plain in TORCH_NONLINEARITIES and repr(module) == repr(plain())
    return TORCH_NONLINEARITIES[plain] if defaults else None


@torch.no_grad()
def _compare(where: str, module: nn.Module, field: Field) -> None:
    # In float64: large frequencies magnify the rounding of float32, which is not a difference between the two.
    device = field.params["0.weight"].device
    draw = torch.Generator().manual_seed(0)
    coords = torch.rand(64, field.siren.in_features, generator=draw, dtype=torch.float64).to(device) * 2 - 1
    expected = deepcopy(module).double().eval()(coords)
    got = field.siren({name: value.double() for name, value in field.params.items()}, coords)[0]
    scale = float(expected.abs().amax()) if expected.numel() else 0.0
    if expected.shape != got.shape:
        raise RecipeError(where, f"values are {tuple(expected.shape)}.", f"Expected {tuple(got.shape)}.")
    off = float((expected - got).abs().amax())
    if not off <= 1e-6 * max(scale, 1e-6):
        found = f"its values differ from the field's by up to {off:.3g}, at a magnitude of {scale:.3g}."
        advice = f"Check the nonlinearity, the frequencies, and that nothing else happens in forward: {_said(field)}."
        raise RecipeError(where, found, advice)


def _said(field: Field) -> str:
    wanted = ("nonlinearity", "first_omega", "hidden_omega")
    return ", ".join(f"{k}={getattr(field.siren, k)}" for k in wanted)
