"""All-at-once inversion: its step is that of dense linear algebra, its loss falls, mistakes are named."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import Any

import pytest
import torch
from torch import Tensor

from metasiren import Batch, Constraint, Model, Prediction, Problem, RecipeError, Siren, TrainingError
from metasiren.contracts.optimizer import Weighted
from metasiren.engine.trainer import Objective
from metasiren_basics.fixed import FixedEncoder
from metasiren_basics.free import FreeDecoder
from metasiren_physics.constraints.helmholtz import Helmholtz
from metasiren_physics.constraints.inversion import Receivers, SlownessSlope
from metasiren_physics.datasets.inversion import InversionDataset
from metasiren_physics.waveform_inversion import WaveformInversion, _Task

F64 = torch.float64
EQUATION = Helmholtz(free_slowness=True, scale=100)


@cache
def data(speeds: tuple[float, float] = (0.7, 2.5)) -> InversionDataset:
    return InversionDataset(
        speeds=speeds, frequency=0.8, points=90, near=0.3, physics=0.3, variance=4e-3,
        sources=[(0.2, -0.2), (-0.2, -0.1)], receivers=[(0.1, 0.3), (-0.3, 0.3), (0.0, 0.2)],
    )  # fmt: skip


def problem(
    *constraints: tuple[float, Constraint], width: int = 8, channels: int = 5,
    speeds: tuple[float, float] = (0.7, 2.5),
) -> Problem:  # fmt: skip
    torch.manual_seed(0)
    dataset = data(speeds)
    siren = Siren(
        in_features=2, out_features=channels, hidden_features=width, hidden_layers=1, first_omega=6, hidden_omega=10
    )
    model = Model(FixedEncoder(dataset.domain), FreeDecoder(siren, 0)).to(F64)
    batch = dataset.batch("train", torch.arange(1), generator=torch.Generator().manual_seed(1)).cast(F64)
    weighted = tuple(Weighted(type(c).__name__, w, c) for w, c in constraints)
    return Problem(model, weighted, batch, None, partial(Objective(model, weighted), batch, None))


def residuals(task: Problem, batch: Batch, table: Tensor, ridge: float) -> Tensor:
    """All residuals whose squares make the loss, of an output layer (channels, width + 1)."""
    decoder = task.model.decoder
    names = list(decoder.siren.shapes)
    params = {n: p.unsqueeze(0) for n, p in zip(names, decoder.parameters(), strict=True)}
    params |= {names[-2]: table[None, :, :-1], names[-1]: table[None, :, -1]}
    parts = [ridge**0.5 * table[-1]]
    for each in task.constraints:
        c = each.constraint
        assert c.at is not None
        jet = decoder.siren.jet(params, batch.points[c.at].coords, c.order)
        found = c.residuals(Prediction(batch, torch.zeros(1, 0, dtype=F64), None, {c.at: jet}))  # type: ignore[arg-type]
        assert found is not None
        parts.append((each.weight / found.shape[1]) ** 0.5 * found.flatten())
    return torch.cat(parts)


def test_the_step_is_that_of_dense_linear_algebra() -> None:
    terms = ((1.0, EQUATION), (7.0, Receivers(scale=0.5)), (1e-3, SlownessSlope(scale=2.0)))
    task, ridge = problem(*terms), 1e-3
    optimizer = WaveformInversion(task.model.parameters(), medium_ridge=ridge, ridge=1e-30)
    found = _Task.of(task, 8)
    waves, medium = optimizer._direction(found)
    weight, bias = list(task.model.decoder.parameters())[-2:]
    table = torch.cat([weight, bias.unsqueeze(1)], 1).detach()

    def flat(values: Tensor) -> Tensor:
        return residuals(task, task.batch, values.view_as(table), ridge)

    jacobian = torch.autograd.functional.jacobian(flat, table.flatten())
    step = torch.linalg.lstsq(jacobian, -flat(table.flatten()), driver="gelsd").solution.view_as(table)
    torch.testing.assert_close(medium, step[-1], rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(waves.real.mT, step[0:-1:2], rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(waves.imag.mT, step[1:-1:2], rtol=1e-5, atol=1e-8)


def test_it_starts_from_the_waves_of_the_uniform_medium_and_descends() -> None:
    task = problem((1.0, EQUATION), (100.0, Receivers()), (1e-6, SlownessSlope(norm="tv")), width=60)
    optimizer = WaveformInversion(task.model.parameters(), medium_features=30)
    losses = [float(optimizer.step_on(task)["loss"]) for _ in range(4)]
    losses.append(float(task.losses()["loss"].detach()))
    # The same network, drawn again: hidden layers stay as they were.
    before = list(problem((1.0, EQUATION), (100.0, Receivers()), width=60).model.decoder.parameters())[:-2]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.2 * losses[0]
    assert all(torch.equal(a, b) for a, b in zip(before, list(task.model.decoder.parameters())[:-2], strict=True))


def test_full_steps_descend_where_the_medium_is_at_its_bounds() -> None:
    """A disc of speed 2 cannot be had below 1.1; what a step expects of m beyond its bounds must not spoil it."""
    terms = ((1.0, EQUATION), (100.0, Receivers()), (1e-6, SlownessSlope(norm="tv")))
    task = problem(*terms, width=60, speeds=(0.95, 1.1))
    optimizer = WaveformInversion(task.model.parameters(), medium_features=30, halvings=0)
    losses = [float(optimizer.step_on(task)["loss"]) for _ in range(4)]
    assert int((_Task.of(task, 30).beyond != 0).sum()) > 20
    assert losses[2] < 0.2 * losses[1]
    assert losses[3] < 0.6 * losses[2]


def test_a_step_that_does_not_help_is_left_out() -> None:
    task = problem((1.0, EQUATION), (100.0, Receivers()), width=20)
    optimizer = WaveformInversion(task.model.parameters(), halvings=0)
    for _ in range(40):
        optimizer.step_on(task)
    before = [p.detach().clone() for p in task.model.parameters()]
    optimizer.step_on(task)
    change = max(float((a - b.detach()).abs().max()) for a, b in zip(before, task.model.parameters(), strict=True))
    assert change < 1e-4


def test_total_variation_is_reweighted_squares() -> None:
    """The quadratic form's slope at the present medium is the loss's own."""
    slope = SlownessSlope(norm="tv", sharpness=0.3, scale=2.0, within=0.5)
    task = problem((1.0, EQUATION), (1.0, Receivers()), (3.0, slope))
    found = _Task.of(task, 8)
    weight, bias = list(task.model.decoder.parameters())[-2:]
    grads = torch.autograd.grad(3.0 * task.losses()["SlownessSlope"], [weight, bias])
    expected = torch.cat([grads[0][-1], grads[1][-1:]])
    torch.testing.assert_close(2 * found.roughness @ found.medium, expected)


def test_total_variation_of_a_constant_is_zero() -> None:
    task = problem((1.0, SlownessSlope(norm="tv")))
    with torch.no_grad():
        list(task.model.decoder.parameters())[-2].zero_()
    assert float(task.losses()["loss"].detach()) == 0
    for option in ("sharpness", "within"):
        with pytest.raises(RecipeError, match=option):
            SlownessSlope(norm="tv", **{option: 0.0})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        (((1.0, EQUATION),), "or no receivers"),
        (((1.0, Receivers()),), "there is no helmholtz"),
        (((1.0, Helmholtz()), (1.0, Receivers())), "is not a constraint that it can use"),
        (((1.0, EQUATION), (1.0, Receivers()), (1.0, SlownessSlope(norm="l1"))), "is not a constraint that it can use"),
    ],
)
def test_constraints_that_are_no_inversion_are_named(constraints: Any, message: str) -> None:
    task = problem(*constraints)
    with pytest.raises(RecipeError, match=message):
        WaveformInversion(task.model.parameters()).step_on(task)


def test_equations_that_are_no_numbers_are_named() -> None:
    task = problem((1.0, EQUATION), (1.0, Receivers()))
    found = replace(_Task.of(task, 8), rows=torch.full((90, 9), float("nan"), dtype=torch.complex128))
    with pytest.raises(TrainingError, match="not finite"):
        WaveformInversion(task.model.parameters())._factor(found, received=False)


def test_channels_must_fit() -> None:
    task = problem((1.0, EQUATION), (1.0, Receivers()), channels=7)
    with pytest.raises(RecipeError, match="7 channels for 2 sources"):
        WaveformInversion(task.model.parameters()).step_on(task)


@pytest.mark.parametrize("option", ["lr", "medium_features", "ridge", "medium_ridge", "halvings"])
def test_options_have_ranges(option: str) -> None:
    options: dict[str, Any] = {option: -1}
    with pytest.raises(RecipeError, match=f"waveform_inversion: {option}"):
        WaveformInversion([torch.nn.Parameter(torch.zeros(1))], **options)
