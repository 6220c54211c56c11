"""Pages of pictures: every picture once, in its cell, as it is."""

from __future__ import annotations

import numpy as np
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
