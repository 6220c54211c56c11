"""Pages of pictures: every picture once, in its cell, as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import metasiren as ms


def places(page: Image.Image, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """The box of all pixels of a colour: left, top, right, bottom."""
    rows, columns = np.nonzero((np.asarray(page) == colour).all(-1))
    assert len(rows) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def test_pictures_lie_in_rows_and_columns_whatever_their_size() -> None:
    red, green, blue = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    rows = [
        [Image.new("RGB", (40, 20), red), Image.new("RGB", (10, 30), green)],
        [None, Image.new("RGB", (25, 15), blue)],
    ]
    page = ms.picture_sheet(rows, ["one", "two\nlines"], ["a", "a heading wider than its pictures"])
    first, second, third = (places(page, colour) for colour in (red, green, blue))
    assert [(b[2] - b[0], b[3] - b[1]) for b in (first, second, third)] == [(40, 20), (10, 30), (25, 15)]
    assert first[0] > 0
    assert first[2] < second[0]
    assert second[3] < third[1]
    # Centred: in the column, and in the row, up to a pixel.
    assert abs(second[0] + second[2] - third[0] - third[2]) <= 1
    assert abs(first[1] + first[3] - second[1] - second[3]) <= 1


def test_boxes_are_where_the_pictures_are() -> None:
    red, blue = (255, 0, 0), (0, 0, 255)
    rows = [[Image.new("RGB", (40, 20), red), None], [None, Image.new("RGB", (25, 15), blue)]]
    words = ["one", "two\nlines"], ["a", "wide heading"]
    page, boxes = ms.picture_sheet(rows, *words), ms.picture_boxes(rows, *words)
    assert boxes == [[places(page, red), None], [None, places(page, blue)]]


def test_without_words_there_is_no_room_for_them() -> None:
    page = ms.picture_sheet([[Image.new("RGB", (8, 8), "black")]], [""], [""])
    assert places(page, (0, 0, 0)) == (6, 6, 14, 14)
    assert page.size == (20, 20)


def test_a_saved_picture_is_returned_as_a_preview_is(tmp_path: Path) -> None:
    page = Image.new("RGB", (3, 2), (10, 20, 30))
    page.putpixel((2, 0), (200, 0, 7))
    pixels = ms.save_picture(page, tmp_path / "page.png")
    assert pixels.dtype == torch.uint8
    assert pixels.shape == (3, 2, 3)
    assert pixels[:, 0, 2].tolist() == [200, 0, 7]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "page.png")), pixels.permute(1, 2, 0).numpy())


@pytest.mark.parametrize("white", [np.uint8(255), np.float32(1)])
def test_a_mask_may_have_soft_edges_but_no_colours(tmp_path: Path, white: np.generic) -> None:
    path, pixels = tmp_path / "mask.png", np.zeros((1000, 3), type(white))
    pixels[500:] = white
    pixels[:40] = 0.5 * white
    ms.demand_black_and_white(path, pixels)
    ms.demand_black_and_white(path, pixels[:0])
    pixels[:60] = 0.5 * white
    with pytest.raises(ms.DataError, match=r"mask\.png: not black and white: 6 % of its pixels are neither"):
        ms.demand_black_and_white(path, pixels)
    pixels[-2:, 0] = 0
    with pytest.raises(ms.DataError, match=r"0\.2 % of its pixels have colours"):
        ms.demand_black_and_white(path, pixels)
