"""Exact solutions leave no residual; a flipped sign, another coefficient or another source does."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from metasiren import Batch, Context, Domain, Jet, Points, Prediction, RecipeError, Residual, Siren
from metasiren.contracts import Field
from metasiren.testing import ContractError, check_residual, exact_jet
from metasiren_physics.constraints.conditions import Prescribed, PrescribedFlux
from metasiren_physics.constraints.equations import AllenCahn, Burgers, Constant, Heat, Poisson

F64 = torch.float64
COORDS = torch.rand(40, 2, generator=torch.Generator().manual_seed(0), dtype=F64) * 1.4 - 0.6


def burgers_step(nu: float) -> Callable[[Tensor], Tensor]:
    """A travelling wave: u = c - tanh((x - c t) / 2ν) with c = 0.5."""
    return lambda p: 0.5 - torch.tanh((p[:, 1] - 0.5 * p[:, 0]) / (2 * nu))


def allen_cahn_front(kappa: float, rate: float) -> Callable[[Tensor], Tensor]:
    """The front at rest: u = tanh(x √(r / 2κ)) satisfies κ u_xx + r (u - u³) = 0."""
    return lambda p: torch.tanh(p[:, 1] * math.sqrt(rate / (2 * kappa))) + 0 * p[:, 0]


def heat(kappa: float) -> Callable[[Tensor], Tensor]:
    return lambda p: torch.exp(-kappa * math.pi**2 * p[:, 0]) * torch.sin(math.pi * p[:, 1])


def sines(p: Tensor) -> Tensor:
    return torch.sin(math.pi * p[:, 0]) * torch.sin(2 * math.pi * p[:, 1])


SOURCE = {"source": 5 * math.pi**2 * sines(COORDS).unsqueeze(-1)}
CASES: list[tuple[Residual, Callable[[Tensor], Tensor], dict[str, Tensor], Residual | None, set[str]]] = [
    (Burgers(viscosity=0.3), burgers_step(0.3), {}, Burgers(viscosity=0.29), {"gradient[0]", "gradient[1]", "value"}),
    (AllenCahn(diffusivity=0.1, rate=1), allen_cahn_front(0.1, 1), {}, AllenCahn(diffusivity=0.1), {"hessian[1,1]"}),
    (Heat(diffusivity=0.1), heat(0.1), {}, Heat(diffusivity=0.2), {"gradient[0]", "hessian[1,1]"}),
    (Poisson(), sines, SOURCE, None, {"hessian[0,0]", "hessian[1,1]"}),
    (
        Heat(),
        lambda p: torch.stack([heat(0.1)(p), torch.full_like(p[:, 0], 0.1)], -1),
        {},
        Heat(diffusivity=0.2),
        {"gradient[0]", "hessian[1,1]", "value"},
    ),
]


@pytest.mark.parametrize(("equation", "exact", "targets", "other", "parts"), CASES)
def test_exact_solutions_leave_no_residual(
    equation: Residual, exact: Any, targets: dict[str, Tensor], other: Residual | None, parts: set[str]
) -> None:
    found = check_residual(equation, exact, COORDS, targets=targets)
    assert found["exact"] < 1e-9
    assert parts <= set(found)
    if other is not None:
        with pytest.raises(ContractError, match="the solution leaves"):
            check_residual(other, exact, COORDS, targets=targets)


def test_a_missing_source_is_noticed() -> None:
    with pytest.raises(ContractError, match="the solution leaves"):
        check_residual(Poisson(), sines, COORDS)


class Nothing(Residual):
    """It is satisfied by everything."""

    def residual(self, jet: Jet, points: Points) -> Tensor:
        return 0 * jet.value


class Flat(Residual):
    """It drops the axis of channels."""

    def residual(self, jet: Jet, points: Points) -> Tensor:
        return jet.value[..., 0]


def test_a_residual_that_checks_nothing_is_refused() -> None:
    with pytest.raises(ContractError, match="no derivative with a flipped sign"):
        check_residual(Nothing(), sines, COORDS)
    with pytest.raises(ContractError, match="expected"):
        check_residual(Flat(), sines, COORDS)


def test_exact_jets_are_those_of_a_network() -> None:
    siren = Siren(in_features=2, out_features=2, hidden_features=8, hidden_layers=1, first_omega=3, hidden_omega=3)
    params = siren.init(generator=torch.Generator().manual_seed(0), dtype=F64)
    ours = exact_jet(lambda p: siren(params, p)[0], COORDS)
    found = vars(siren.jet(params, COORDS, "hessian"))
    for name, value in {k: v for k, v in found.items() if v is not None}.items():
        torch.testing.assert_close(getattr(ours, name), value, rtol=1e-9, atol=1e-9)


def prediction(at: str, jet: Jet, targets: dict[str, Tensor] | None = None) -> Prediction:
    points = Points(COORDS.unsqueeze(0), {k: v.unsqueeze(0) for k, v in (targets or {}).items()})
    domain = Domain(2, 1)
    siren = Siren(in_features=2, out_features=1, hidden_features=2)
    context = Context.empty(torch.arange(1), domain, F64)
    return Prediction(Batch(context, {at: points}), torch.zeros(1, 0, dtype=F64), Field(siren, {}), {at: jet})


def test_norms_weights_and_scales() -> None:
    """l2 is the mean of w |r/s|², l1 that of w |r/s|; residuals are what l2 sums the squares of."""
    jet, weight = exact_jet(sines, COORDS), torch.linspace(0, 2, len(COORDS), dtype=F64).unsqueeze(-1)
    here = prediction("interior", jet, {"weight": weight})
    residual = Heat(diffusivity=0.1).residual(jet, here.batch.points["interior"])[0] / 3
    squared, absolute = (Heat(diffusivity=0.1, scale=3, norm=norm) for norm in ("l2", "l1"))  # type: ignore[arg-type]
    torch.testing.assert_close(squared(here), (weight * residual**2).mean())
    torch.testing.assert_close(absolute(here), (weight * residual.abs()).mean())
    found = squared.residuals(here)
    assert found is not None
    torch.testing.assert_close(found.square().sum(-1).mean(), squared(here))
    assert absolute.residuals(here) is None


def test_conditions_compare_with_their_targets() -> None:
    jet = exact_jet(sines, COORDS)
    values, normals = sines(COORDS).unsqueeze(-1), torch.tensor([[0.6, 0.8]], dtype=F64).expand(len(COORDS), 2)
    assert jet.gradient is not None
    flux = (jet.gradient[0] * normals.unsqueeze(1)).sum(-1)
    for condition, targets in (
        (Prescribed(), {"values": values}),
        (PrescribedFlux(), {"normals": normals, "flux": flux}),
    ):
        assert float(condition(prediction("boundary", jet, targets))) < 1e-24
        changed = {**targets, **{n: v + 1 for n, v in targets.items() if n != "normals"}}
        torch.testing.assert_close(condition(prediction("boundary", jet, changed)), torch.ones((), dtype=F64))
    free = PrescribedFlux()(prediction("boundary", jet, {"normals": normals}))
    torch.testing.assert_close(free, flux.square().mean())


def test_a_constant_channel_has_no_gradient() -> None:
    jet = exact_jet(lambda p: torch.stack([sines(p), 0 * p[:, 0] + 3], -1), COORDS)
    assert float(Constant()(prediction("interior", jet))) == 0
    assert float(Constant(channel=0)(prediction("interior", jet))) > 1
    with pytest.raises(RecipeError, match="counted from 0"):
        Constant(channel=2)(prediction("interior", jet))


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda: Burgers(scale=0), "burgers: scale"),
        (lambda: Burgers(norm="l3"), "norm is 'l3'"),  # type: ignore[arg-type]
        (lambda: Prescribed()(prediction("boundary", exact_jet(sines, COORDS))), "no target 'values'"),
        (lambda: Heat()(prediction("interior", exact_jet(sines, COORDS))), "data.channels: 2"),
        (lambda: Flat()(prediction("interior", exact_jet(sines, COORDS))), "keeps the last axis"),
        (lambda: Burgers()(prediction("interior", Jet(torch.zeros(1, 40, 1)))), "Set order = 'gradient'"),
    ],
)
def test_mistakes_are_named(run: Callable[[], object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        run()
