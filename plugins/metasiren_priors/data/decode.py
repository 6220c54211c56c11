"""Bytes of a picture -> a small square of uint8."""

from __future__ import annotations

import io
from typing import Any, Literal

import numpy as np
from PIL import UnidentifiedImageError

from metasiren import opened_picture, plain_picture

Filter = Literal["nearest", "bilinear", "bicubic"]
Pixels = np.ndarray[Any, np.dtype[np.uint8]]


def decode(data: bytes, *, size: int, resize: str, expected: tuple[int, int] | None = None) -> Pixels:
    """The centre square of a picture, resized: uint8 (size, size, 3).

    Pillow's own filters are used: `bilinear` and `bicubic` average over all pixels that a smaller one covers
    (antialiased); `nearest` takes one of them, as Pillow 6 did where no filter was named.

    Args:
        data: a file's bytes.
        size: rows and columns of the result.
        resize: nearest, bilinear or bicubic.
        expected: width and height that the picture must have.

    Raises:
        Exception: whatever Pillow raises on broken bytes; ValueError for another size.
    """
    # Imported here: with it comes torch's compiler, which takes as long to import as torch itself.
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.v2 import functional

    try:
        file = opened_picture(io.BytesIO(data))
    except UnidentifiedImageError:
        # Pillow's own words name the object in memory.
        raise UnidentifiedImageError("no format that Pillow knows") from None
    with file as opened:
        opened.load()
        picture = plain_picture(opened).convert("RGB")
    if expected is not None and picture.size != expected:
        raise ValueError(f"{picture.width} x {picture.height} pixels, not {expected[0]} x {expected[1]}")
    picture = functional.center_crop(picture, [min(picture.size)] * 2)
    picture = functional.resize(picture, [size, size], interpolation=InterpolationMode(resize))
    return np.asarray(picture, dtype=np.uint8)
