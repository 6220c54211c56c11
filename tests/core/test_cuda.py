"""CUDA: the same functions as on the CPU, and the precision rules. Skipped where there is no GPU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

import metasiren as ms
from metasiren.engine import running

pytestmark = pytest.mark.gpu


@pytest.fixture
def siren() -> ms.Siren:
    return ms.Siren(in_features=2, out_features=3, hidden_features=64)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("instances", [1, 4])
def test_values_equal_those_of_the_cpu(siren: ms.Siren, dtype: torch.dtype, instances: int) -> None:
    params = siren.init(instances, generator=torch.Generator().manual_seed(0), dtype=dtype)
    coords = torch.rand(instances, 50, 2, dtype=dtype) * 2 - 1
    on_gpu = siren({k: v.cuda() for k, v in params.items()}, coords.cuda())
    tolerance = 1e-3 if dtype == torch.float32 else 1e-11
    torch.testing.assert_close(on_gpu.cpu(), siren(params, coords), rtol=tolerance, atol=tolerance)


def test_tf32_rounds_hidden_layers_only(siren: ms.Siren) -> None:
    params = siren.init(generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    coords = torch.rand(1, 2000, 2, dtype=torch.float64) * 200 - 100
    exact = siren(params, coords)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        rounded = siren({k: v.float().cuda() for k, v in params.items()}, coords.float().cuda()).cpu()
    finally:
        torch.set_float32_matmul_precision(before)
    error = (rounded - exact).norm() / exact.norm()
    assert error < 0.02, "a first layer in TF32 would be off by a third at coordinates of 100"


def test_a_run_on_the_gpu_resumes(tmp_path: Path) -> None:
    overrides = {"data.train": 64, "data.val": 8, "data.test": 0, "train.steps": 4, "train.batch": 8}
    recipe = ms.load_recipe("celeba_cnn", preset="quick", overrides={**overrides, "train.checkpoint_every": 2})
    made = ms.run(recipe, tmp_path / "run", device="cuda")
    expected = made.checkpoint().part("model")
    (made.checkpoints / "step-00000004.safetensors").unlink()
    half = made.checkpoint()
    assert half.step == 2
    resumed = running.resume(made.path, device="cuda").checkpoint()
    assert resumed.step == 4

    def apart(first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor]) -> float:
        return sum(float((first[name].double() - second[name].double()).square().sum()) for name in first) ** 0.5

    # Rounding on a GPU differs from run to run; another order of items, or a fresh optimiser, would be as far away.
    assert apart(resumed.part("model"), expected) < 0.1 * apart(half.part("model"), expected)


def test_captured_steps_are_plain_steps(tmp_path: Path) -> None:
    losses = []
    for graph in (False, True):
        overrides = {"data.size": 32, "train.steps": 12, "train.log_every": 1, "train.ema": 0.9, "train.graph": graph}
        recipe = ms.load_recipe("image", preset="quick", overrides=overrides)
        made = ms.run(recipe, tmp_path / str(graph), device="cuda")
        losses.append([line["loss"] for line in made.losses()])
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
