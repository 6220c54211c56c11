"""Pieces of pictures: sheets of labelled panels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

GAP = 6
HEAD = 22
MARGIN = 104


def sheet(panels: Sequence[Sequence[Pixels]], rows: Sequence[str], columns: Sequence[str]) -> Image.Image:
    """Panels as a table with headings.

    Args:
        panels: rows of uint8 (height, width, 3); the panels of a row are of one height, those of a column of one width.
        rows: labels at the left; a line break starts a new line.
        columns: labels at the top.
    """
    heights, widths = [line[0].shape[0] for line in panels], [panel.shape[1] for panel in panels[0]]
    whole = (MARGIN + sum(widths) + GAP * len(widths), HEAD + sum(heights) + GAP * len(heights))
    page = Image.new("RGB", whole, "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(12)
    top = HEAD
    for line, label, height in zip(panels, rows, heights, strict=True):
        draw.multiline_text((6, top + height // 2), label, "black", font, anchor="lm", spacing=3)
        left = MARGIN
        for panel, width in zip(line, widths, strict=True):
            page.paste(Image.fromarray(panel), (left, top))
            left += width + GAP
        top += height + GAP
    left = MARGIN
    for label, width in zip(columns, widths, strict=True):
        draw.text((left + width // 2, HEAD // 2), label, "black", font, anchor="mm")
        left += width + GAP
    return page
