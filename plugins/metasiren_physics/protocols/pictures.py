"""Maps of waves, speeds and errors side by side, as in the paper's Figure 5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from metasiren_physics.arrays import Real
from metasiren_physics.panels import DIVERGING, SEQUENTIAL, SIDE, colours

CAPTION, MARGIN = 18, 6


@dataclass(frozen=True)
class Panel:
    """One map.

    Attributes:
        title: its caption.
        values: (rows, columns); NaN is drawn grey.
        low: value of the first colour.
        high: value of the last colour.
        signed: whether colours show signs (waves), or magnitudes.
        dots: positions in [-1, 1]² of the map's square that are marked, such as sources.
    """

    title: str
    values: Real
    low: float
    high: float
    signed: bool = True
    dots: Sequence[tuple[float, float]] = ()


def wave_panel(title: str, values: Real, like: Real, dots: Sequence[tuple[float, float]] = ()) -> Panel:
    """A wave in colours whose range is that of `like`: its 99.5th percentile, so that a source does not wash it out."""
    most = float(np.nanpercentile(np.abs(like), 99.5)) or 1.0
    return Panel(title, values, -most, most, dots=dots)


def size_panel(title: str, values: Real, high: float, low: float = 0.0) -> Panel:
    """Values without sign."""
    return Panel(title, values, low, high if high > low else low + 1.0, signed=False)


def draw(rows: Sequence[Sequence[Panel]]) -> Image.Image:
    """Rows of panels as one picture, coordinate 0 downwards."""
    width = max(map(len, rows)) * (SIDE + MARGIN) + MARGIN
    page = Image.new("RGB", (width, len(rows) * (SIDE + CAPTION + MARGIN) + MARGIN), "white")
    pen = ImageDraw.Draw(page)
    for i, row in enumerate(rows):
        for j, panel in enumerate(row):
            x, y = MARGIN + j * (SIDE + MARGIN), MARGIN + i * (SIDE + CAPTION + MARGIN)
            pen.text((x, y + 2), panel.title, fill="black")
            page.paste(paint(panel), (x, y + CAPTION))
            for first, second in panel.dots:
                u, v = x + (second + 1) / 2 * SIDE, y + CAPTION + (first + 1) / 2 * SIDE
                pen.ellipse((u - 3, v - 3, u + 3, v + 3), fill=(30, 150, 60), outline="white")
    return page


def paint(panel: Panel) -> Image.Image:
    """One map, SIDE pixels wide and high."""
    table = DIVERGING if panel.signed else SEQUENTIAL
    pixels = colours(panel.values, panel.low, panel.high, table)
    return Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
