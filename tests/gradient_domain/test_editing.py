"""Mixing gradients of two pictures, and evaluating the result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from metasiren import DataError, Model, RecipeError, Siren, grid
from metasiren.testing import Ripples, check_dataset
from metasiren_basics.fixed import FixedEncoder
from metasiren_basics.free import FreeDecoder
from metasiren_images.gradient_domain.editing import Editing
from metasiren_images.gradient_domain.editing_protocol import EditingProtocol
from metasiren_images.gradient_domain.mixing import Mixture, overlay
from metasiren_images.gradient_domain.schemes import SCHEMES, Values

ITEM = torch.zeros(1, dtype=torch.long)


def noise(shape: tuple[int, ...], seed: int = 0) -> Values:
    return np.random.default_rng(seed).uniform(-1, 1, shape)


def centred(values: Values) -> Values:
    centre: Values = values - values.mean((0, 1))
    return centre


@pytest.mark.parametrize("name", sorted(SCHEMES))
@pytest.mark.parametrize(("alpha", "expected"), [(1.0, 0), (0.0, 1)])
def test_with_alpha_one_the_composite_is_the_first_picture(name: str, alpha: float, expected: int) -> None:
    pictures = noise((9, 9, 3)), noise((9, 9, 3), 1)
    laid = overlay(*pictures, Mixture(alpha), mask=None, offset=None)
    solved = SCHEMES[name].from_gradient(laid.gradient(SCHEMES[name]))
    np.testing.assert_allclose(solved, centred(pictures[expected]), atol=1e-9)
    np.testing.assert_allclose(laid.joined(), centred(pictures[expected]), atol=1e-9)
    np.testing.assert_array_equal(laid.composite(), pictures[expected])


def test_constant_shares_of_gradients_are_shares_of_values() -> None:
    """Derivatives are linear: without a mask, an alpha mix is no more than a cross-fade."""
    first, second = noise((8, 11, 1)), noise((8, 11, 1), 1)
    laid = overlay(first, second, Mixture(0.3), mask=None, offset=None)
    solved = SCHEMES["spectral"].from_gradient(laid.gradient(SCHEMES["spectral"]))
    np.testing.assert_allclose(solved, centred(0.3 * first + 0.7 * second), atol=1e-9)


def test_the_longer_gradient_wins_with_all_its_channels() -> None:
    first, second = np.zeros((1, 2, 3, 2)), np.ones((1, 2, 3, 2))
    first[0, 0, 1] = 9.0
    mixed = Mixture(mix="max")(first, second)
    np.testing.assert_array_equal(mixed[0, 0], first[0, 0])
    np.testing.assert_array_equal(mixed[0, 1], second[0, 1])


def test_cloning_takes_a_level_from_around_the_mask() -> None:
    """A patch that is the second picture plus a constant leaves no trace: only its gradient counts."""
    second = noise((12, 12, 1))
    mask = np.zeros((5, 4), dtype=bool)
    mask[1:4, 1:3] = True
    first = second[3:8, 5:9] + 0.7
    laid = overlay(first, second, Mixture(1.0), mask=mask, offset=(3, 5))
    np.testing.assert_allclose(laid.joined(), centred(second), atol=1e-9)
    assert np.abs(laid.composite() - second).max() == pytest.approx(0.7)


@pytest.mark.parametrize("offset", [(-3, 2), (9, 9), (0, -2)])
def test_what_lies_outside_the_frame_is_cut_off(offset: tuple[int, int]) -> None:
    first, second = noise((6, 5, 1)), noise((11, 10, 1), 1)
    laid = overlay(first, second, Mixture(1.0), mask=None, offset=offset)
    composite = laid.composite()
    for (i, j), inside in np.ndenumerate(laid.region):
        a, b = i - offset[0], j - offset[1]
        there = 0 <= a < 6 and 0 <= b < 5
        assert inside == there
        assert composite[i, j, 0] == (first[a, b, 0] if there else second[i, j, 0])


def test_colours_keep_their_order(tmp_path: Path) -> None:
    """A red, a green and a blue ramp: each channel of the target is the derivative of that channel of the file."""
    ramps = np.zeros((8, 8, 3), np.uint8)
    ramps[..., 0] = np.arange(8)[:, None] * 30
    ramps[..., 1] = np.arange(8) * 20
    ramps[..., 2] = np.arange(8)[::-1] * 10
    Image.fromarray(ramps).save(tmp_path / "ramps.png")
    dataset = Editing(
        path=tmp_path / "ramps.png", second_photograph="coffee", size=(8, 8), alpha=1.0, derivatives="central"
    )
    gradient = dataset.batch("train", ITEM).points["pixels"].known["gradient"].reshape(8, 8, 3, 2)[1:-1, 1:-1]
    per_unit = 2 / 255 * 7 / 2
    expected = torch.tensor([[30.0, 0], [0, 20], [0, -10]]) * per_unit
    torch.testing.assert_close(gradient, expected.expand_as(gradient), atol=1e-4, rtol=0)


def test_grey_is_coloured_beside_colours() -> None:
    laid = overlay(noise((4, 4, 1)), noise((4, 4, 3), 1), Mixture(1.0), mask=None, offset=None)
    assert laid.first.shape == (4, 4, 3)
    assert Editing(photograph="camera", size=(8, 8)).domain.d_out == 3


def test_it_keeps_the_contract() -> None:
    check_dataset("editing", options={"size": (12, 12), "first_size": (5, 6), "offset": (2, 3)})


def test_what_is_left_of_the_second_picture_is_known() -> None:
    dataset = Editing(size=(10, 12), first_size=(4, 5), offset=(2, 3), derivatives="spectral")
    outside = dataset.batch("test", ITEM).points["outside"]
    assert outside.coords.shape == (1, 10 * 12 - 4 * 5, 2)
    expected = dataset.overlay.second[~dataset.overlay.region]
    np.testing.assert_allclose(outside.values[0].numpy(), expected, atol=1e-6)
    assert "outside" not in Editing(size=(10, 12)).batch("train", ITEM).points


BAD: list[tuple[type[Exception], str, dict[str, Any]]] = [
    (RecipeError, r"alpha: 1.5 is not in \[0, 1\]", {"alpha": 1.5}),
    (RecipeError, r"alpha: -0.1 is not in \[0, 1\]", {"alpha": -0.1}),
    (RecipeError, "alpha: `max` takes no shares", {"alpha": 0.5, "mix": "max"}),
    (RecipeError, "points: 0 is below one", {"points": 0}),
    (DataError, r"first picture has 6 x 6 pixels, the second 8 x 8[\s\S]*offset", {"first_size": (6, 6)}),
    (DataError, "nothing of the first picture is left", {"offset": (50, 0)}),
    (DataError, r"sobel: .*10 x 8", {"size": (8, 10), "derivatives": "sobel"}),
]  # fmt: skip


@pytest.mark.parametrize(("error", "message", "options"), BAD)
def test_bad_wishes_are_refused(error: type[Exception], message: str, options: dict[str, Any]) -> None:
    with pytest.raises(error, match=message):
        Editing(**{"size": (8, 8), **options})


def test_bad_masks_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((5, 6), 255, np.uint8)).save(tmp_path / "small.png")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "black.png")
    with pytest.raises(DataError, match=r"mask: 6 x 5 pixels; the first picture has 8 x 8"):
        overlay(noise((8, 8, 1)), noise((8, 8, 1)), Mixture(), mask=np.ones((5, 6), dtype=bool), offset=None)
    with pytest.raises(DataError, match="nothing of the first picture is left"):
        Editing(size=(8, 8), mask=tmp_path / "black.png")
    assert "nowhere.png" in str(Editing.missing(second_path=tmp_path / "nowhere.png"))
    assert Editing.missing(mask=tmp_path / "black.png") is None


def model(dataset: Any) -> Model:
    siren = Siren(in_features=2, out_features=dataset.domain.d_out, hidden_features=8, hidden_layers=1)
    return Model(FixedEncoder(dataset.domain), FreeDecoder(siren, 0))


def test_no_method_is_nearer_to_the_mixed_gradient_than_the_exact_solution(tmp_path: Path) -> None:
    dataset = Editing(size=(16, 20), mix="max")
    table = EditingProtocol().evaluate(model(dataset), dataset, tmp_path, name="ours")
    errors = table["gradient_relative_l2"]
    exact = errors["exact solution, same targets (DCT)"]
    assert 0.01 < exact < 1
    assert (errors >= exact).all()
    found = json.loads((tmp_path / "comparison.json").read_text())
    assert [row["kind"] for row in found["rows"]] == ["model"] + 3 * ["baseline"]
    for name in ("figure", "result", "exact", "paste", "gradient"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert np.asarray(picture).std() > 1


def test_of_the_first_alone_every_way_gives_the_first(tmp_path: Path) -> None:
    dataset = Editing(size=(16, 16), alpha=1.0, derivatives="central")
    table = EditingProtocol(baselines=["neighbours", "paste"]).evaluate(model(dataset), dataset, tmp_path, name="ours")
    assert (table["psnr_to_exact_db"][1:] > 100).all()
    assert (table["gradient_relative_l2"][1:] < 1e-6).all()


def test_a_preview_is_a_picture_and_other_data_is_refused(tmp_path: Path) -> None:
    dataset = Editing(size=(16, 16))
    assert EditingProtocol().preview(model(dataset), dataset, tmp_path / "preview.png").dtype == torch.uint8
    with pytest.raises(DataError, match="ripples is not made of two pictures"):
        EditingProtocol().evaluate(model(Ripples()), Ripples(), tmp_path, name="ours")


def test_pixel_pairs_of_a_mixture_have_the_integral_of_its_gradient() -> None:
    dataset = Editing(
        photograph="camera", second_photograph="brick", size=(12, 10), grey=True, alpha=0.5, pixel_pairs=9
    )
    batch = dataset.batch("train", torch.zeros(1, dtype=torch.long), generator=torch.Generator().manual_seed(0))
    start, end = batch.points["pixel_pairs"].known["integral"][0].chunk(2)
    composite = torch.from_numpy(dataset.composite).float().flatten(0, 1)
    places = torch.cdist(batch.points["pixel_pairs"].coords[0], grid((12, 10))).argmin(1).chunk(2)
    torch.testing.assert_close(end - start, composite[places[1]] - composite[places[0]], atol=1e-5, rtol=0)
