"""Pictures side by side on one labelled page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from metasiren import picture_sheet

Array = np.ndarray[Any, np.dtype[np.float64]]


def as_image(colours: Array) -> Image.Image:
    """A picture (rows, columns, 3) in [0, 1] as Pillow's; NaN is black."""
    return Image.fromarray((np.nan_to_num(colours) * 255).round().astype(np.uint8))


def sheet(
    rows: Sequence[tuple[str, Sequence[Array]]], heads: Sequence[str], *, least: int = 192, most: int = 512
) -> Image.Image:
    """Labelled rows of equally large pictures.

    Args:
        rows: a label at the left, and the row's pictures (rows, columns, 3) in [0, 1].
        heads: one for each column.
        least: pictures with a smaller longer side are enlarged to it, pixels staying square blocks.
        most: those with a larger one are scaled down to it.
    """
    high, wide = rows[0][1][0].shape[:2]
    factor = -(-least // max(high, wide)) if max(high, wide) < least else min(1.0, most / max(high, wide))
    size = (max(1, round(wide * factor)), max(1, round(high * factor)))
    filter = Image.Resampling.NEAREST if factor > 1 else Image.Resampling.LANCZOS
    made = [[as_image(picture).resize(size, filter) for picture in pictures] for _, pictures in rows]
    return picture_sheet(made, [label for label, _ in rows], heads)
