"""`metasiren selfcheck`: its report of this machine, and what it says where results differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from devices.captures import Capture
from devices.emulated import emulated_gpu
from torch.utils._pytree import tree_leaves

import metasiren as ms
from metasiren.cli.commands import cli
from metasiren_studies import selfcheck as module
from metasiren_studies.selfcheck import line_of, selfcheck


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recipes with few points."""
    changes: dict[str, dict[str, Any]] = {
        "image": {"data.size": 16, "data.points": 40, "siren.hidden_features": 8},
        "helmholtz": {"data.points": 30, "siren.hidden_features": 8, "train.optimizer": {"name": "adam", "lr": 1e-3}},
        "poisson_2d": {"data.points": {"interior": 60}, "siren.hidden_features": 8},
    }
    changes["inpainting"] = {**changes["image"], "train.steps": 0}
    del changes["inpainting"]["data.points"]
    monkeypatch.setattr(module, "_recipe", lambda name: ms.load_recipe(name, preset="quick", overrides=changes[name]))


def test_on_a_cpu_float32_is_compared_with_float64(tmp_path: Path) -> None:
    path, lines = tmp_path / "report.json", CliRunner()
    done = lines.invoke(cli, ["selfcheck", "--device", "cpu", "--recipe", "image", "-o", str(path)])
    assert done.exit_code == 0, done.output
    assert "image: agrees, first losses differ by" in done.output
    assert "1 agrees on cpu" in done.output
    report = json.loads(path.read_text())
    (row,) = report["recipes"]
    assert row["dtypes"] == ["float32", "float64"]
    assert len(row["losses"]) == len(row["reference"]) == 3
    assert 0 < row["differences"][0] < 1e-5
    assert row["step_seconds"] > 0
    assert torch.__version__.startswith(report["versions"]["torch"])
    assert report["tf32"]["here"] is False
    again = lines.invoke(cli, ["selfcheck", "--device", "cpu", "-o", str(path)])
    assert "report.json exists" in str(again.exception)


def test_on_a_gpu_it_is_compared_with_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_compile_times", lambda device, catalogue: {"available": False})
    monkeypatch.setattr(module, "_kernel_times", lambda device, catalogue: [])
    with emulated_gpu():
        report = selfcheck(torch.device("cuda", 0), ms.load_catalogue(), names=["image", "helmholtz"])
    assert report["counts"] == {"agrees": 2}, report["recipes"]
    assert report["gpu"]["name"] == "Emulated GPU"
    assert report["compile"] == {"available": False}
    # The emulated device computes on the CPU: no rounding differs.
    assert all(row["differences"][0] < 1e-6 for row in report["recipes"])
    assert all(row["graph"]["difference"] < 1e-4 for row in report["recipes"])
    assert all("ms captured" in line_of(row) for row in report["recipes"])


def test_captured_steps_that_give_nan_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_compile_times", lambda device, catalogue: None)
    monkeypatch.setattr(module, "_kernel_times", lambda device, catalogue: None)
    replay = Capture.replay

    def broken(self: Capture) -> None:
        replay(self)
        for *_, out in self.calls:
            for tensor in (t for t in tree_leaves(out) if isinstance(t, torch.Tensor) and t.is_floating_point()):
                tensor.detach().fill_(torch.nan)

    monkeypatch.setattr(Capture, "replay", broken)
    with emulated_gpu():
        (row,) = selfcheck(torch.device("cuda", 0), ms.load_catalogue(), names=["image"])["recipes"]
    assert row["graph"]["difference"] == float("inf")
    assert row["state"] == "differs"


def test_steps_that_cannot_be_captured_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_compile_times", lambda device, catalogue: None)
    monkeypatch.setattr(module, "_kernel_times", lambda device, catalogue: None)
    with emulated_gpu():
        (row,) = selfcheck(torch.device("cuda", 0), ms.load_catalogue(), names=["poisson_2d"])["recipes"]
    assert row["state"] == "agrees"
    assert row["tolerance"] == 1e-8
    assert row["graph"]["captured"] is False
    assert "gauss_newton reads" in row["graph"]["reason"]
    assert line_of(row).endswith("not captured")


@pytest.mark.parametrize(("name", "timed"), [("poisson_2d", True), ("inpainting", False)])
def test_the_loss_alone_is_compared_where_steps_need_float64_or_there_are_none(name: str, timed: bool) -> None:
    (row,) = selfcheck(torch.device("cpu"), ms.load_catalogue(), names=[name])["recipes"]
    assert row["state"] == "agrees"
    assert len(row["losses"]) == len(row["differences"]) == 1
    assert 0 < row["differences"][0] < 1e-4
    assert ("step_seconds" in row) is timed


def test_an_encoder_that_draws_is_compared_without_its_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    from metasiren_basics.fixed import FixedEncoder

    def noisy(self: Any, batch: ms.Batch, decoder: Any, generator: torch.Generator) -> Any:
        torch.rand((), generator=generator)
        return self(batch.context, decoder), batch

    monkeypatch.setattr(FixedEncoder, "training_pair", noisy)
    (row,) = selfcheck(torch.device("cpu"), ms.load_catalogue(), names=["image"])["recipes"]
    assert (row["own_draws"], row["state"]) == (True, "agrees")


def test_slow_recipes_take_fewer_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLOW", 0.0)
    (row,) = selfcheck(torch.device("cpu"), ms.load_catalogue(), names=["image"])["recipes"]
    assert len(row["differences"]) == 1
    assert row["step_seconds"] == row["first_step_seconds"]


def test_what_differs_or_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = module._steps

    def off(trainer: Any, batches: Any, timed: int = 5) -> Any:
        losses, times = steps(trainer, batches, timed)
        return ([1.01 * loss for loss in losses] if timed else losses), times

    monkeypatch.setattr(module, "_steps", off)
    report = selfcheck(torch.device("cpu"), ms.load_catalogue(), names=["image"])
    assert report["counts"] == {"differs": 1}
    assert "image: differs, first losses differ by 1.0e-02" in line_of(report["recipes"][0])
    monkeypatch.setattr(module, "_row", lambda *_: (_ for _ in ()).throw(ms.DataError("data", "gone.", "")))
    broken = selfcheck(torch.device("cpu"), ms.load_catalogue(), names=["image"])
    assert "gone." in line_of(broken["recipes"][0])
    late = selfcheck(torch.device("cpu"), ms.load_catalogue(), names=["image"], seconds=-1)
    assert late["counts"] == {"not reached": 1}


def test_an_unknown_recipe_is_named() -> None:
    done = CliRunner().invoke(cli, ["selfcheck", "--recipe", "imagee"])
    assert "no shipped recipe is called 'imagee'" in str(done.exception)
