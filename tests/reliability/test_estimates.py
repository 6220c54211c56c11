"""Memory is estimated before it is taken: a training that cannot fit is refused, with what would fit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

import metasiren as ms
from metasiren.assembly.experiment import assemble
from metasiren.cli.failures import explain
from metasiren.engine import estimate, running
from metasiren.engine.counting import OperationCount
from metasiren.engine.estimate import Estimate
from metasiren.registry.catalogue import load_catalogue

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
PICTURE: dict[str, Any] = {
    "data.size": 24, "data.points": None, "siren.hidden_features": 20, "siren.hidden_layers": 2, "train.steps": 2,
    "evaluate.protocol": None,
}  # fmt: skip
FACES: dict[str, Any] = {
    "data.train": 12, "data.val": 4, "data.test": 4, "data.size": 8, "siren.hidden_features": 16, "train.steps": 2,
    "train.batch": 6, "evaluate.protocol": None,
}  # fmt: skip

MANY = {"data.train": 40, "train.batch": 40, "data.size": 16, "decoder.hidden_features": 4}


def of(name: str, device: torch.device = CPU, *, preset: str = "quick", **changes: Any) -> Estimate:
    catalogue = load_catalogue()
    recipe = ms.load_recipe(name, preset=preset, overrides=changes)
    return Estimate.of(assemble(recipe, catalogue), catalogue, device)


@pytest.mark.parametrize("device", [CPU, CUDA], ids=str)
def test_a_steps_numbers_are_those_of_arithmetic(device: torch.device) -> None:
    cost = of("image", device, **PICTURE).cost()
    assert cost is not None
    layers = [(2, 20), (20, 20), (20, 20), (20, 1)]
    weights = sum(n * m + m for n, m in layers)
    assert cost.trained == {"encoder": 0, "decoder": weights}
    assert (cost.weights, cost.gradients) == (4 * weights, 4 * weights)
    assert cost.optimizer == 2 * 4 * weights + 4 * 2 * len(layers)  # two moments, and a count for each tensor
    # Forward: 2 n m a point and layer. Backward: the same for the weights, and for the inputs of all layers but one.
    forward = [2 * 24 * 24 * n * m for n, m in layers]
    assert cost.flops == 2 * sum(forward) + sum(forward[1:])
    assert cost.emitted == 0


def test_emitted_weights_and_parts_are_counted() -> None:
    made = of("celeba_pconv", **FACES)
    cost = made.cost()
    assert cost is not None
    siren = made.model.decoder.siren  # type: ignore[union-attr]
    assert cost.emitted == 6 * 4 * siren.parameter_count
    assert cost.activations > cost.emitted
    assert set(cost.trained) == {"encoder", "decoder"}
    assert min(cost.trained.values()) > 0


def test_activations_are_what_a_function_keeps_and_no_more() -> None:
    with OperationCount(CPU) as counted:
        x = torch.zeros(1000, requires_grad=True)  # 4,000 bytes
        y = (x * 2).sin()  # the product is kept for the backward pass
        del x
        z = y.sum()
        y = y * 2
        del y, z
    assert counted.peak == 4000 * 4 + 4
    assert counted.live == 0


def test_parts_of_a_batch_take_less_memory_and_no_fewer_flops() -> None:
    made = of("image", **PICTURE)
    whole, parts = made.cost(), made.cost(accumulate=4)
    assert whole is not None
    assert parts is not None
    assert parts.activations < 0.35 * whole.activations
    assert parts.flops == whole.flops


def test_derivatives_and_precision_cost_more() -> None:
    single, double = of("image", **PICTURE).cost(), of("image", **PICTURE, **{"train.dtype": "float64"}).cost()
    assert single is not None
    assert double is not None
    assert double.activations == pytest.approx(2 * single.activations, rel=0.02)
    curved = of("poisson_laplacian", **PICTURE).cost()
    assert curved is not None
    assert curved.activations > 2 * single.activations


def test_gauss_newton_counts_its_jacobian() -> None:
    cost = of("wave", **{"data.points": 40, "data.initial": 20, "siren.hidden_features": 12}).cost()
    assert cost is not None
    weights = sum(cost.trained.values())
    residuals = 40 + 2 * 20
    assert cost.jacobian == 8 * (residuals * weights + 2 * residuals**2)


def test_least_squares_count_the_rows_of_the_output_layer_alone() -> None:
    """A pair of points has one row for each constraint; rows count twice, the equations of 12 + 1 unknowns three times.

    The most derivatives are those of the interior: the value, three slopes, and two sums of second derivatives.
    """
    changes = {"data.points": 40, "data.initial": 20, "data.interface": 16, "siren.hidden_features": 12}
    cost = of("wave", preset="cpu_disc", **changes).cost()
    assert cost is not None
    residuals = 40 + 2 * 20 + 2 * 16
    assert cost.jacobian == 8 * (2 * residuals * 13 + 3 * 40 * 6 * 13 + 3 * 13**2)


def test_a_width_that_no_machine_holds_is_refused_with_a_width_that_fits(tmp_path: Path) -> None:
    recipe = ms.load_recipe("image", preset="quick", overrides={**PICTURE, "siren.hidden_features": 200_000})
    with pytest.raises(
        ms.RecipeError, match=r"a step needs about 1,\d{3}\.\d GB .*weights 320\.\d GB.* are free"
    ) as found:
        running.run(recipe, tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()
    width = int(re.search(r"siren.hidden_features=(\d+) would fit", str(found.value))[1])  # type: ignore[index]
    assert 1000 < width < 200_000


@pytest.mark.parametrize(
    ("name", "changes", "advice"),
    [
        ("image", {**PICTURE, "data.size": 120}, r"train.accumulate=(\d+) would fit.* points at a time"),
        ("image", {**PICTURE, "data.size": 120, "data.points": 9000}, r"train.accumulate=(\d+).*data.points=\d+"),
        ("celeba_pconv", {**FACES, **MANY}, r"train.accumulate=(\d+).*train.batch=\d+"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused_with_one_that_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, changes: dict[str, Any], advice: str
) -> None:
    cost = of(name, **changes).cost()
    assert cost is not None
    free = int(1.25 * (cost.constant + cost.batch) + 0.4 * cost.activations)
    monkeypatch.setattr(estimate, "available_bytes", lambda: free)
    monkeypatch.setattr(estimate, "CHEAP", 0.0)
    monkeypatch.setattr(estimate, "CLEARLY", 1.0)
    with pytest.raises(ms.RecipeError, match=advice) as found:
        running.run(ms.load_recipe(name, preset="quick", overrides=changes), tmp_path / "run", device="cpu")
    pieces = int(re.search(advice, str(found.value))[1])  # type: ignore[index]
    fitting = {**changes, "train.accumulate": pieces, "train.steps": 1}
    running.run(ms.load_recipe(name, preset="quick", overrides=fitting), tmp_path / "run", device="cpu")


def test_running_out_of_memory_prints_the_estimate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = 10**9

    def fails(*_: Any, **__: Any) -> None:
        monkeypatch.setattr(estimate, "available_bytes", lambda: free)
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 160000000000 bytes.")

    monkeypatch.setattr(running.Trainer, "train", fails)
    recipe = ms.load_recipe("image", preset="quick", overrides=PICTURE)
    with pytest.raises(RuntimeError) as failed:
        running.run(recipe, tmp_path / "run", device="cpu")
    message = explain(failed.value)
    assert message is not None
    assert re.search(r"out of memory: Default.*\n  a step needs about [\d.]+ MB \(activations", message)
    assert "would fit" not in message
    monkeypatch.undo()
    monkeypatch.setattr(running.Trainer, "train", fails)
    free = 200_000
    with pytest.raises(RuntimeError) as failed:
        running.run(recipe, tmp_path / "second", device="cpu")
    assert "train.accumulate=3 would fit" in str(explain(failed.value))


def test_what_cannot_be_estimated_is_not_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise NotImplementedError("reads a tensor's contents")

    monkeypatch.setattr(estimate, "step_cost", fails)
    monkeypatch.setattr(estimate, "available_bytes", lambda: 1000)
    running.run(ms.load_recipe("image", preset="quick", overrides=PICTURE), tmp_path / "run", device="cpu")


@pytest.mark.slow
def test_a_picture_of_9000_pixels_a_side_is_refused_by_its_step(tmp_path: Path) -> None:
    overrides = {"data.size": 9000, "data.points": None, "siren.hidden_features": 256}
    with pytest.raises((ms.RecipeError, ms.DataError), match="GB are free"):
        running.run(ms.load_recipe("image", preset="quick", overrides=overrides), tmp_path / "run", device="cpu")
