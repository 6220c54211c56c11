"""Waveform inversion: its step has the right derivatives, what it lowers falls, mistakes are named."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import Any

import pytest
import torch
from torch import Tensor

from metasiren import Constraint, Model, Problem, RecipeError, Siren, TrainingError
from metasiren.contracts.optimizer import Weighted
from metasiren.engine.trainer import Objective
from metasiren_basics.fixed import FixedEncoder
from metasiren_basics.free import FreeDecoder
from metasiren_physics.constraints.helmholtz import Helmholtz
from metasiren_physics.constraints.inversion import Receivers, SlownessSlope
from metasiren_physics.datasets import inversion
from metasiren_physics.datasets.inversion import InversionDataset
from metasiren_physics.inversion_task import Task
from metasiren_physics.inverted_medium import Medium
from metasiren_physics.waveform_inversion import Scattering, WaveformInversion

F64 = torch.float64
EQUATION = Helmholtz(free_slowness=True, scale=100)


solve, heard = inversion.receiver_data_with_noise, dict[float, Any]()


def solved_once(problem: Any, noise: float) -> Any:
    """What the receivers hear in the true medium, whatever is known of its limits."""
    if noise not in heard:
        heard[noise] = solve(problem, noise)
    return heard[noise]


@cache
def data(speeds: tuple[float, float] = (0.7, 2.5), two_speeds: bool = False) -> InversionDataset:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(inversion, "receiver_data_with_noise", solved_once)
        return InversionDataset(
            speeds=speeds, two_speeds=two_speeds, frequency=0.8, points=90, near=0.3, physics=0.3, variance=4e-3,
            sources=[(0.2, -0.2), (-0.2, -0.1)], receivers=[(0.1, 0.3), (-0.3, 0.3), (0.0, 0.2)],
        )  # fmt: skip


def problem(
    *constraints: tuple[float, Constraint], width: int = 8, channels: int = 5,
    speeds: tuple[float, float] = (0.7, 2.5),
) -> Problem:  # fmt: skip
    torch.manual_seed(0)
    dataset = data(speeds, channels == 6)
    siren = Siren(
        in_features=2, out_features=channels, hidden_features=width, hidden_layers=1, first_omega=6, hidden_omega=10
    )
    model = Model(FixedEncoder(dataset.domain), FreeDecoder(siren, 0)).to(F64)
    batch = dataset.batch("train", torch.arange(1), generator=torch.Generator().manual_seed(1)).cast(F64)
    weighted = tuple(Weighted(type(c).__name__, w, c) for w, c in constraints)
    return Problem(model, weighted, batch, None, partial(Objective(model, weighted), batch, None))


def inverted(task: Problem, steps: int, **options: Any) -> tuple[WaveformInversion, list[dict[str, Tensor]]]:
    """The optimiser after some steps, and the losses before each and after the last."""
    optimizer = WaveformInversion(task.model.parameters(), **options)
    losses = [optimizer.step_on(task) for _ in range(steps)]
    return optimizer, [*losses, {name: value.detach() for name, value in task.losses().items()}]


TERMS = ((1.0, EQUATION), (100.0, Receivers()), (1e-4, SlownessSlope(norm="tv", sharpness=0.5)))


def drawn(task: Problem, *, contrast: float, size: float) -> tuple[Task, Scattering, Medium]:
    """A task whose medium has random weights."""
    found = Task.of(task, 8)
    weights = size * torch.randn(9, dtype=F64, generator=torch.Generator().manual_seed(2))
    return found, Scattering.of(found, 1e-14), Medium(weights, torch.full_like(found.contrast, contrast))


@pytest.mark.parametrize(("channels", "contrast", "size"), [(5, 0.0, 0.02), (6, 0.0, 0.02), (6, -0.5, 0.3)])
def test_a_step_has_the_derivatives_of_what_it_lowers(channels: int, contrast: float, size: float) -> None:
    """The right-hand side is minus half the sum's derivative, by differences; the matrix has its symmetry."""
    task = problem(*TERMS, channels=channels)
    found, scattering, medium = drawn(task, contrast=contrast, size=size)
    optimizer = WaveformInversion(task.model.parameters(), medium_ridge=1e-3)
    factors, waves, _ = optimizer._value(found, scattering, medium)
    matrix, target = optimizer._linearised(found, scattering.response(factors), medium, waves)
    for k in range(9 + (contrast != 0)):
        change = torch.zeros(9 + len(medium.contrast), dtype=F64)
        change[k] = 1e-5
        ahead, behind = (
            optimizer._value(found, scattering, Medium(medium.weights + d[:9], medium.contrast + d[9:]))[2]
            for d in (change, -change)
        )
        assert (ahead - behind) / 2e-5 == pytest.approx(-2 * float(target[k]), rel=2e-4, abs=1e-9)
    torch.testing.assert_close(matrix, matrix.mT)
    assert float(torch.linalg.eigvalsh(matrix)[0]) > -1e-12


def test_waves_solve_the_equation_of_the_medium_as_the_features_can() -> None:
    """They are A⁺ of the source and of what the contrast sends; A w is the equation in the uniform medium."""
    found, scattering, medium = drawn(problem(*TERMS), contrast=0.0, size=0.05)
    contrast = medium.squared_slowness(found) - 1
    waves = scattering.waves(scattering.factors(contrast))
    rows, sources = found.equation.rows(), found.equation.source.clone()
    fields = found.values.to(waves) @ waves
    sources[found.free] -= (found.stiffness * contrast).unsqueeze(1) * fields
    torch.testing.assert_close(waves, torch.linalg.lstsq(rows, sources).solution, rtol=1e-5, atol=1e-8)


def test_the_equation_is_that_of_the_constraint() -> None:
    """The squared residual of a field, by the constraint, is that of the matrices."""
    task = problem((1.0, EQUATION), (1.0, Receivers()))
    found = Task.of(task, 8)
    weight, bias = (p.detach() for p in list(task.model.decoder.parameters())[-2:])
    table = torch.cat([weight, bias.unsqueeze(1)], 1)
    waves = torch.complex(table[0:4:2], table[1:4:2]).mT
    table[4] = 0
    with torch.no_grad():
        found.write(waves, table[4], found.contrast)
    residual = found.equation.rows() @ waves - found.equation.source
    loss = float(task.losses()["Helmholtz"].detach())
    assert float(residual.abs().square().sum()) == pytest.approx(loss, rel=1e-10)


@pytest.mark.parametrize("channels", [5, 6])
def test_it_starts_from_the_waves_of_the_uniform_medium_and_descends(channels: int) -> None:
    task = problem(*TERMS, width=60, channels=channels)
    _, losses = inverted(task, 8, medium_features=30, smooth_steps=4)
    lowered = [float(100 * each["Receivers"] + 1e-4 * each["SlownessSlope"]) for each in losses]
    # The same network, drawn again: hidden layers stay as they were.
    before = list(problem(*TERMS, width=60, channels=channels).model.decoder.parameters())[:-2]
    assert float(losses[0]["SlownessSlope"]) == 0
    assert lowered[:5] == sorted(lowered[:5], reverse=True)
    assert lowered[-1] < 0.1 * lowered[0]
    assert all(torch.equal(a, b) for a, b in zip(before, list(task.model.decoder.parameters())[:-2], strict=True))


def test_the_medium_has_two_speeds_after_the_smooth_steps() -> None:
    task = problem(*TERMS, width=60, channels=6)
    optimizer = WaveformInversion(task.model.parameters(), medium_features=30, smooth_steps=2)
    contrasts = []
    for _ in range(5):
        optimizer.step_on(task)
        contrasts.append(float(Task.of(task, 30).contrast.detach()))
    assert contrasts[:2] == [0.0, 0.0]
    low, high = (float(limit) - 1 for limit in Task.of(task, 30).limits)
    assert all(low <= contrast <= high and contrast * contrasts[2] > 0 for contrast in contrasts[2:])


def test_full_steps_descend_where_the_medium_is_at_its_bounds() -> None:
    """A disc of speed 2 cannot be had below 1.1; what a step expects of m beyond its bounds must not spoil it."""
    task = problem(*TERMS, width=60, speeds=(0.95, 1.1))
    _, losses = inverted(task, 5, medium_features=30)
    found = Task.of(task, 30)
    level = 1 + found.media @ found.medium
    assert int(((level < found.limits[0]) | (level > found.limits[1])).sum()) > 5
    assert float(losses[5]["Receivers"]) < 0.6 * float(losses[0]["Receivers"])


def test_a_step_that_does_not_help_is_left_out() -> None:
    task = problem((1.0, EQUATION), (100.0, Receivers()), width=20)
    optimizer, _ = inverted(task, 40)
    before = [p.detach().clone() for p in task.model.parameters()]
    optimizer.step_on(task)
    change = max(float((a - b.detach()).abs().max()) for a, b in zip(before, task.model.parameters(), strict=True))
    assert change < 1e-4


def test_a_former_state_goes_on_from_its_medium() -> None:
    task = problem(*TERMS, width=60)
    optimizer, losses = inverted(task, 3, medium_features=30)
    state = optimizer.state_dict()
    state["param_groups"] = [{"lr": 1.0, "begun": True, "params": state["param_groups"][0]["params"]}]
    other = WaveformInversion(task.model.parameters(), medium_features=30)
    other.load_state_dict(state)
    assert other.step_on(task)["loss"] == losses[-1]["loss"]
    assert other.param_groups[0]["taken"] == 2
    assert "begun" not in other.param_groups[0]


def test_the_equation_is_factored_once_for_the_same_points() -> None:
    task = problem(*TERMS, width=20)
    optimizer, _ = inverted(task, 2)
    kept = optimizer._scattering
    optimizer.step_on(task)
    assert optimizer._scattering is kept
    points = torch.Generator().manual_seed(2)
    moved = data((0.7, 2.5), False).batch("train", torch.arange(1), generator=points).cast(F64)
    optimizer.step_on(replace(task, batch=moved))
    assert optimizer._scattering is not kept


@pytest.mark.parametrize("channels", [5, 6])
def test_total_variation_is_that_of_the_constraint(channels: int) -> None:
    """Its value and derivative are those of the loss at the present medium, with one speed or two."""
    slope = SlownessSlope(norm="tv", sharpness=0.3, scale=2.0, within=0.5)
    task = problem((1.0, EQUATION), (1.0, Receivers()), (3.0, slope), channels=channels)
    weight, bias = list(task.model.decoder.parameters())[-2:]
    with torch.no_grad():
        weight[5:], bias[5:] = 0, -0.4
    found = Task.of(task, 8)
    medium = Medium(found.medium, found.contrast)
    assert found.slopes is not None
    loss = 3.0 * task.losses()["SlownessSlope"]
    grads = torch.autograd.grad(loss, [weight, bias])
    expected = torch.cat([grads[0][4], grads[1][4:]])
    torch.testing.assert_close(found.slopes.value(medium.slopes(found)), loss.detach())
    _, half = found.slopes.linearised(medium.slopes(found), medium.slope_derivatives(found))
    torch.testing.assert_close(2 * half, expected)


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
    found = Task.of(task, 8)
    broken = replace(found.equation, root=torch.full((90,), float("nan"), dtype=F64))
    with pytest.raises(TrainingError, match="not finite"):
        Scattering.of(replace(found, equation=broken), 1e-14)


def test_channels_must_fit() -> None:
    task = problem((1.0, EQUATION), (1.0, Receivers()), channels=7)
    with pytest.raises(RecipeError, match="7 channels for 2 sources"):
        WaveformInversion(task.model.parameters()).step_on(task)


@pytest.mark.parametrize(
    "option", ["lr", "medium_features", "ridge", "medium_ridge", "damping", "tries", "smooth_steps"]
)
def test_options_have_ranges(option: str) -> None:
    options: dict[str, Any] = {option: -1}
    with pytest.raises(RecipeError, match=f"waveform_inversion: {option}"):
        WaveformInversion([torch.nn.Parameter(torch.zeros(1))], **options)
