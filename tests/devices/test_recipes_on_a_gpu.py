"""Every shipped recipe on an emulated GPU: it trains, evaluates, renders and resumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from devices.emulated import LEDGER, emulated_gpu

import metasiren as ms
from metasiren.engine import running
from metasiren.engine.rendering import render
from metasiren.engine.trainer import Trainer
from metasiren.recipe import read_recipe, shipped_recipes

RECIPES = [p.stem for p in shipped_recipes() if ms.load_recipe(p.stem, preset="quick").train.steps != 0]
"""All whose quick preset trains; the others are fitted in closed form."""
PAPER = [name for name in RECIPES if "paper" in read_recipe(name)["presets"]]
SKETCHED = {"data.train": 16, "data.val": 8, "data.test": 0}
"""Of recipes that draw their faces here; the others take those of a file."""
CELEBA: dict[str, dict[str, Any]] = {
    "celeba_cnn": {"encoder.features": 8},
    "celeba_pconv": {"encoder.features": 8},
    "celeba_set_sine": {"encoder.hidden_features": 8},
    "celeba_set_relu": {"encoder.hidden_features": 8},
    "celeba_gaussian": {},
    "celeba_autodecoder": SKETCHED,
    "celeba_cavia": SKETCHED,
    "celeba_cnp": {"encoder.hidden_features": 8, **SKETCHED},
}


WAITING = {"celeba_gaussian", "fwi"}
"""Steps that still wait: draws of the Gaussian encoder, and stages whose data is checked."""


def small(name: str, preset: str, faces: Path, *, save_every: int = 2) -> ms.Recipe:
    """Few points, few units, four steps (two in each stage)."""
    recipe = ms.load_recipe(name, preset=preset)
    changes: dict[str, Any] = {"siren.hidden_features": 8, "train.log_every": 100, "train.checkpoint_every": save_every}
    if recipe.train.stages:
        stages = [stage.model_dump(mode="json", exclude_none=True) | {"steps": 2} for stage in recipe.train.stages]
        changes["train.stages"] = stages
    else:
        changes |= {"train.epochs": None, "train.steps": 4}
    if preset != "quick" and name not in CELEBA:
        # The files that the paper's presets name are a person's; the quick preset's data stands in for them.
        changes["data"] = ms.load_recipe(name, preset="quick").data.model_dump(mode="json")
    for count in ("points", "initial", "boundary", "surface", "space"):
        if isinstance(recipe.data.options.get(count), int):
            changes.setdefault(f"data.{count}", 30)
    if name in CELEBA:
        changes |= {**CELEBA[name], "train.batch": 4, "evaluate.seeds": 1}
        if recipe.decoder.name == "hypernetwork":
            changes["decoder.hidden_features"] = 8
        changes |= {"evaluate.baseline_images": 2, "encoder.latent_dim": 8, "evaluate.contexts": [10, 100, "half", 256]}
        changes["train.context"] = [4, 100]
        if changes.keys() & SKETCHED.keys():
            changes["data.size"] = 16
        else:
            changes["data"] = {"name": "npz", "path": str(faces), "title": "noise"}
    return ms.load_recipe(name, preset=preset, overrides=changes)


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """An .npz of small random pictures."""
    images = np.random.default_rng(0).integers(0, 256, (24, 16, 16, 3), np.uint8)
    np.savez(tmp_path / "faces.npz", images=images, split=np.repeat(["train", "val"], [16, 8]))
    return tmp_path / "faces.npz"


@pytest.fixture
def later_steps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, str]]:
    """Waits and uploads of each step after a stage's first, with their places, since the end of the step before."""
    steps: list[tuple[int, int, str]] = []
    update = Trainer._update

    def watched(self: Trainer, batch: ms.Batch, *, check: bool) -> Any:
        losses = update(self, batch, check=check)
        if self.step > self.stage.start:
            steps.append((LEDGER.waits.total(), LEDGER.uploads.total(), LEDGER.report()))
        LEDGER.reset()
        return losses

    monkeypatch.setattr(Trainer, "_update", watched)
    return steps


def trained(recipe: ms.Recipe, out: Path) -> ms.Run:
    """Train without an evaluation, whose cost would be the CPU's."""
    return ms.run(recipe.model_copy(update={"evaluate": type(recipe.evaluate)()}), out, device="cuda")


@pytest.mark.parametrize("name", RECIPES)
def test_quick_trains_and_resumes(name: str, faces: Path, tmp_path: Path) -> None:
    with emulated_gpu():
        made = trained(small(name, "quick", faces), tmp_path / "run")
        newest = sorted(made.checkpoints.glob("step-*.safetensors"))[-1]
        newest.unlink()
        resumed = running.resume(made.path, device="cuda")
    assert resumed.checkpoint().step == int(newest.stem.split("-")[1])
    assert all(bool(torch.isfinite(v).all()) for v in resumed.checkpoint().part("model").values())


@pytest.mark.parametrize("name", sorted(set(PAPER) - WAITING))
def test_steps_of_the_paper_s_presets_do_not_wait(
    name: str, faces: Path, tmp_path: Path, later_steps: list[tuple[int, int, str]]
) -> None:
    with emulated_gpu():
        trained(small(name, "paper", faces, save_every=100), tmp_path / "run")
    # The first step and the last are logged. The third lies between: neither it nor the second reads anything.
    waits, uploads, report = later_steps[1]
    assert (waits, uploads) == (0, 0), report


@pytest.mark.parametrize("name", ["image", "celeba_set_sine", "sdf"])
def test_a_run_is_evaluated_and_rendered_on_the_device(name: str, faces: Path, tmp_path: Path) -> None:
    with emulated_gpu():
        made = ms.run(small(name, "quick", faces), tmp_path / "run", device="cuda")
        assert list(made.results.glob("*.json"))
        if name == "image":
            assert render(made.path, tmp_path / "big.png", device="cuda", options={"size": (20, 20)}).is_file()
