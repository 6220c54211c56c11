"""Masks in files: white is the hole, as in other inpainting tools."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np

from metasiren import DataError, RunWarning
from metasiren_images.single.photograph import Crop, read_photograph, resized, square

Polarity = Literal["white_hidden", "white_seen"]
Mask = np.ndarray[Any, np.dtype[np.bool_]]


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
        path: a picture, as large as the photograph itself or as what size and crop make of it.
        shape: rows and columns of the picture after size and crop.
        full: rows and columns of the photograph's own.
        size: that the picture was brought to.
        crop: that the picture was cut by.
        polarity: `white_hidden` (also None) or `white_seen`.

    Raises:
        DataError: a file that cannot be read, or of neither size.
    """
    white = read_photograph(path, grey=True)[..., 0] > 0.5
    hidden = ~white if polarity == "white_seen" else white
    if hidden.shape == full != shape:
        share = hidden[..., None].astype(np.float32)
        share = share if crop == "none" else square(share, crop)
        # A pixel of which a part is hidden is hidden: its colour is partly the hole's.
        hidden = (share if size is None else resized(share, size))[..., 0] > 0.01
    if hidden.shape != shape:
        sizes = " or ".join(f"{rows} x {columns}" for rows, columns in dict.fromkeys((full, shape)))
        found = f"{hidden.shape[0]} x {hidden.shape[1]} pixels."
        raise DataError(str(path), found, f"Give a mask of the picture's size: {sizes}.")
    part = float(hidden.mean())
    if polarity is None and 0.5 < part < 1:
        words = (
            f"{path}: white hides, so that this mask hides {100 * part:.0f} % of the picture. If white marks what "
            "is seen, set data.mask_polarity=white_seen; white_hidden confirms the mask."
        )
        warnings.warn(TurnedMaskWarning(words), stacklevel=3)
    return np.ascontiguousarray(~hidden)
