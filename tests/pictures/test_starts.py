"""Starts: weights of a file that fields begin with, and pictures of noise to make them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import metasiren as ms
from metasiren_basics.free import FreeDecoder
from metasiren_fields.export.hub import write_folder
from metasiren_images.single.noise import NoisePictures, pink
from metasiren_priors.data.sketch_faces import SketchFaces
from metasiren_priors.data.stacked import StackedPictures


def field(out: int, seed: int = 0, width: int = 12) -> ms.Field:
    siren = ms.Siren(in_features=2, out_features=out, hidden_features=width, hidden_layers=1)
    return ms.Field(siren, siren.init(generator=torch.Generator().manual_seed(seed)))


@pytest.fixture
def start(tmp_path: Path) -> Path:
    return write_folder(field(3), tmp_path / "start") / "model.safetensors"


def test_all_layers_but_the_last_begin_with_the_file(start: Path) -> None:
    u = field(1, seed=5)
    begun = FreeDecoder(u.siren, 0, start=start)(torch.zeros(1, 0))
    for name in ("0.weight", "0.bias", "1.weight", "1.bias"):
        assert torch.equal(begun[name], field(3).params[name])
    assert begun["2.weight"].shape == (1, 1, 12)


def test_the_last_layer_is_kept_on_demand(start: Path) -> None:
    u = field(3)
    begun = FreeDecoder(u.siren, 0, start=start, keep_last=True)(torch.zeros(1, 0))
    assert all(torch.equal(begun[name], value) for name, value in u.params.items())


def test_a_start_that_does_not_fit_says_what_it_holds(start: Path, tmp_path: Path) -> None:
    with pytest.raises(ms.RecipeError, match=r"(?s)0\.weight is \(12, 2\), not \(16, 2\).*It holds"):
        FreeDecoder(field(1, width=16).siren, 0, start=start)
    with pytest.raises(ms.RecipeError, match="not \\(1, 12\\)"):
        FreeDecoder(field(1).siren, 0, start=start, keep_last=True)
    (tmp_path / "text.safetensors").write_text("no")
    for name in (tmp_path / "text.safetensors", tmp_path / "none", "nois_pink"):
        with pytest.raises(ms.RecipeError, match=r"(?s)no weights.*metasiren export"):
            FreeDecoder(field(1).siren, 0, start=name)


def test_a_recipe_begins_with_it_and_solves_the_last_layer(start: Path, tmp_path: Path) -> None:
    overrides = {
        "decoder": {"name": "free", "start": str(start)}, "train.optimizer": {"name": "least_squares"},
        "train.schedule": "constant", "train.steps": 1, "data.size": 12, "data.points": None,
        "siren.hidden_features": 12, "siren.hidden_layers": 1, "siren.first_omega": 30,
    }  # fmt: skip
    made = ms.run(ms.load_recipe("image", preset="quick", overrides=overrides), tmp_path / "run", device="cpu")
    u = made.field()
    torch.testing.assert_close(u.params["1.weight"], field(3).params["1.weight"])
    # The solution of the normal equations leaves a residual without any share of the features.
    batch = (
        ms.load_catalogue()
        .make("dataset", "picture", where="data", options={"size": 12})
        .batch("test", torch.zeros(1, dtype=torch.long))
    )
    points = batch.points["pixels"]
    hidden = torch.sin(30 * (points.coords[0] @ u.params["0.weight"][0].T + u.params["0.bias"][0]))
    hidden = torch.sin(30 * (hidden @ u.params["1.weight"][0].T + u.params["1.bias"][0]))
    residual = u(points.coords)[0] - points.values[0]
    assert float((hidden.T @ residual).abs().max()) < 1e-2 * float(residual.norm())


def test_pink_noise_falls_as_one_over_f_and_uniform_noise_does_not() -> None:
    white = np.random.default_rng(0).standard_normal((64, 64, 8))
    power = (np.abs(np.fft.fft2(pink(white), axes=(0, 1))) ** 2).mean(-1)
    row = power[0, 1:32]
    slope = np.polyfit(np.log(np.arange(2, 25)), np.log(row[1:24]), 1)[0]
    assert slope == pytest.approx(-2, abs=0.3)
    data = NoisePictures(kind="uniform", pictures=3, size=32)
    values = data.batch("test", torch.zeros(1, dtype=torch.long)).points["pixels"].values
    assert values.shape == (1, 1024, 3)
    assert float(values.std()) == pytest.approx(1 / 3**0.5, rel=0.02)


def test_noise_of_no_size_is_refused() -> None:
    with pytest.raises(ms.RecipeError, match="noise_pictures"):
        NoisePictures(pictures=0)


def test_stacked_pictures_are_the_pictures_one_after_another(tmp_path: Path) -> None:
    faces, stacked = SketchFaces(train=4, val=0, test=0, size=8), StackedPictures(pictures=4, size=8)
    values = stacked.batch("test", torch.zeros(1, dtype=torch.long)).points["pixels"].values
    assert stacked.domain.d_out == 12
    for i in range(4):
        assert torch.equal(values[0, :, 3 * i : 3 * i + 3], faces.values("train")[i])
    np.savez(tmp_path / "grey.npz", images=np.arange(5 * 9 * 9, dtype=np.uint8).reshape(5, 9, 9, 1))
    few = StackedPictures(path=tmp_path / "grey.npz", pictures=2, points=7)
    batch = few.batch("train", torch.zeros(1, dtype=torch.long), generator=torch.Generator().manual_seed(0))
    assert batch.points["pixels"].values.shape == (1, 7, 2)
    for options, found in (({"pictures": 0}, "0 pictures"), ({"points": 0}, "0 points")):
        with pytest.raises(ms.DataError, match=found):
            StackedPictures(**options)
    with pytest.raises(ms.DataError, match=r"training pictures, 50 asked for[\s\S]*data\.pictures"):
        StackedPictures(path=tmp_path / "grey.npz", pictures=50)


def test_a_shared_trunk_begins_a_picture_of_other_channels(tmp_path: Path) -> None:
    overrides = {"data.size": 8, "data.pictures": 2, "siren.hidden_features": 8, "train.steps": 2}
    made = ms.run(ms.load_recipe("trunk_start", preset="quick", overrides=overrides), tmp_path / "run", device="cpu")
    file = write_folder(made.field(), tmp_path / "trunk") / "model.safetensors"
    one = ms.Siren(in_features=2, out_features=1, hidden_features=8, hidden_layers=2)
    begun = FreeDecoder(one, 0, start=file)(torch.zeros(1, 0))
    for name in ("0.weight", "1.bias", "2.weight"):
        assert torch.equal(begun[name], made.field().params[name])
