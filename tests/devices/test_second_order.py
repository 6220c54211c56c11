"""Steps of second-order optimisers on an emulated GPU: how often the host waits for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from devices.emulated import LEDGER, emulated_gpu
from single_steps import flat_weights, problems

import metasiren as ms
from metasiren.assembly.experiment import assemble
from metasiren.assembly.parts import make_optimizer
from metasiren.contracts.optimizer import BatchOptimizer
from metasiren.recipe import Part

CASES: dict[str, dict[str, Any]] = {
    "wave": {"data.points": 30, "data.initial": 12, "siren.hidden_features": 6},
    "helmholtz": {"data.points": 30, "siren.hidden_features": 6},
}
MOST = 3


def steps_of(
    name: str, device: str, optimiser: str = "gauss_newton", **options: Any
) -> tuple[list[int], str, torch.Tensor]:
    """Waits and uploads in each of three steps, where the last ones were, and the weights after."""
    preset = {"wave": "quick", "helmholtz": "gauss_newton"}[name]
    recipe = ms.load_recipe(name, preset=preset, overrides=CASES[name])
    made = assemble(recipe, ms.load_catalogue())
    made.model.to(device)
    part = Part(name=optimiser, **options)
    optimizer = make_optimizer(recipe, ms.load_catalogue(), list(made.model.parameters()), part)
    assert isinstance(optimizer, BatchOptimizer)
    counts = []
    for step in problems(made, 3, device):
        LEDGER.reset()
        optimizer.step_on(step)
        counts.append(LEDGER.waits.total() + LEDGER.uploads.total())
    weights = flat_weights(made)
    return counts, LEDGER.report(), weights


@pytest.mark.parametrize("name", sorted(CASES))
@pytest.mark.parametrize("options", [{}, {"momentum": 0.5}, {"halvings": 1, "damping": 1e-9}], ids=str)
def test_gauss_newton_waits_three_times_a_step(name: str, options: dict[str, Any]) -> None:
    with emulated_gpu():
        counts, report, weights = steps_of(name, "cuda", **options)
    assert max(counts[1:]) <= MOST, report
    torch.testing.assert_close(weights, steps_of(name, "cpu", **options)[2], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("history", [2, 6])
def test_lbfgs_waits_for_its_history_in_each_iteration(history: int) -> None:
    options = {"iterations": 8, "history": history}
    with emulated_gpu():
        counts, report, weights = steps_of("helmholtz", "cuda", "lbfgs", **options)
    assert max(counts) <= 8 * (2 * history + 13), report
    torch.testing.assert_close(weights, steps_of("helmholtz", "cpu", "lbfgs", **options)[2], rtol=1e-9, atol=1e-12)


def test_a_step_of_lbfgs_evaluates_each_loss_once() -> None:
    recipe = ms.load_recipe("helmholtz", preset="gauss_newton", overrides=CASES["helmholtz"])
    made = assemble(recipe, ms.load_catalogue())
    optimizer = make_optimizer(
        recipe, ms.load_catalogue(), list(made.model.parameters()), Part(name="lbfgs", iterations=1)
    )
    assert isinstance(optimizer, BatchOptimizer)
    (step,) = problems(made, 1)
    counted: list[float] = []

    def evaluate() -> dict[str, torch.Tensor]:
        losses: dict[str, torch.Tensor] = step.evaluate()
        counted.append(float(losses["loss"].detach()))
        return losses

    before = optimizer.step_on(replace(step, evaluate=evaluate))
    assert len(counted) == 2  # before, and where the line search arrives
    assert float(before["loss"]) == counted[0] > counted[1]
    assert not any(value.requires_grad for value in before.values())
