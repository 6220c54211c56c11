"""Pictures side by side on one labelled page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Array = np.ndarray[Any, np.dtype[np.float64]]

GAP, HEAD, MARGIN = 4, 24, 26


def as_image(colours: Array) -> Image.Image:
    """A picture (rows, columns, 3) in [0, 1] as Pillow's."""
    return Image.fromarray((colours * 255).round().astype(np.uint8))


def sheet(
    rows: Sequence[tuple[str, Sequence[Array]]], heads: Sequence[str], *, least: int = 192, most: int = 512
) -> Image.Image:
    """Labelled rows of equally large pictures.

    Args:
        rows: a label, written upwards at the left, and the row's pictures (rows, columns, 3) in [0, 1].
        heads: one for each column.
        least: pictures with a smaller longer side are enlarged to it, pixels staying square blocks.
        most: those with a larger one are scaled down to it.
    """
    high, wide = rows[0][1][0].shape[:2]
    factor = -(-least // max(high, wide)) if max(high, wide) < least else min(1.0, most / max(high, wide))
    size = (max(1, round(wide * factor)), max(1, round(high * factor)))
    filter = Image.Resampling.NEAREST if factor > 1 else Image.Resampling.LANCZOS
    font = ImageFont.load_default(14)
    # A narrow picture's head may be wider than the picture.
    pace = max(size[0], *(int(font.getlength(head)) for head in heads)) + GAP
    page = Image.new("RGB", (MARGIN + pace * len(heads), HEAD + (size[1] + GAP) * len(rows)), "white")
    draw = ImageDraw.Draw(page)
    for column, head in enumerate(heads):
        draw.text((MARGIN + column * pace + pace // 2, HEAD // 2), head, "black", font, anchor="mm")
    for row, (label, pictures) in enumerate(rows):
        top = HEAD + row * (size[1] + GAP)
        strip = Image.new("RGB", (size[1], MARGIN), "white")
        ImageDraw.Draw(strip).text((size[1] // 2, MARGIN // 2), label, "black", font, anchor="mm")
        page.paste(strip.rotate(90, expand=True), (0, top))
        for column, picture in enumerate(pictures):
            left = MARGIN + column * pace + (pace - size[0]) // 2
            page.paste(as_image(picture).resize(size, filter), (left, top))
    return page
