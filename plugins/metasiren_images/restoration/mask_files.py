"""Masks in files: white or transparent is the hole, as in other inpainting tools."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import ImageOps

from metasiren import DataError, RunWarning, demand_black_and_white, opened_picture, width_by_height
from metasiren_images.single.photograph import Crop, find_photograph, read_photograph, resized, square

Polarity = Literal["white_hidden", "white_seen"]
Mask = np.ndarray[Any, np.dtype[np.bool_]]


class MaskWarning(RunWarning):
    """A mask is read by its transparent parts and not by its white ones."""


class TurnedMaskWarning(RunWarning):
    """A mask hides most of its picture: its black and white may be exchanged."""


def read_mask(
    path: Path,
    shape: tuple[int, int],
    *,
    full: tuple[int, int],
    size: int | tuple[int, int] | None,
    crop: Crop,
    polarity: Polarity | None,
) -> Mask:
    """Which pixels of a picture are seen: (rows, columns), True where they are.

    Args:
        path: a picture, as large as the photograph itself or as what size and crop make of it. Transparent parts are
            the hole, if there are any; its colours then mean nothing.
        shape: rows and columns of the picture after size and crop.
        full: rows and columns of the photograph's own.
        size: that the picture was brought to.
        crop: that the picture was cut by.
        polarity: `white_hidden` (also None) or `white_seen`. If given, black and white count in a mask with transparent
            parts, too; these count as black.

    Raises:
        DataError: a file that cannot be read, of neither size, not black and white, or that hides nothing.
    """
    pixels = read_photograph(path)
    opaque = _opaque(path, (pixels.shape[0], pixels.shape[1]))
    erased = polarity is None and not opaque.all()
    if not erased:
        demand_black_and_white(path, pixels[opaque])
    white = (pixels.mean(axis=-1) > 0.5) & opaque
    hidden: Mask = ~opaque if erased else ~white if polarity == "white_seen" else white
    if hidden.shape == full != shape:
        share = hidden[..., None].astype(np.float32)
        share = share if crop == "none" else square(share, crop)
        # A pixel of which a part is hidden is hidden: its colour is partly the hole's.
        hidden = (share if size is None else resized(share, size))[..., 0] > 0.01
    if hidden.shape != shape:
        sizes = " or ".join(width_by_height(each) for each in dict.fromkeys((full, shape)))
        found = f"{width_by_height(hidden.shape)} pixels."
        raise DataError(str(path), found, f"Give a mask of the picture's size: {sizes} (width x height).")
    part = float(hidden.mean())
    if part == 0:
        found = "the mask hides nothing: all pixels are seen."
        turn = "black hides; data.mask_polarity=white_hidden turns it." if polarity == "white_seen" else "white hides."
        raise DataError(str(path), found, f"Paint the hole into it, or make it transparent: {turn}")
    if erased:
        words = f"{path}: its transparent parts are the hole, {100 * part:.2g} % of the picture; data.mask_polarity "
        warnings.warn(MaskWarning(words + "goes by black and white instead."), stacklevel=3)
    elif polarity is None and 0.5 < part < 1:
        words = (
            f"{path}: white hides, so that this mask hides {100 * part:.0f} % of the picture. If white marks what "
            "is seen, set data.mask_polarity=white_seen; white_hidden confirms the mask."
        )
        warnings.warn(TurnedMaskWarning(words), stacklevel=3)
    return np.ascontiguousarray(~hidden)


def _opaque(path: Path, shape: tuple[int, int]) -> Mask:
    """Where a picture that can be read is not transparent."""
    with opened_picture(find_photograph(path)) as opened:
        if not opened.has_transparency_data or opened.mode[0] in "IF":  # 16 bits and fractions have none
            return np.ones(shape, np.bool_)
        opacity = ImageOps.exif_transpose(opened).convert("RGBA").getchannel("A")
    opaque: Mask = np.asarray(opacity) >= 128
    return opaque
