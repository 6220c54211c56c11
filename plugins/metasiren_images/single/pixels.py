"""A picture's pixels in double precision: read, put in words, laid out as points."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from metasiren import DataError, width_by_height
from metasiren_images.single.differences import Array
from metasiren_images.single.photograph import read_photograph, shape_words

FEWEST = 4


def pixels_of(source: str | Path, **options: Any) -> Array:
    """A picture (rows, columns, channels) in [0, 1], in double precision.

    Args:
        source: as for `read_photograph`.
        options: of `read_photograph`.

    Raises:
        DataError: it cannot be read, or has fewer than 4 rows or columns.
    """
    pixels = read_photograph(source, **options)
    if min(pixels.shape[:2]) < FEWEST:
        found = f"{width_by_height(pixels.shape)} pixels."
        raise DataError(str(source), found, f"Give a picture of at least {FEWEST} rows and columns.")
    return pixels.astype(np.float64)


def name_of(source: str | Path) -> str:
    """What titles call a picture: the photograph, or the file without its folder and ending."""
    return source.stem if isinstance(source, Path) else source


def shape_note(source: str | Path, **options: Any) -> dict[str, str]:
    """The entry `shape` of a data set's provenance; none where the picture keeps its proportions.

    Args:
        source: as for `read_photograph`.
        options: `size` and `crop`, as for `read_photograph`.
    """
    words = shape_words(source, **options)
    return {"shape": words} if words else {}


def size_in_words(shape: tuple[int, ...]) -> str:
    """Of a picture of shape (rows, columns, channels), width first, such as `128 x 96 grey`; or `RGB`."""
    return f"{width_by_height(shape)} {'grey' if shape[2] == 1 else 'RGB'}"


def flat(values: Array) -> Tensor:
    """(rows, columns, ...) as float32 (points, ...), row by row."""
    return torch.from_numpy(values.reshape(prod(values.shape[:2]), *values.shape[2:])).float()
