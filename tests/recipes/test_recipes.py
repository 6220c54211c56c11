"""Every shipped recipe, in every preset: it reads, its parts assemble, and a step of it trains."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import metasiren as ms
from metasiren.assembly.parts import make_constraints, make_model, make_optimizer, make_protocol, make_siren
from metasiren.engine.choosing import choose_preset
from metasiren.recipe import presets_of, read_recipe, shipped_recipes
from metasiren.registry.catalogue import load_catalogue

RECIPES = [path.stem for path in shipped_recipes()]
PRESETS = [(name, preset) for name in RECIPES for preset in read_recipe(name)["presets"]]


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """An .npz of small random pictures."""
    images = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), np.uint8)
    np.savez(tmp_path / "faces.npz", images=images, split=np.repeat(["train", "val"], [32, 8]))
    return tmp_path / "faces.npz"


def test_the_issue_s_recipes_ship() -> None:
    wanted = {"celeba_cnn", "celeba_set_sine", "celeba_set_relu", "celeba_pconv", "celeba_gaussian"}
    assert wanted <= set(RECIPES)


MEASURED = r"\d[\d.]* (dB|%)|(MSE|PSNR|distance)[^.;]{0,60}?\d[\d.e-]*"
"""A number with the unit or the name of what was measured: widths, steps and sections are none."""


@pytest.mark.parametrize("name", RECIPES)
def test_the_first_comment_says_what_to_expect(name: str) -> None:
    """Recipes that repeat the paper state its numbers; or that it gives none, and what is expected in their place."""
    (path,) = [p for p in shipped_recipes() if p.stem == name]
    comment = " ".join(path.read_text().split("data:")[0].split("extends:")[0].replace("#", " ").split())
    assert path.read_text().startswith("# ")
    assert len(comment) > 40
    if {"paper_text", "paper_code"} & set(presets_of(name)):
        instead = ("docs/results.md", "the goal here is", "No numbers are given")
        assert re.search(MEASURED, comment) or any(words in comment for words in instead)


def test_any_digit_is_no_expected_number() -> None:
    for words in ("256 wide, 15,000 steps", "section 6.4 of 2020", "k = 20 and t up to 0.4"):
        assert not re.search(MEASURED, words)
    for words in ("PSNR over ten runs: 15.45", "MSE at 10 / 100", "32.91 dB", "an error of 2 %"):
        assert re.search(MEASURED, words)


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_every_preset_s_parts_exist_and_take_their_options(name: str, preset: str) -> None:
    recipe, catalogue = ms.load_recipe(name, preset=preset), load_catalogue()
    # An input layer may name the coordinates that it is for.
    domain = ms.Domain(3, 3) if recipe.data.name == "wave" else ms.Domain(2, 3, (32, 32), 8)
    with torch.device("meta"):
        siren = make_siren(recipe, catalogue, domain)
        assert siren.parameter_count > 0
    catalogue.options("dataset", recipe.data.name, recipe.data.options, "data")
    for kind in ("encoder", "decoder"):
        part = getattr(recipe, kind)
        catalogue.options(kind, part.name, part.options, kind)
    assert make_constraints(recipe, catalogue)
    assert make_protocol(recipe, catalogue) is not None
    assert make_optimizer(recipe, catalogue, [torch.zeros(1, requires_grad=True)])
    if preset in ("quick", "cpu"):
        assert sum(p.numel() for p in make_model(recipe, catalogue, domain).parameters()) > 300


def test_the_paper_preset_is_the_paper() -> None:
    recipe = ms.load_recipe("celeba_cnn", preset="paper")
    train = recipe.train
    assert (train.epochs, train.batch, train.context) == (175, 200, (10, 1000))
    assert (train.optimizer.name, train.optimizer.options) == ("adam", {"lr": 5e-5})
    weights = {name: part.weight for name, part in recipe.constraints.items()}
    assert weights == {"mse": 1.0, "latent_prior": 0.1, "weight_prior": 100.0}
    siren = ms.Siren(in_features=2, out_features=3, **recipe.siren.model_dump(exclude_none=True))
    assert siren.parameter_count == 198_915
    assert recipe.encoder.options["mask_channel"] is False, "the encoder is not shown which pixels were seen"
    assert (recipe.data.name, recipe.data.options["resize"]) == ("celeba", "bilinear")
    code = ms.load_recipe("celeba_cnn", preset="paper_code")
    assert code.encoder.options["mask_channel"] is False
    assert code.data.options["resize"] == "nearest", "the default of the pinned Pillow 6.2.1"
    assert ms.load_recipe("celeba_set_sine", preset="paper").train.context == (10, 200)


SMALL: dict[str, Any] = {
    "train.epochs": None, "train.steps": 2, "train.batch": 4, "train.schedule": "constant",
    "train.precision": "fp32", "train.log_every": 1,
    "siren.hidden_features": 8, "decoder.hidden_features": 8, "evaluate.seeds": 1, "evaluate.baseline_images": 2,
}  # fmt: skip
NARROW = {
    "celeba_cnn": {"encoder.features": 8, "encoder.latent_dim": 8},
    "celeba_pconv": {"encoder.features": 8, "encoder.latent_dim": 8},
    "celeba_set_sine": {"encoder.hidden_features": 8},
    "celeba_set_relu": {"encoder.hidden_features": 8},
    "celeba_gaussian": {"encoder.latent_dim": 8},
}


@pytest.mark.parametrize("name", sorted(NARROW))
def test_a_narrow_copy_of_each_trains_and_writes_its_table(name: str, faces: Path, tmp_path: Path) -> None:
    overrides = {**SMALL, **NARROW[name], "data.path": str(faces), "data.title": "noise"}
    made = ms.run(ms.load_recipe(name, preset="subset", overrides=overrides), tmp_path / "run", device="cpu")
    table = json.loads((made.results / "table.json").read_text())
    assert set(table["rows"][0]["mse"]) == {"10", "100", "1000", "512", "1024"}
    assert [row["kind"] for row in table["rows"]].count("baseline") == 3
    assert table["dataset"] == "noise"
    for ending in ("csv", "md", "tex"):
        assert (made.results / f"table.{ending}").read_text().strip()
    assert (made.results / "figure6.png").is_file()
    assert (made.results / "preview.png").is_file()
    again = ms.open_run(made.path)
    assert all(bool(torch.isfinite(v).all()) for v in again.checkpoint().part("model").values())


SINGLE = [name for name in RECIPES if not name.startswith("celeba_")]


@pytest.mark.parametrize("name", SINGLE)
def test_quick_needs_nothing_and_two_steps_of_a_narrow_copy_write_metrics(name: str, tmp_path: Path) -> None:
    assert not read_recipe(name)["presets"]["quick"].get("needs")
    quick = ms.load_recipe(name, preset="quick")
    overrides: dict[str, Any] = {"siren.hidden_features": 8, "train.log_every": 1}
    if quick.train.stages:
        stages = [stage.model_dump(mode="json", exclude_none=True) | {"steps": 1} for stage in quick.train.stages]
        overrides["train.stages"] = stages
    else:
        overrides["train.steps"] = 2
    made = ms.run(ms.load_recipe(name, preset="quick", overrides=overrides), tmp_path / "run", device="cpu")
    numbers = json.loads((made.results / "metrics.json").read_text())
    assert numbers
    assert all(isinstance(value, float | int | None) for value in numbers.values())
    assert any(value is not None for value in numbers.values())
    assert list(made.results.glob("*.png"))


def test_without_data_and_gpu_the_quick_preset_is_chosen_and_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("METASIREN_DATA", str(tmp_path))
    choice = choose_preset("celeba_cnn", load_catalogue())
    assert choice.preset == "quick"
    (data, gpu) = choice.missing["paper_text"]
    assert "metasiren data celeba" in data
    assert "no GPU" in gpu
