"""Pictures of any kind as screens show them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import metasiren as ms

RED = np.zeros((2, 3, 4), np.uint8)
RED[..., 0], RED[0, :, 3], RED[1, :, 3] = 200, 255, 0
"""Red above; below, red that is wholly transparent."""


@pytest.mark.parametrize("mode", ["RGBA", "RGBa", "PA", "P"])
def test_transparent_parts_are_white(mode: str) -> None:
    picture = Image.fromarray(RED)
    if mode == "P":
        picture = Image.fromarray(np.array([[0] * 3, [1] * 3], np.uint8), mode="P")
        picture.putpalette([200, 0, 0, 200, 0, 0])
        picture.info["transparency"] = 1
    elif mode == "PA":
        paletted = picture.convert("RGB").convert("P")
        paletted.putalpha(picture.getchannel("A"))
        picture = paletted
    else:
        picture = picture.convert(mode)
    assert ms.is_transparent(picture)
    plain = ms.plain_picture(picture)
    assert plain.mode == "RGB"
    np.testing.assert_allclose(np.asarray(plain)[:, 0].astype(int), [[200, 0, 0], [255, 255, 255]], atol=6)


def test_greys_stay_grey_and_keep_their_depth() -> None:
    deep = np.array([[0, 257, 65535]], np.uint16)
    assert np.asarray(ms.plain_picture(Image.fromarray(deep))).tolist() == [[0, 1, 255]]
    assert np.asarray(ms.plain_picture(Image.fromarray(deep.astype(np.int32)))).tolist() == [[0, 1, 255]]
    assert np.asarray(ms.plain_picture(Image.fromarray(np.array([[0, 0.5, 1]], np.float32)))).tolist() == [
        [0, 128, 255]
    ]
    assert np.asarray(ms.plain_picture(Image.fromarray(np.array([[True, False]])))).tolist() == [[255, 0]]
    half = Image.fromarray(np.array([[[0, 0], [0, 255]]], np.uint8))
    assert np.asarray(ms.plain_picture(half)).tolist() == [[255, 0]]
    assert ms.plain_picture(half).mode == "L"
    assert not ms.is_transparent(Image.fromarray(deep))
    assert not ms.is_transparent(Image.fromarray(RED[:1]))


def test_opacity_stays_where_it_is_wanted() -> None:
    assert np.asarray(ms.plain_picture(Image.fromarray(RED), opacity=True)).tolist() == RED.tolist()
    assert ms.plain_picture(Image.fromarray(np.zeros((1, 1), np.uint16)), opacity=True).mode == "RGBA"


@pytest.mark.parametrize("values", [[[-1, 0]], [[0, 70000]], [[0.0, 1.5]], [[0.0, np.nan]]])
def test_numbers_that_are_no_picture_are_refused(values: list[list[float]]) -> None:
    kind = np.int32 if isinstance(values[0][0], int) else np.float32
    with pytest.raises(ValueError, match="fractions lie in"):
        ms.plain_picture(Image.fromarray(np.array(values, kind)))


def test_it_is_turned_as_its_camera_says() -> None:
    picture = Image.fromarray(np.zeros((2, 3, 3), np.uint8))
    picture.getexif()[0x0112] = 6
    assert ms.plain_picture(picture).size == (2, 3)
