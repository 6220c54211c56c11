"""Pictures from recipe to file: training, evaluation, drawing; the SIREN and all nonlinearities that it is compared
with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import metasiren as ms
from metasiren.engine.rendering import render
from metasiren.testing import Ripples
from metasiren_images.single.channels import ChannelsProtocol
from metasiren_images.single.picture import Picture
from metasiren_images.single.protocol import PictureProtocol, picture_of
from metasiren_images.single.sheet import sheet
from metasiren_images.single.views import true_views

SMALL: dict[str, Any] = {"data.size": [20, 28], "siren.hidden_features": 12, "train.steps": 2, "train.log_every": 1}
RIVALS: dict[str, dict[str, Any]] = {
    **{name: {"siren.nonlinearity": name} for name in ("relu", "tanh", "softplus", "elu", "selu", "sigmoid")},
    "positional encoding": {
        "siren.nonlinearity": "relu",
        "siren.input_layer": {"name": "positional_encoding", "samples": 28},
    },
    "Gaussian basis": {"siren.nonlinearity": "relu", "siren.input_layer": {"name": "rbf_gaussian", "centres": 9}},
    "quartic basis": {"siren.nonlinearity": "relu", "siren.input_layer": {"name": "rbf_quartic", "centres": 9}},
    "colours": {"data.photograph": "astronaut"},
    "some pixels": {"data.points": 50, "data.replacement": False},
}


def train(out: Path, **overrides: Any) -> ms.Run:
    recipe = ms.load_recipe("image", preset="quick", overrides={**SMALL, **overrides})
    return ms.run(recipe, out, device="cpu")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> ms.Run:
    paper = {"SIREN": {"psnr_db": 50.0}}
    return train(tmp_path_factory.mktemp("runs") / "run", **{"evaluate.paper": paper})


def test_a_run_explains_itself(trained: ms.Run) -> None:
    for name in ("value", "gradient", "laplacian", "figure", "preview"):
        with Image.open(trained.results / f"{name}.png") as opened:
            assert opened.size == (28, 20) or name in ("figure", "preview")
            assert np.asarray(opened).std() > 1
    numbers = json.loads((trained.results / "metrics.json").read_text())
    assert set(numbers) == {"psnr_db", "ssim", "gradient_psnr_db", "laplacian_psnr_db"}
    rows = json.loads((trained.results / "comparison.json").read_text())["rows"]
    assert [(row["kind"], row["metrics"]) for row in rows] == [
        ("model", numbers), ("baseline", rows[1]["metrics"]), ("paper", {"psnr_db": 50.0}),
    ]  # fmt: skip
    assert "| one colour, no derivative | baseline |" in (trained.results / "comparison.md").read_text()


def test_a_table_says_what_a_derivative_of_zero_scores(trained: ms.Run, tmp_path: Path) -> None:
    """The Laplacian of relu is zero: its PSNR is that of the row, whatever the values are."""
    rows = json.loads((trained.results / "comparison.json").read_text())["rows"]
    flat = rows[1]["metrics"]
    relu = json.loads((train(tmp_path / "run", **RIVALS["relu"]).results / "metrics.json").read_text())
    assert relu["laplacian_psnr_db"] == pytest.approx(flat["laplacian_psnr_db"], abs=1e-9)
    assert relu["gradient_psnr_db"] != pytest.approx(flat["gradient_psnr_db"], abs=1e-3)
    truth = true_views(picture_of(Picture(photograph="camera", size=(20, 28)), "cpu", "test")).value
    spread = float(((truth - truth.mean()) ** 2).mean()) / 4  # of values in [0, 1]
    assert flat["psnr_db"] == pytest.approx(-10 * np.log10(spread), abs=1e-6)
    assert trained.metadata == {"title": "camera", "size": [20, 28], "channels": 1, "range": [-1.0, 1.0]}


@pytest.mark.parametrize("name", RIVALS)
def test_every_rival_trains_and_is_judged(name: str, tmp_path: Path) -> None:
    """With relu the Laplacian is zero, not NaN, and has a PSNR all the same."""
    made = train(tmp_path / "run", **RIVALS[name])
    numbers = json.loads((made.results / "metrics.json").read_text())
    assert all(number is not None and np.isfinite(number) for number in numbers.values()), numbers
    if name == "relu":
        assert np.unique(np.asarray(Image.open(made.results / "laplacian.png"))).tolist() == [128]


def test_rendered_as_dense_as_trained_it_is_the_judged_picture(trained: ms.Run, tmp_path: Path) -> None:
    path = render(trained.path, tmp_path / "same.png", device="cpu")
    written = np.asarray(Image.open(trained.results / "value.png").convert("L"))
    np.testing.assert_array_equal(np.asarray(Image.open(path)), written)


def test_rendered_larger_it_passes_through_the_same_pixels(trained: ms.Run, tmp_path: Path) -> None:
    path = render(trained.path, tmp_path / "large.tiff", options={"size": (39, 55)}, device="cpu")
    written = np.asarray(Image.open(trained.results / "value.png").convert("L")).astype(int)
    assert np.abs(np.asarray(Image.open(path)).astype(int)[::2, ::2] - written).max() <= 1


def test_a_small_siren_learns_a_small_picture(tmp_path: Path) -> None:
    made = train(tmp_path / "run", **{"train.steps": 150, "siren.hidden_features": 48, "siren.init_scale": 1.0})
    numbers = json.loads((made.results / "metrics.json").read_text())
    assert numbers["psnr_db"] > 30
    assert numbers["ssim"] > 0.9


def test_what_is_no_single_picture_has_no_channels(tmp_path: Path) -> None:
    several = Ripples(ms.Domain(2, 3, (8, 8), 8))
    with pytest.raises(ms.DataError, match=r"evaluate: picture_channels: .* is not a single picture"):
        ChannelsProtocol().evaluate(torch.nn.Module(), several, tmp_path, name="x")  # type: ignore[arg-type]


def test_what_is_no_single_picture_is_refused(tmp_path: Path) -> None:
    model = torch.nn.Module()
    with pytest.raises(ms.DataError, match="is not a single picture"):
        PictureProtocol().evaluate(model, Ripples(ms.Domain(2, 3, (8, 8), 8)), tmp_path, name="x")  # type: ignore[arg-type]
    with pytest.raises(ms.RecipeError, match="chunk_points: 0 is below one"):
        PictureProtocol(chunk_points=0)


@pytest.mark.parametrize(("shape", "size"), [((8, 8), (192, 192)), ((1024, 600), (300, 512)), ((300, 400), (400, 300))])
def test_sheets_enlarge_and_shrink(shape: tuple[int, int], size: tuple[int, int]) -> None:
    """A page of one black picture is white around it."""
    page = np.asarray(sheet([("", [np.zeros((*shape, 3))])], [""]).convert("L"))
    rows, columns = np.nonzero(page < 10)
    assert (np.ptp(columns) + 1, np.ptp(rows) + 1) == size


def test_the_presets_are_what_they_say() -> None:
    paper = ms.load_recipe("image", preset="paper")
    assert (paper.train.steps, paper.train.optimizer.options) == (15_000, {"lr": 1e-4})
    assert (paper.siren.hidden_features, paper.siren.init_scale) == (256, 1.0)
    assert paper.data.options == {"photograph": "camera"}
    assert ms.load_recipe("image", preset="quick").data.options["size"] == 256
