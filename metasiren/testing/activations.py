"""Contract checks of activations: value, derivatives and initial weights of an elementwise function."""

from __future__ import annotations

import torch
from torch import Tensor

from metasiren.nn.activations import Activation
from metasiren.nn.derivatives.jets import jet
from metasiren.nn.initial import Distribution
from metasiren.nn.siren import Siren
from metasiren.testing import common
from metasiren.testing.common import compare, finite
from metasiren.testing.overfit import network_learns
from metasiren.testing.part import Part, seeded
from metasiren.testing.report import demand, fail

EXACT = 1e-9
"""Difference, relative to the largest entry, that float64 arithmetic in another order may make."""


def construction(part: Part) -> None:
    """The factory gives an `Activation`; two made with the same options are equal."""
    made = part.make()
    demand(isinstance(made, Activation), f"the factory gives {type(made).__name__}.", "Subclass metasiren.Activation.")
    advice = "Keep options as plain attributes; metasiren.Activation compares those."
    demand(made == part.make(), "two activations of the same options differ.", advice)


def shapes(part: Part) -> None:
    """`derivatives(z, order)` gives order + 1 finite tensors of the shape and dtype of z; z stays as it was."""
    made: Activation = part.make()
    for dtype in (torch.float32, torch.float64):
        z = points().to(dtype).view(3, 10, -1)
        before = z.clone()
        for order in range(4):
            found = made.derivatives(z, order)
            demand(len(found) == order + 1, f"derivatives(z, {order}) gives {len(found)}; expected {order + 1}.")
            for k, each in enumerate(found):
                what = f"derivative {k} of order {order}"
                demand(each.shape == z.shape, f"{what} is {tuple(each.shape)}; expected {tuple(z.shape)}.")
                demand(each.dtype == dtype, f"{what} has {each.dtype}; expected {dtype}.")
                finite([each], what)
        demand(torch.equal(z, before), "z was changed.", "Compute without methods that end in an underscore.")


def elementwise(part: Part) -> None:
    """Every number is treated alone: the values of some do not depend on the others."""
    made: Activation = part.make()
    z = points()
    for k, (all_, some) in enumerate(zip(made.derivatives(z, 3), made.derivatives(z[:7], 3), strict=True)):
        compare(some, all_[:7], f"derivative {k} of seven numbers alone", EXACT)


def values(part: Part) -> None:
    """`value(z)` is the zeroth derivative, whatever the order asked for; lower orders do not change with it."""
    made: Activation = part.make()
    z = points()
    whole = made.derivatives(z, 3)
    compare(made.value(z), whole[0], "value(z) against derivatives(z, 3)[0]", EXACT)
    for order in range(3):
        for k, each in enumerate(made.derivatives(z, order)):
            compare(each, whole[k], f"derivative {k} of order {order} against that of order 3", EXACT)


def derivatives(part: Part) -> None:
    """In float64 each derivative is what autograd makes of the one before."""
    made: Activation = part.make()
    z = points().requires_grad_()
    f = made.derivatives(z, 3)
    for k in range(3):
        slope = torch.zeros_like(z)
        if f[k].requires_grad:
            (slope,) = torch.autograd.grad(f[k].sum(), z, retain_graph=True)
        compare(f[k + 1], slope, f"f{chr(39) * (k + 1)} against autograd of f{chr(39) * k}", EXACT)


def jets(part: Part) -> None:
    """In float64 the Hessian of a small network, and its parameter gradients, are those of autograd."""
    siren = _siren(part)
    with seeded(1):
        params = {k: p.requires_grad_() for k, p in siren.init(dtype=torch.float64).items()}
        coords = (torch.rand(1, 5, 2, dtype=torch.float64) * 2 - 1).requires_grad_()
    found = jet(siren, params, coords, "hessian")
    value = siren(params, coords)
    if found.gradient is None or found.hessian is None:
        fail("the jet lacks derivatives.")
    (slope,) = torch.autograd.grad(value.sum(), coords, create_graph=True)
    compare(found.gradient[:, :, 0], slope, "gradients of a network", EXACT)
    rows = [torch.autograd.grad(slope[..., i].sum(), coords, create_graph=True, allow_unused=True)[0] for i in range(2)]
    hessian = torch.stack([torch.zeros_like(coords) if row is None else row for row in rows], -2)
    compare(found.hessian[:, :, 0], hessian, "Hessians of a network", EXACT)
    for name, ours, theirs in (
        ("gradients", found.gradient[:, :, 0], slope),
        ("Hessians", found.hessian[:, :, 0], hessian),
    ):
        first, second = (_pull(u, list(params.values())) for u in (ours, theirs))
        compare(first, second, f"parameter gradients of squared {name} of a network", EXACT)


def initialisation(part: Part) -> None:
    """Initial weights and biases have the distribution that is stated, in all layers, and give finite values."""
    siren = _siren(part, width=64)
    for layer in siren.layers:
        for what, stated in (
            ("initial_weights", siren.activation.initial_weights(layer, siren.hidden_omega)),
            ("initial_biases", siren.activation.initial_biases(layer)),
        ):
            given = isinstance(stated, Distribution)
            demand(given, f"{what} gives {type(stated).__name__}.", "Return a metasiren.Distribution.")
            demand(stated.std >= 0, f"{what}: the standard deviation is {stated.std}.", "Give zero or more.")
    with seeded(2):
        params = siren.init(20)
        coords = torch.rand(1, 100, 2) * 2 - 1
    finite([siren(params, coords)], "values of an initialised network")
    for name, std in siren.init_std().items():
        drawn = float(params[name].std())
        bad = params[name].numel() > 1000 and abs(drawn - std) > 0.1 * std
        demand(not bad, f"{name} has the standard deviation {drawn:.3g}; {std:.3g} is stated.")


def overfit(part: Part) -> None:
    """A network with it fits a signal in fifty steps better than a constant does."""
    network_learns(part, nonlinearity=part.make(), first_omega=10.0, hidden_omega=10.0)


CHECKS = (
    common.options,
    common.documented,
    construction,
    shapes,
    elementwise,
    values,
    derivatives,
    jets,
    initialisation,
    overfit,
)


def points() -> Tensor:
    """300 numbers in float64 on both sides of zero, irregular, so that none lies at a kink."""
    return torch.randn(300, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2


def _siren(part: Part, width: int = 6) -> Siren:
    return Siren(
        in_features=2, out_features=1, hidden_features=width, hidden_layers=1, first_omega=3.0, hidden_omega=3.0,
        nonlinearity=part.make(),
    )  # fmt: skip


def _pull(u: Tensor, inputs: list[Tensor]) -> Tensor:
    if not u.requires_grad:
        return torch.zeros(sum(x.numel() for x in inputs), dtype=u.dtype)
    found = torch.autograd.grad(u.square().sum(), inputs, retain_graph=True, allow_unused=True)
    return torch.cat([(torch.zeros_like(x) if g is None else g).flatten() for g, x in zip(found, inputs, strict=True)])
