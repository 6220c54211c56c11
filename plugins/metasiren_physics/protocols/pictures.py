"""Maps of waves, speeds and errors side by side, as in the paper's Figure 5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from metasiren_physics.arrays import Real

SIDE, CAPTION, MARGIN = 256, 18, 6

# Blue through white to red for waves; black through orange to white for what has no sign.
WAVE = np.array([[24, 60, 140], [120, 170, 220], [250, 250, 250], [235, 150, 110], [150, 20, 30]], np.float64)
HEAT = np.array([[10, 8, 20], [90, 25, 90], [200, 65, 60], [250, 165, 60], [252, 250, 220]], np.float64)


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
    stops = WAVE if panel.signed else HEAT
    share = np.clip((panel.values - panel.low) / (panel.high - panel.low), 0, 1)
    known = np.isfinite(share)
    place = np.linspace(0, 1, len(stops))
    colours = np.stack([np.interp(np.where(known, share, 0.5), place, stops[:, c]) for c in range(3)], -1)
    colours[~known] = 160
    pixels: NDArray[np.uint8] = colours.round().astype(np.uint8)
    return Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
