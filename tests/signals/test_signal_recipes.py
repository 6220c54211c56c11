"""The recipes of sounds and clips: they train, with every nonlinearity and input layer, and their runs are rendered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner
from PIL import Image

import metasiren as ms
from metasiren.cli.commands import cli
from metasiren.registry.catalogue import Catalogue, load_catalogue
from metasiren_signals.rows import paper_rows

SMALL = {"siren.hidden_features": 16, "train.log_every": 1, "train.pictures_every": 2, "train.schedule": "constant"}
SOUND = {**SMALL, "data.points": 64, "data.start": 0.2, "data.duration": 0.05}
CLIP = {**SMALL, "data.points": 64, "data.frames": 3, "data.size": [12, 16]}
RIVALS: dict[str, dict[str, Any]] = {
    **{name: {"siren.nonlinearity": name} for name in ("relu", "tanh", "softplus", "elu", "selu", "sigmoid")},
    "encoded": {
        "siren.nonlinearity": "relu", "siren.input_layer": {"name": "positional_encoding", "frequencies": 5},
    },
    "nyquist": {"siren.nonlinearity": "relu", "siren.input_layer": {"name": "positional_encoding", "samples": 400}},
    "rbf": {"siren.nonlinearity": "relu", "siren.input_layer": {"name": "rbf_gaussian", "centres": 32}},
    "quartic": {"siren.nonlinearity": "relu", "siren.input_layer": {"name": "rbf_quartic", "centres": 32}},
}  # fmt: skip


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


def run(name: str, out: Path, catalogue: Catalogue, overrides: dict[str, Any]) -> ms.Run:
    return ms.run(ms.load_recipe(name, preset="quick", overrides=overrides), out, device="cpu", catalogue=catalogue)


def test_a_pure_tone_is_fitted_by_a_tiny_net_and_played_back(tmp_path: Path, catalogue: Catalogue) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 40 * np.arange(400) / 4000)
    soundfile.write(tmp_path / "tone.wav", tone, 4000)
    overrides = {
        "data.source": None, "data.path": str(tmp_path / "tone.wav"), "data.extent": 1, "data.points": None,
        "siren.hidden_features": 24, "siren.hidden_layers": 1, "train.steps": 250, "train.pictures_every": 1000,
        "siren.init_scale": 1.0, "train.optimizer.lr": 3e-3,
    }  # fmt: skip
    made = run("audio_bach", tmp_path / "run", catalogue, overrides)
    numbers = json.loads((made.results / "metrics.json").read_text())
    assert numbers["mse"] < 1e-3
    assert numbers["snr_db"] > 27
    for file in (made.results / "sound.wav", tmp_path / "again.wav"):
        if not file.exists():
            done = CliRunner().invoke(cli, ["render", str(made.path), "-o", str(file)])
            assert done.exit_code == 0, done.output
        played, rate = soundfile.read(file)
        assert rate == 4000
        assert float(np.abs(played - tone).max()) < 0.1


@pytest.mark.parametrize("rival", RIVALS)
def test_rivals_train_on_sounds(rival: str, tmp_path: Path, catalogue: Catalogue) -> None:
    overrides = {**SOUND, **RIVALS[rival], "data.extent": 1, "train.steps": 2}
    made = run("audio_counting", tmp_path / "run", catalogue, overrides)
    assert np.isfinite(json.loads((made.results / "metrics.json").read_text())["mse"])


@pytest.mark.parametrize("rival", ["relu", "tanh", "encoded", "rbf"])
def test_rivals_train_on_clips(rival: str, tmp_path: Path, catalogue: Catalogue) -> None:
    made = run("video_cat", tmp_path / "run", catalogue, {**CLIP, **RIVALS[rival], "train.steps": 2})
    assert np.isfinite(json.loads((made.results / "metrics.json").read_text())["psnr_db"])


def test_a_sound_s_run_holds_its_numbers_pictures_and_sound(tmp_path: Path, catalogue: Catalogue) -> None:
    overrides = {**SOUND, "train.steps": 2, "evaluate.paper": {"SIREN": {"mse": 1e-5}}, "evaluate.paper_signal": None}
    made = run("audio_bach", tmp_path / "run", catalogue, overrides)
    assert set(json.loads((made.results / "metrics.json").read_text())) == {"mse", "snr_db"}
    rows = json.loads((made.results / "comparison.json").read_text())["rows"]
    assert [row["kind"] for row in rows] == ["model", "baseline", "paper"]
    assert rows[1]["metrics"]["snr_db"] == pytest.approx(0)
    assert made.environment["facts"]["sample_rate"] == 8000
    for name in ("figure.png", "preview.png"):
        with Image.open(made.results / name) as page:
            assert np.asarray(page).std() > 20
    assert soundfile.info(made.results / "sound.wav").frames == 400
    fitted, true = (soundfile.read(made.results / name)[0] for name in ("sound.wav", "truth_sound.wav"))
    # mse is of a sound whose greatest magnitude is 1.
    assert np.square((fitted - true) / abs(true).max()).mean() == pytest.approx(rows[0]["metrics"]["mse"], rel=1e-2)
    shown = json.loads((made.results / "captions.json").read_text())
    assert shown["truth_sound.wav"] == "The true sound."


def test_a_clip_s_run_holds_its_numbers_pictures_and_clip(tmp_path: Path, catalogue: Catalogue) -> None:
    overrides = {**CLIP, "train.steps": 2, "evaluate.every": 2, "evaluate.paper_signal": None}
    overrides["evaluate.paper"] = {"SIREN": {"psnr_db": 32.88}}
    made = run("video_bikes", tmp_path / "run", catalogue, overrides)
    assert set(json.loads((made.results / "metrics.json").read_text())) == {"mse", "psnr_db", "psnr_std_db"}
    comparison = json.loads((made.results / "comparison.json").read_text())
    assert "2 of 3 frames" in comparison["title"]
    assert [row["kind"] for row in comparison["rows"]] == ["model", "baseline", "baseline", "paper"]
    for name in ("figure.png", "preview.png"):
        with Image.open(made.results / name) as page:
            assert np.asarray(page).std() > 20
    assert (made.results / "clip.mp4").stat().st_size > 500
    done = CliRunner().invoke(cli, ["render", str(made.path), "-o", str(tmp_path / "c.gif"), "--size", "20x30"])
    assert done.exit_code == 0, done.output
    with Image.open(tmp_path / "c.gif") as image:
        assert image.size == (30, 20)


@pytest.mark.parametrize(
    ("recipe", "small", "names"),
    [("audio_bach", SOUND, ("gt_bach", "sound")), ("video_bikes", CLIP, ("bikes", "clip"))],
)
def test_the_paper_s_numbers_stand_beside_the_paper_s_signal_alone(
    recipe: str, small: dict[str, Any], names: tuple[str, str], tmp_path: Path, catalogue: Catalogue
) -> None:
    paper = ms.load_recipe(recipe, preset="paper_text").evaluate.options["paper"]
    for title, kinds in zip(names, ({"model", "baseline", "paper"}, {"model", "baseline"}), strict=True):
        overrides = {**small, "train.steps": 1, "evaluate.paper": paper, "data.title": title}
        made = run(recipe, tmp_path / title, catalogue, overrides)
        rows = json.loads((made.results / "comparison.json").read_text())["rows"]
        assert {row["kind"] for row in rows} == kinds


def test_numbers_of_the_paper_s_that_nobody_measures_are_refused() -> None:
    with pytest.raises(ms.RecipeError, match=r"number for 'ssim'[\s\S]*measured: mse"):
        paper_rows({"SIREN": {"ssim": 1.0}}, {"mse": 0.0})
    assert paper_rows(None, {}) == []


def test_the_paper_presets_are_the_paper_s() -> None:
    for name, mse in (("audio_bach", 1.101e-5), ("audio_counting", 3.816e-4)):
        recipe = ms.load_recipe(name, preset="paper")
        assert (recipe.train.steps, recipe.train.optimizer.options) == (5000, {"lr": 5e-5})
        assert (recipe.siren.hidden_features, recipe.siren.hidden_layers) == (256, 3)
        assert recipe.data.options["extent"] == 100
        assert "points" not in recipe.data.options
        assert recipe.evaluate.options["paper"]["SIREN"] == {"mse": mse}
    bikes = ms.load_recipe("video_bikes", preset="paper")
    assert (bikes.train.steps, bikes.train.optimizer.options) == (100_000, {"lr": 1e-4})
    assert (bikes.siren.hidden_features, bikes.siren.hidden_layers) == (1024, 3)
    assert bikes.data.options["points"] == 38e-4
    assert bikes.evaluate.options["paper"]["SIREN"] == {"psnr_db": 32.88, "psnr_std_db": 2.41}


@pytest.mark.parametrize("name", ["audio_bach", "audio_counting", "video_bikes", "video_cat"])
def test_quick_needs_nothing_and_presets_assemble(name: str, catalogue: Catalogue) -> None:
    recipe = ms.load_recipe(name, preset="quick")
    factory: Any = catalogue.factory("dataset", recipe.data.name, name)
    options = catalogue.options("dataset", recipe.data.name, recipe.data.options, name)
    assert factory.missing(**options) is None
    batch = factory(**options).batch("train", torch.zeros(1, dtype=torch.long))
    assert next(iter(batch.points.values())).coords.shape[1] == 4096
