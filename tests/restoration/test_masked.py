"""What is seen of a masked picture, and what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exact_jets import fit_of
from PIL import Image

import metasiren as ms
from metasiren import DataError, Jet, Points, Prediction, RecipeError
from metasiren.testing import check_dataset
from metasiren_images.restoration.blurring import BlurredMse, jittered
from metasiren_images.restoration.mask_files import MaskWarning, TurnedMaskWarning
from metasiren_images.restoration.masked import MaskedPicture

ITEM = torch.zeros(1, dtype=torch.long)


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_it_keeps_the_contract() -> None:
    check_dataset("masked_picture", options={"size": 16, "fraction": 0.5})


def test_training_sees_the_seen_pixels_and_no_other() -> None:
    dataset = MaskedPicture(photograph="coffee", size=20, fraction=0.3)
    batch = dataset.batch("train", ITEM, generator=random())
    assert set(batch.points) == {"observed", "free"}
    rows, columns = np.nonzero(dataset.seen)
    shape = torch.tensor(dataset.seen.shape)
    coords = 2 * torch.from_numpy(np.stack([rows, columns], -1)) / (shape - 1) - 1
    torch.testing.assert_close(batch.points["observed"].coords[0], coords.float(), atol=1e-6, rtol=0)
    expected = 2 * dataset.picture[dataset.seen] - 1
    np.testing.assert_allclose(batch.points["observed"].values[0].numpy(), expected, atol=1e-6)


def test_a_fraction_is_drawn_by_its_own_seed() -> None:
    one, same, other = (MaskedPicture(size=64, mask_seed=seed).seen for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()
    assert one.mean() == pytest.approx(0.1, abs=0.03)


def test_priors_are_asked_at_fresh_points_of_the_whole_square() -> None:
    dataset = MaskedPicture(size=20)
    generator = random()
    first, second = (dataset.batch("train", ITEM, generator=generator).points["free"] for _ in range(2))
    assert first.coords.shape == (1, 200, 2)
    assert not first.targets
    assert not torch.equal(first.coords, second.coords)
    assert first.coords.abs().max() <= 1
    assert first.coords.amin() < -0.9
    assert first.coords.amax() > 0.9


def test_a_mask_that_hides_nothing_is_plain_fitting(tmp_path: Path) -> None:
    """The same losses, step for step, as of the data set `picture`."""
    common: dict[str, Any] = {
        "siren": {"hidden_features": 8, "hidden_layers": 1},
        "train": {"steps": 3, "optimizer": {"name": "adam", "lr": 1e-3}, "log_every": 1},
    }
    losses = []
    for data, at in (
        ({"name": "masked_picture", "photograph": "brick", "size": 12, "fraction": 1.0}, "observed"),
        ({"name": "picture", "photograph": "brick", "size": 12}, "pixels"),
    ):
        recipe = ms.Recipe.model_validate({"data": data, "constraints": {"mse": {"at": at}}, **common})
        losses.append([line["loss"] for line in ms.run(recipe, tmp_path / at, device="cpu").losses()])
    assert len(losses[0]) == 3
    assert losses[0] == losses[1]


def test_a_mask_from_a_file_is_white_where_hidden(tmp_path: Path) -> None:
    mask = np.zeros((10, 10), np.uint8)
    mask[2:5, 1:9] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    dataset = MaskedPicture(size=10, mask=tmp_path / "mask.png")
    assert (dataset.seen == (mask == 0)).all()
    turned = MaskedPicture(size=10, mask=tmp_path / "mask.png", mask_polarity="white_seen")
    assert (turned.seen == (mask > 0)).all()
    assert MaskedPicture.missing(mask=tmp_path / "mask.png") is None
    said = str(MaskedPicture.missing(mask=tmp_path / "nowhere.png"))
    assert "nowhere.png is not there" in said
    assert "--set data.mask=FILE" in said
    assert "data.path" not in said


def test_a_mask_that_looks_turned_is_warned_of(tmp_path: Path) -> None:
    Image.fromarray(np.pad(np.zeros((3, 3), np.uint8), 4, constant_values=255)[:10, :10]).save(tmp_path / "mask.png")
    with pytest.warns(TurnedMaskWarning, match="hides 91 % of the picture"):
        MaskedPicture(size=10, mask=tmp_path / "mask.png")
    MaskedPicture(size=10, mask=tmp_path / "mask.png", mask_polarity="white_hidden")


def test_a_mask_of_the_photograph_s_own_size_is_brought_along(tmp_path: Path) -> None:
    Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(tmp_path / "photo.png")
    hole = np.zeros((40, 60), np.uint8)
    hole[10:20, 30:45] = 255
    Image.fromarray(hole).save(tmp_path / "hole.png")
    dataset = MaskedPicture(path=tmp_path / "photo.png", size=12, mask=tmp_path / "hole.png")
    assert dataset.seen.shape == (8, 12)
    assert not dataset.seen[2:4, 6:9].any(), "the hole lies where it lay"
    assert dataset.seen[:1].all()
    assert dataset.seen[:, :5].all()
    assert "12 x 8 RGB (of 60 x 40)" in dataset.title


def test_erased_parts_of_a_mask_are_the_hole(tmp_path: Path) -> None:
    pixels = np.full((10, 10, 4), (200, 40, 10, 255), np.uint8)
    pixels[2:5, 1:9] = 0
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    with pytest.warns(MaskWarning, match="transparent parts are the hole, 24 % of the picture"):
        dataset = MaskedPicture(size=10, mask=tmp_path / "mask.png")
    assert (dataset.seen == (pixels[..., 3] > 0)).all()
    layer = np.full((10, 10, 4), 255, np.uint8)
    layer[..., 3] = 255 * (pixels[..., 3] == 0)
    Image.fromarray(layer).save(tmp_path / "layer.png")
    painted = MaskedPicture(size=10, mask=tmp_path / "layer.png", mask_polarity="white_hidden")
    assert (painted.seen == dataset.seen).all()


def test_masks_that_hide_nothing_or_are_no_masks_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((10, 10), np.uint8)).save(tmp_path / "black.png")
    with pytest.raises(DataError, match=r"black.png: the mask hides nothing"):
        MaskedPicture(size=10, mask=tmp_path / "black.png")
    red = np.zeros((10, 10, 3), np.uint8)
    red[2:5, 1:9, 0] = 255
    grey = np.linspace(0, 255, 100).reshape(10, 10).astype(np.uint8)
    for pixels, words in ((red, "24 % of its pixels have colours"), (grey, "neither near black nor near white")):
        Image.fromarray(pixels).save(tmp_path / "photo.png")
        with pytest.raises(DataError, match=rf"not black and white: .*{words}"):
            MaskedPicture(size=10, mask=tmp_path / "photo.png")


def test_bad_masks_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((9, 10), 255, np.uint8)).save(tmp_path / "wide.png")
    Image.fromarray(np.full((10, 10), 255, np.uint8)).save(tmp_path / "white.png")
    with pytest.raises(DataError, match=r"wide.png: 10 x 9 pixels[^$]*512 x 512 or 10 x 10"):
        MaskedPicture(size=10, mask=tmp_path / "wide.png")
    with pytest.raises(DataError, match=r"mask: all of 10 x 10 pixels are hidden"):
        MaskedPicture(size=10, mask=tmp_path / "white.png")
    with pytest.raises(DataError, match=r"fraction: all of 4 x 4 pixels are hidden"):
        MaskedPicture(size=4, fraction=1e-9)


BAD: list[tuple[str, dict[str, Any]]] = [
    ("fraction: 0.0 of the pixels", {"fraction": 0.0}),
    ("fraction: 1.5 of the pixels", {"fraction": 1.5}),
    ("fraction: nan of the pixels", {"fraction": float("nan")}),
    ("prior_points: 0 is below one", {"prior_points": 0}),
    ("kernel_width: 0.0 pixels", {"kernel": "bilinear", "kernel_width": 0.0}),
    ("kernel_samples: 4 samples of no kernel", {"kernel_samples": 4}),
]  # fmt: skip


@pytest.mark.parametrize(("message", "options"), BAD)
def test_bad_numbers_are_refused(message: str, options: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match=message):
        MaskedPicture(**{"size": 10, **options})


def test_the_kernel_moves_points_by_a_triangle_s_density() -> None:
    """Of half-width w the variance is w^2 / 6, and no point moves farther than w."""
    points = Points(torch.zeros(1, 1, 2), {"values": torch.ones(1, 1, 3)})
    moved = jittered(points, 20_000, (0.2, 0.1), random())
    assert moved.coords.shape == (1, 20_000, 2)
    assert moved.values.shape == (1, 20_000, 3)
    assert (moved.coords.abs() <= torch.tensor([0.2, 0.1])).all()
    torch.testing.assert_close(moved.coords.var(1)[0], torch.tensor([0.04, 0.01]) / 6, rtol=0.05, atol=0)
    torch.testing.assert_close(moved.coords.mean(1)[0], torch.zeros(2), atol=3e-3, rtol=0)


def test_points_stay_in_the_picture_and_near_their_pixel() -> None:
    dataset = MaskedPicture(size=9, fraction=1.0, kernel="bilinear", kernel_width=0.5)
    plain = MaskedPicture(size=9, fraction=1.0).batch("train", ITEM).points["observed"]
    observed = dataset.batch("train", ITEM, generator=random()).points["observed"]
    assert observed.coords.abs().max() <= 1
    assert (observed.coords - plain.coords).abs().max() <= 0.5 * 2 / 8 + 1e-6
    assert torch.equal(observed.values, plain.values)
    test = dataset.batch("test", ITEM).points["observed"]
    assert torch.equal(test.coords, plain.coords)


def fit(value: torch.Tensor, known: torch.Tensor) -> Prediction:
    return fit_of(Jet(value), Points(torch.zeros(1, value.shape[1], 2), {"values": known}), "observed")


def test_only_the_average_of_a_pixel_s_copies_counts() -> None:
    value = torch.tensor([1.0, 3.0, -2.0, 0.0]).reshape(1, 4, 1)
    known = torch.tensor([2.0, 2.0, 0.0, 0.0]).reshape(1, 4, 1)
    assert BlurredMse(samples=2)(fit(value, known)).item() == pytest.approx(0.5)
    assert BlurredMse()(fit(value, known)).item() == pytest.approx((1 + 1 + 4 + 0) / 4)


def test_the_copies_of_a_pixel_are_not_divided_between_parts_of_a_step() -> None:
    assert BlurredMse(samples=1).pointwise
    assert not BlurredMse(samples=2).pointwise


def test_samples_that_do_not_fit_the_points_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"4 points with known \['values'\], 3 samples"):
        BlurredMse(samples=3)(fit(torch.zeros(1, 4, 1), torch.zeros(1, 4, 1)))
    with pytest.raises(RecipeError, match="samples: 0 is below one"):
        BlurredMse(samples=0)


def test_a_mask_that_is_not_there_is_not_called_the_picture(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "me.png")
    changes = {"data.path": str(tmp_path / "me.png"), "data.mask": str(tmp_path / "nowhere.png")}
    with pytest.raises(RecipeError, match=r"inpainting: data: .*nowhere\.png is not there\.\n.*data\.mask=FILE"):
        ms.load_recipe("inpainting", overrides=changes)
