"""Methods that fill holes do not see hidden pixels; the protocol lists them beside the field."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from metasiren import DataError, Model, PluginError, RecipeError, Siren
from metasiren.testing import Ripples
from metasiren_basics.fixed import FixedEncoder
from metasiren_basics.free import FreeDecoder
from metasiren_images.restoration import protocol
from metasiren_images.restoration.classical import Mask, Pixels, biharmonic, opencv
from metasiren_images.restoration.deep_image_prior import DeepImagePrior
from metasiren_images.restoration.hourglass import Hourglass
from metasiren_images.restoration.masked import MaskedPicture
from metasiren_images.restoration.protocol import InpaintingProtocol, closeness
from metasiren_images.single.sheet import sheet

QUICK_DIP = DeepImagePrior(steps=3, features=4)


def fill(name: str, picture: Pixels, seen: Mask) -> Pixels:
    if name in ("navier_stokes", "telea"):
        pytest.importorskip("cv2", reason="NO OPENCV: python -m pip install 'metasiren[inpainting]'")
        return opencv(picture, seen, name)  # type: ignore[arg-type]
    return biharmonic(picture, seen) if name == "biharmonic" else QUICK_DIP.fill(picture, seen)


METHODS = pytest.mark.parametrize("name", ["biharmonic", "navier_stokes", "telea", "deep_image_prior"])
CLASSICAL = pytest.mark.parametrize("name", ["biharmonic", "navier_stokes", "telea"])


def scene(channels: int = 3) -> tuple[Pixels, Mask]:
    random = np.random.default_rng(0)
    return random.uniform(0, 1, (16, 18, channels)), random.random((16, 18)) < 0.5


@METHODS
@pytest.mark.parametrize("channels", [1, 3])
def test_nothing_hidden_leaks_and_seen_pixels_stay(name: str, channels: int) -> None:
    picture, seen = scene(channels)
    other = np.where(seen[..., None], picture, 1 - picture)
    filled = fill(name, picture, seen)
    assert filled.shape == picture.shape
    np.testing.assert_array_equal(filled, fill(name, other, seen))
    np.testing.assert_allclose(filled[seen], picture[seen], atol=1e-12)
    assert 0 <= filled.min() <= filled.max() <= 1


@CLASSICAL
def test_colours_keep_their_order(name: str) -> None:
    picture, seen = scene()
    np.testing.assert_array_equal(fill(name, picture[..., ::-1], seen), fill(name, picture, seen)[..., ::-1])


@CLASSICAL
def test_a_constant_is_continued(name: str) -> None:
    """To a few steps of 8 bits: Telea's front adds up roundings."""
    _, seen = scene()
    picture = np.broadcast_to(np.array([51, 102, 204]) / 255, (*seen.shape, 3))
    np.testing.assert_allclose(fill(name, picture, seen), picture, atol=4 / 255)


def test_where_nothing_is_hidden_nothing_is_filled() -> None:
    picture, seen = scene()
    np.testing.assert_array_equal(biharmonic(picture, np.ones_like(seen)), picture)


def test_a_deep_image_prior_is_seeded_and_leaves_the_generator_alone() -> None:
    before = torch.get_rng_state()
    picture, seen = scene()
    np.testing.assert_array_equal(QUICK_DIP.fill(picture, seen), QUICK_DIP.fill(picture, seen))
    assert torch.equal(before, torch.get_rng_state())
    other = DeepImagePrior(steps=3, features=4, seed=1).fill(picture, seen)
    assert np.abs(other - QUICK_DIP.fill(picture, seen)).max() > 0


def test_a_deep_image_prior_says_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("metasiren.engine.bar.EVERY_SECONDS", 0.0)
    QUICK_DIP.fill(*scene())
    assert "Deep Image Prior: 67%" in capsys.readouterr().err


def test_a_deep_image_prior_learns_a_flat_picture() -> None:
    picture = np.full((16, 16, 1), 0.2)
    filled = DeepImagePrior(steps=60, features=8, scales=2).fill(picture, scene()[1][:, :16])
    assert np.abs(filled - 0.2).mean() < 0.08


@pytest.mark.parametrize("shape", [(16, 16), (17, 30), (33, 21)])
def test_an_hourglass_gives_pictures_of_any_size(shape: tuple[int, int]) -> None:
    made = Hourglass(4, 3, features=4, scales=2)(torch.rand(1, 4, *shape))
    assert made.shape == (1, 3, *shape)
    assert 0 < made.min() < made.max() < 1


def test_what_a_deep_image_prior_cannot_do_is_refused() -> None:
    with pytest.raises(DataError, match=r"8 x 8 pixels.*\n.*16"):
        QUICK_DIP.fill(np.zeros((8, 8, 1)), np.ones((8, 8), dtype=bool))
    with pytest.raises(RecipeError, match="dip_steps: 0 is below one"):
        InpaintingProtocol(dip_steps=0)


def model(dataset: Any) -> Model:
    siren = Siren(in_features=2, out_features=dataset.domain.d_out, hidden_features=8, hidden_layers=1)
    return Model(FixedEncoder(dataset.domain), FreeDecoder(siren, 0))


def evaluated(dataset: MaskedPicture, results: Path, **options: Any) -> dict[str, Any]:
    InpaintingProtocol(**options).evaluate(model(dataset), dataset, results, name="ours")
    found: dict[str, Any] = json.loads((results / "comparison.json").read_text())
    return found


def test_every_method_has_its_row_and_the_best_is_named(tmp_path: Path) -> None:
    pytest.importorskip("cv2", reason="NO OPENCV: python -m pip install 'metasiren[inpainting]'")
    dataset = MaskedPicture(photograph="coffee", size=24, fraction=0.5)
    methods = ["biharmonic", "navier_stokes", "telea", "deep_image_prior"]
    found = evaluated(dataset, tmp_path, baselines=methods, dip_steps=2, dip_features=4)
    assert [row["kind"] for row in found["rows"]] == ["model"] + 4 * ["baseline"]
    hidden = {row["name"]: row["metrics"]["hidden_psnr_db"] for row in found["rows"]}
    best = max(hidden, key=hidden.__getitem__)
    assert f"best at hidden pixels: {best}" in found["title"]
    assert best != "ours"
    assert json.loads((tmp_path / "metrics.json").read_text()) == found["rows"][0]["metrics"]
    for name in ("figure", "field", "seen", "truth", "telea", "biharmonic", "navier_stokes", "deep_image_prior"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert np.asarray(picture).std() > 1, name


def test_methods_have_their_proper_names_in_the_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cv2", reason="NO OPENCV: python -m pip install 'metasiren[inpainting]'")
    heads: list[str] = []

    def noted(rows: Any, above: list[str]) -> Image.Image:
        heads.extend(above)
        return sheet(rows, above)

    monkeypatch.setattr(protocol, "sheet", noted)
    dataset = MaskedPicture(photograph="coffee", size=24, fraction=0.5)
    evaluated(dataset, tmp_path, baselines=["biharmonic", "navier_stokes", "telea"])
    names = [head.rsplit(" ", 2)[0] for head in heads]
    assert names[2:] == ["field", "biharmonic", "Navier-Stokes", "Telea"]


def test_a_seed_of_deep_image_prior_changes_its_row_alone(tmp_path: Path) -> None:
    dataset = MaskedPicture(photograph="coffee", size=24, fraction=0.5)
    methods: dict[str, Any] = {"baselines": ["biharmonic", "deep_image_prior"], "dip_steps": 2, "dip_features": 4}
    first, second = (evaluated(dataset, tmp_path, **methods, dip_seed=seed)["rows"] for seed in (0, 1))
    assert first[1] == second[1]
    assert first[2] != second[2]


def test_without_opencv_its_rows_are_absent_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(PluginError, match=r"telea: needs the package 'cv2'[\s\S]*metasiren\[inpainting\]"):
        opencv(*scene(), "telea")
    found = evaluated(MaskedPicture(size=16, fraction=0.5), tmp_path, baselines=["telea", "biharmonic"])
    assert [row["name"] for row in found["rows"]] == ["ours", "biharmonic (scikit-image)"]
    assert "not run: Telea (OpenCV)" in found["title"]
    assert "metasiren[inpainting]" in found["title"]


def test_hidden_and_all_pixels_are_judged_apart() -> None:
    """An error of 0.1 at hidden pixels is 20 dB there; where half are hidden, 23 dB of all."""
    dataset = MaskedPicture(size=16, fraction=0.5)
    made = np.where(dataset.seen[..., None], dataset.picture, dataset.picture + 0.1)
    numbers = closeness(made, dataset)
    assert numbers["hidden_psnr_db"] == pytest.approx(20)
    assert numbers["psnr_db"] == pytest.approx(20 - 10 * np.log10((~dataset.seen).mean()))
    nothing = closeness(dataset.picture, MaskedPicture(size=16, fraction=1.0))
    assert nothing == {"psnr_db": None, "hidden_psnr_db": None}


def test_the_paper_s_rows_stand_beside_its_textures_alone(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 16), np.uint8)
    for name, expected in (("tiles.png", [15.45, 17.40, 17.68]), ("mine.png", [])):
        Image.fromarray(noise).save(tmp_path / name)
        found = evaluated(MaskedPicture(path=tmp_path / name), tmp_path, baselines=[])
        assert [row["metrics"]["psnr_db"] for row in found["rows"] if row["kind"] == "paper"] == expected


def test_a_preview_is_a_picture_and_other_data_is_refused(tmp_path: Path) -> None:
    dataset = MaskedPicture(size=16)
    assert InpaintingProtocol().preview(model(dataset), dataset, tmp_path / "preview.png").dtype == torch.uint8
    with pytest.raises(DataError, match="ripples is not a masked picture"):
        InpaintingProtocol().evaluate(model(Ripples()), Ripples(), tmp_path, name="ours")
