"""Fields as pictures of any size, through a sampling kernel or not."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pictures.fields import ramp, wave
from PIL import Image

from metasiren import DataError, Domain, Field, RecipeError, Siren, grid
from metasiren_images.single.kernel import bilinear_offsets, blurred
from metasiren_images.single.render import PictureRenderer, StretchedWarning

GREY = Domain(2, 1, (9, 13))


def test_offsets_are_distributed_like_the_kernel() -> None:
    """A triangle of half-width one: its variance is 1/6, and half of it lies within 1 - 1 / sqrt(2)."""
    offsets = bilinear_offsets((50_000,), torch.Generator().manual_seed(0))
    assert float(offsets.abs().max()) <= 1
    torch.testing.assert_close(offsets.mean(0), torch.zeros(2), atol=0.01, rtol=0)
    torch.testing.assert_close(offsets.square().mean(0), torch.full((2,), 1 / 6), atol=0.005, rtol=0)
    inside = (offsets.abs() < 1 - math.sqrt(0.5)).float().mean(0)
    torch.testing.assert_close(inside, torch.full((2,), 0.5), atol=0.01, rtol=0)


@pytest.mark.parametrize("samples", [2, 16])
def test_the_kernel_leaves_linear_functions_alone(samples: int) -> None:
    coords = grid((7, 7), dtype=torch.float64, extent=0.8)
    made = blurred(ramp(2.0, -1.0), coords, (0.2, 0.2), samples, torch.Generator().manual_seed(0))
    torch.testing.assert_close(made, coords @ torch.tensor([[2.0], [-1.0]]).double())


def test_single_fields_are_averaged_at_all_points() -> None:
    coords, field = grid((7, 7), dtype=torch.float64, extent=0.8), ramp(2.0, -1.0)
    made = blurred(replace(field, single=True), coords, (0.2, 0.2), 4, torch.Generator().manual_seed(0))
    assert torch.equal(made, blurred(field, coords, (0.2, 0.2), 4, torch.Generator().manual_seed(0)))


def test_an_odd_number_of_samples_is_right_on_average() -> None:
    centre = torch.zeros(20_000, 2, dtype=torch.float64)
    made = blurred(ramp(1.0, 0.0), centre, (0.2, 0.2), 1, torch.Generator().manual_seed(0))
    assert float(made.std()) == pytest.approx(0.2 / math.sqrt(6), rel=0.02)
    assert float(made.mean()) == pytest.approx(0, abs=0.003)


@pytest.mark.parametrize("turns", [0.5, 1.0, 1.4])
def test_the_kernel_attenuates_waves_as_its_spectrum_says(turns: float) -> None:
    """A triangle's spectrum is the square of sinc: whole turns a pixel vanish, which values at points would alias."""
    pixel, coords = 0.1, grid((9, 9), dtype=torch.float64, extent=0.8)
    field = wave(2 * math.pi * turns / pixel, 0.0)
    made = blurred(field, coords, (pixel, pixel), 4000, torch.Generator().manual_seed(0), chunk_points=100_000)
    expected = np.sinc(turns) ** 2 * field(coords)[0]
    torch.testing.assert_close(made, expected, atol=0.04, rtol=0)


def test_samples_stay_within_the_picture() -> None:
    corners = grid((2, 2), dtype=torch.float64)
    made = blurred(ramp(1.0, 0.0), corners, (0.5, 0.5), 512, torch.Generator().manual_seed(0))
    assert float(made.abs().max()) < 1  # mirrored inwards by a third of a pixel on average
    torch.testing.assert_close(made[:2, 0], torch.full((2,), -1 + 0.5 / 3).double(), atol=0.02, rtol=0)


def test_a_wider_extent_shows_more_of_the_same() -> None:
    field = wave(5.0, 2.0)
    once = PictureRenderer().values(field, GREY)
    twice = PictureRenderer(extent=(-2, 2)).values(field, GREY)
    assert twice.shape == (17, 25, 1)
    torch.testing.assert_close(twice[4:13, 6:19], once, atol=1e-6, rtol=0)
    assert float(twice[0, 0]) == pytest.approx(math.sin(-2 * 5 - 2 * 2 + 0.3), abs=1e-5)


@pytest.mark.parametrize(
    ("options", "shape"),
    [({}, (9, 13)), ({"size": (4, 30)}, (4, 30)), ({"resolution": 26}, (18, 26)), ({"size": (1, 1)}, (1, 1))],
)
def test_any_size(options: dict[str, object], shape: tuple[int, int]) -> None:
    for kernel in ("none", "bilinear"):
        renderer = PictureRenderer(kernel=kernel, chunk_points=100, **options)  # type: ignore[arg-type]
        assert renderer.values(wave(1.0, 1.0), GREY).shape == (*shape, 1)


def test_pictures_repeat_and_chunks_do_not_show() -> None:
    field = wave(90.0, 40.0)
    first, again = (PictureRenderer(kernel="bilinear", samples=3).values(field, GREY) for _ in range(2))
    assert torch.equal(first, again)
    other = PictureRenderer(kernel="bilinear", samples=3, seed=1).values(field, GREY)
    assert not torch.equal(first, other)
    chunked = PictureRenderer(chunk_points=10).values(field, GREY)
    torch.testing.assert_close(chunked, PictureRenderer().values(field, GREY))


@pytest.mark.parametrize("suffix", PictureRenderer.suffixes)
def test_files_hold_the_values(tmp_path: Path, suffix: str) -> None:
    siren = Siren(in_features=2, out_features=3, hidden_features=4, hidden_layers=0, first_omega=2.0)
    field, domain = Field(siren, siren.init()), Domain(2, 3, (16, 24))
    path = tmp_path / f"picture{suffix}"
    PictureRenderer().render(field, domain, {"range": [-2, 2]}, path)
    expected = (PictureRenderer().values(field, domain).numpy() + 2) / 4
    with Image.open(path) as opened:
        assert opened.size == (24, 16)
        found = np.asarray(opened.convert("RGB")) / 255
    assert np.abs(found - expected).max() < (0.06 if suffix in (".jpg", ".jpeg") else 0.5 / 255 + 1e-6)


def test_values_beyond_the_range_are_clipped(tmp_path: Path) -> None:
    PictureRenderer().render(ramp(0.0, 3.0), GREY, {}, tmp_path / "ramp.png")
    row = np.asarray(Image.open(tmp_path / "ramp.png"))[0]
    assert row.min() == 0
    assert row.max() == 255
    assert (np.diff(row.astype(int)) >= 0).all()


@pytest.mark.parametrize(
    "options",
    [{"extent": (1, 1)}, {"size": (3, 3), "resolution": 3}, {"resolution": 0}, {"samples": 0}, {"chunk_points": 0}],
)
def test_options_that_make_no_sense(options: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match="render: "):
        PictureRenderer(**options)  # type: ignore[arg-type]


def test_what_cannot_be_a_picture(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="99999 x 99999 pixels"):
        PictureRenderer(size=(99_999, 99_999)).values(wave(1.0, 1.0), GREY)
    with pytest.raises(DataError, match="no grey or RGB picture"):
        PictureRenderer().values(wave(1.0, 1.0), Domain(1, 1, (9,)))
    with pytest.raises(DataError, match=r"cannot be written(.|\n)*smaller size"):
        PictureRenderer(size=(2, 70_000)).render(wave(1.0, 1.0), GREY, {}, tmp_path / "wide.jpg")


@pytest.mark.parametrize("size", [(90, 130), (91, 130), (45, 65), (5, 7), (18, 26), (1, 1)])
def test_a_size_of_the_pictures_proportions_is_drawn_without_a_word(tmp_path: Path, size: tuple[int, int]) -> None:
    """Warnings are errors here; a side may be rounded to whole pixels."""
    path = tmp_path / "out.png"
    PictureRenderer(size=size).render(wave(1.0, 1.0), GREY, {}, path)
    with Image.open(path) as made:
        assert made.size == size[::-1]


@pytest.mark.parametrize("size", [(130, 90), (100, 100), (90, 150)])
def test_a_picture_drawn_stretched_is_warned_of(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "out.png"
    with pytest.warns(StretchedWarning, match=rf"{size[1]} x {size[0]} .* its 13 x 9; resolution={max(size)} "):
        PictureRenderer(size=size).render(wave(1.0, 1.0), GREY, {}, path)
    with Image.open(path) as made:
        assert made.size == size[::-1]
