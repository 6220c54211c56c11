"""Waves in media that jump: least squares where nothing jumps, an exact equation, and errors that are named."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch

from metasiren import Model, Problem, RecipeError, Siren, TrainingError
from metasiren.contracts.optimizer import Weighted
from metasiren.engine.trainer import Objective
from metasiren_basics.fixed import FixedEncoder
from metasiren_basics.free import FreeDecoder
from metasiren_physics.constraints.helmholtz import Helmholtz
from metasiren_physics.datasets.helmholtz import HelmholtzDataset
from metasiren_physics.scattered_waves import Scattered, ScatteredWaves

F64 = torch.float64


def problem(medium: Any = "square", *, channels: int = 2, **options: Any) -> Problem:
    torch.manual_seed(0)
    dataset = HelmholtzDataset(
        medium=medium, wavenumber=6.0, source=(-0.2, 0.1), variance=4e-3, points=400, physics=0.4
    )
    siren = Siren(in_features=2, out_features=channels, hidden_features=40, hidden_layers=0, first_omega=8)
    model = Model(FixedEncoder(dataset.domain), FreeDecoder(siren, 0)).to(F64)
    batch = dataset.batch("train", torch.arange(1), generator=torch.Generator().manual_seed(1)).cast(F64)
    weighted = (Weighted("helmholtz", 2.0, Helmholtz(scale=10, **options)),)
    return Problem(model, weighted, batch, None, partial(Objective(model, weighted), batch, None))


def loss(task: Problem) -> float:
    return float(task.losses()["loss"].detach())


def test_in_a_uniform_medium_it_is_least_squares() -> None:
    """No other output layer has a lower loss."""
    task = problem("uniform")
    ScatteredWaves(task.model.parameters()).step_on(task)
    least = loss(task)
    generator = torch.Generator().manual_seed(2)
    for parameter in list(task.model.parameters())[-2:]:
        before = parameter.detach().clone()
        for _ in range(5):
            with torch.no_grad():
                parameter.copy_(before + 1e-3 * torch.randn(before.shape, generator=generator, dtype=F64))
            assert loss(task) > least
        with torch.no_grad():
            parameter.copy_(before)


def test_waves_are_those_of_the_source_and_of_what_the_medium_sends() -> None:
    """w = A\u207a (f - K w), with K w of the present waves and A\u207a by another solver."""
    scattered = Scattered.of(problem())
    waves = scattered.waves(1e-14)
    equation, every = scattered.equation, torch.arange(400)
    sent = equation.operator[:, -1:] * equation.root[:, None] * scattered.contrast[:, None]
    right = equation.source - sent * (equation.values(every).to(waves) @ waves)
    made, expected = (equation.values(every).to(w) @ w for w in (waves, torch.linalg.lstsq(equation.rows(), right)[0]))
    torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-7)
    assert int(scattered.contrast.count_nonzero()) > 20


def test_a_second_step_on_the_same_points_changes_nothing() -> None:
    task = problem()
    optimizer = ScatteredWaves(task.model.parameters())
    optimizer.step_on(task)
    before = [p.detach().clone() for p in task.model.parameters()]
    optimizer.step_on(task)
    for a, b in zip(before, task.model.parameters(), strict=True):
        torch.testing.assert_close(a, b.detach())


def test_half_a_step_goes_half_the_way() -> None:
    task, other = problem(), problem()
    begin = [p.detach().clone() for p in task.model.parameters()][-2:]
    ScatteredWaves(task.model.parameters()).step_on(task)
    ScatteredWaves(other.model.parameters(), lr=0.5).step_on(other)
    ends = zip(begin, list(task.model.parameters())[-2:], list(other.model.parameters())[-2:], strict=True)
    for a, b, c in ends:
        torch.testing.assert_close((a + b.detach()) / 2, c.detach())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"norm": "l1"}, "the constraints are helmholtz"),
        ({"free_slowness": True}, "the constraints are helmholtz"),
        ({"channels": 4}, "4 channels for 1 sources"),
    ],
)
def test_what_it_cannot_solve_is_named(options: Any, message: str) -> None:
    task = problem(**options)
    with pytest.raises(RecipeError, match=message):
        ScatteredWaves(task.model.parameters()).step_on(task)


def test_equations_that_are_no_numbers_are_named() -> None:
    scattered = Scattered.of(problem())
    broken = replace(scattered.equation, root=torch.full((400,), float("nan"), dtype=F64))
    with pytest.raises(TrainingError, match="not finite"):
        replace(scattered, equation=broken).waves(1e-14)


@pytest.mark.parametrize("option", ["lr", "ridge"])
def test_options_have_ranges(option: str) -> None:
    options: dict[str, Any] = {option: -1}
    with pytest.raises(RecipeError, match=f"scattered_waves: {option}"):
        ScatteredWaves([torch.nn.Parameter(torch.zeros(1))], **options)
