"""The recipes of one picture from derivatives, of two, and of one with holes: they train, are evaluated and
rendered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import metasiren as ms
from metasiren.engine import running
from metasiren.registry.catalogue import load_catalogue

NARROW: dict[str, Any] = {
    "siren.hidden_features": 8, "siren.hidden_layers": 1, "train.steps": 2, "train.log_every": 1,
    "train.pictures_every": 2, "data.points": 50,
}  # fmt: skip
SMALL: dict[str, dict[str, Any]] = {
    "poisson_gradient": {"data.size": 16},
    "poisson_laplacian": {"data.size": 16},
    "image_editing": {"data.size": [16, 20], "data.first_size": [6, 20], "data.offset": [4, 0]},
    "inpainting": {"data.size": 16, "data.prior_points": 30, "evaluate.baselines": ["biharmonic"]},
}


@pytest.mark.parametrize("name", sorted(SMALL))
def test_a_narrow_copy_of_each_trains_is_judged_and_renders(name: str, tmp_path: Path) -> None:
    recipe = ms.load_recipe(name, preset="quick", overrides={**NARROW, **SMALL[name]})
    made = ms.run(recipe, tmp_path / "run", device="cpu")
    found = json.loads((made.results / "comparison.json").read_text())
    assert {row["kind"] for row in found["rows"]} == {"model", "baseline"}
    assert (made.results / "figure.png").is_file()
    assert (made.results / "preview.png").is_file()
    dataset = load_catalogue().make("dataset", recipe.data.name, where="data", options=recipe.data.options)
    assert json.loads(json.dumps(dataset.metadata)) == made.metadata
    rows, columns = (2 * side for side in dataset.domain.grid)
    options = {"size": (rows, columns)}
    renderer = load_catalogue().make("renderer", dataset.renderer, where="render", options=options)
    renderer.render(made.field(), dataset.domain, made.metadata, tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (columns, rows)


@pytest.mark.parametrize("constraint", ["difference_mse", "growth_mse"])
@pytest.mark.parametrize("key", ["spans.integral", "pixel_pairs.integral"])
@pytest.mark.parametrize("name", ["poisson_gradient", "image_editing"])
def test_a_stored_run_with_the_former_option_is_evaluated_and_resumed(
    name: str, key: str, constraint: str, tmp_path: Path
) -> None:
    """Its recipe has `spans`, and the digest of its data the point set's name at the time."""
    asked = {"data.spans": 30, f"constraints.{constraint}": {"at": "spans", "weight": 10}}
    pictures = {"data.path": None, "data.second_path": None} if name == "image_editing" else {"data.path": None}
    settings = {"train.checkpoint_every": 1, "data.derivatives": "spectral"}
    overrides = {**NARROW, **SMALL[name], **pictures, **asked, **settings}
    made = ms.run(ms.load_recipe(name, preset="paper", overrides=overrides), tmp_path / "run", device="cpu")
    stored = made.path / "environment.json"
    environment = json.loads(stored.read_text())
    probe = environment["data_digest"]["probe"]["train"]
    numbers = [probe.pop(each) for each in ("pixel_pairs.integral", "spans.integral") if each in probe]
    probe[key] = numbers[0]
    stored.write_text(json.dumps(environment))
    running.evaluate(made.path, device="cpu")
    newest = max(made.checkpoints.glob("*.safetensors"))
    before = made.checkpoint()
    newest.unlink()
    after = running.resume(made.path, device="cpu").checkpoint()
    assert after.step == before.step == 2
    for tensor, expected in before.tensors.items():
        torch.testing.assert_close(after.tensors[tensor], expected, rtol=0, atol=0)


@pytest.mark.parametrize("given", [100, None])
@pytest.mark.parametrize("name", ["poisson_gradient", "image_editing"])
def test_the_former_option_beside_the_new_one_is_refused(name: str, given: int | None, tmp_path: Path) -> None:
    """Even null: the new option would otherwise count in its place without a word."""
    overrides = {**NARROW, **SMALL[name], "data.spans": given}
    recipe = ms.load_recipe(name, preset="quick", overrides=overrides)
    found = rf"data: spans: {given or 'null'}; .* former name of pixel_pairs, .* too: 4096\.\n.*give pixel_pairs"
    with pytest.raises(ms.RecipeError, match=found):
        ms.run(recipe, tmp_path / "run", device="cpu")


def test_the_former_option_alone_may_be_null_or_a_number() -> None:
    make = load_catalogue().make
    for given, expected in (({"spans": None}, {"pixels"}), ({"spans": 5}, {"pixels", "pixel_pairs", "spans"}),
                            ({"pixel_pairs": 5}, {"pixels", "pixel_pairs"}), ({}, {"pixels"})):  # fmt: skip
        dataset = make("dataset", "poisson", where="data", options={"size": 16, **given})
        assert set(dataset.batch("train", torch.zeros(1, dtype=torch.long)).points) == expected


@pytest.mark.parametrize("name", ["poisson_gradient", "poisson_laplacian", "image_editing"])
def test_the_paper_preset_is_the_paper(name: str) -> None:
    recipe = ms.load_recipe(name, preset="paper")
    assert recipe.train.steps == 10_000
    assert recipe.train.optimizer.options == {"lr": 1e-4}
    assert recipe.data.options["derivatives"] == "sobel"
    assert recipe.data.options.get("points") is None
    assert (recipe.siren.hidden_features, recipe.siren.hidden_layers, recipe.siren.first_omega) == (256, 3, 30)


def test_the_paper_preset_of_inpainting_is_the_paper() -> None:
    """The weights against a mean over all pixels: a tenth of that over seen ones."""
    presets = {prior: ms.load_recipe("inpainting", preset=f"paper{prior}") for prior in ("", "_none", "_fh")}
    weights = {prior: {k: part.weight for k, part in r.constraints.items()} for prior, r in presets.items()}
    assert weights == {
        "": {"mse": 0.1, "tv": 1e-4},
        "_none": {"mse": 0.1},
        "_fh": {"mse": 0.1, "hessian_frobenius": 1e-6},
    }
    for recipe in presets.values():
        assert (recipe.train.steps, recipe.train.optimizer.options) == (5000, {"lr": 5e-5})
        assert recipe.data.options["fraction"] == 0.1


def test_the_rivals_are_the_paper_s() -> None:
    siren = ms.load_recipe("poisson_gradient", preset="paper_relu_pe").siren
    made = ms.Siren(in_features=2, out_features=1, **siren.model_dump(exclude_none=True))
    # Six octaves for 256 pixels: x, and sine and cosine of each, for two coordinates.
    assert made.layers[0].in_features == 2 * (1 + 2 * 6)
    assert ms.load_recipe("poisson_laplacian", preset="paper_tanh").siren.nonlinearity == "tanh"


def test_the_starfish_reads_as_the_authors_read_it(shared_data: Path) -> None:
    """The top left square of the picture, grey, at 256 x 256; and its gradient gives it back."""
    path = shared_data / "images" / "bsds_12003_starfish.jpg"
    if not path.is_file():
        pytest.skip(f"NO STARFISH: {path} is not there")
    options = {**ms.load_recipe("poisson_gradient", preset="paper").data.options, "path": str(path)}
    dataset = load_catalogue().make("dataset", "poisson", where="data", options=options)
    assert dataset.domain.grid == (256, 256)
    assert dataset.domain.d_out == 1
    solved = dataset.scheme.from_gradient(dataset.scheme.gradient(dataset.picture))
    np.testing.assert_allclose(solved, dataset.picture - dataset.picture.mean(), atol=1e-8)
