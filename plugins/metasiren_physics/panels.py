"""Pictures of fields over the square, side by side, each with its title and its scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from metasiren import DataError
from metasiren_physics.arrays import Real

DIVERGING = ((5, 48, 97), (67, 147, 195), (247, 247, 247), (214, 96, 77), (103, 0, 31))
"""From deep blue by white to deep red: fields that swing about zero."""

SEQUENTIAL = ((13, 8, 55), (94, 24, 120), (190, 55, 82), (243, 135, 47), (252, 253, 191))
"""From dark by red to pale yellow: magnitudes."""

SIDE, GAP, HEAD, FOOT = 256, 12, 24, 34


@dataclass(frozen=True)
class Panel:
    """One picture.

    Attributes:
        title: above it.
        values: (rows, columns), indexed [i, j] with coordinate 0 along rows; it is drawn to the right, coordinate 1 up.
        signed: colours are symmetric about zero.
        limits: the ends of the colours; by default those of the values.
    """

    title: str
    values: Real
    signed: bool = False
    limits: tuple[float, float] | None = None


def draw(panels: Sequence[Panel], columns: int | None = None, sides: tuple[int, int] = (SIDE, SIDE)) -> Image.Image:
    """Panels in rows of `columns`, by default all in one row; values that are not finite are grey.

    Each is `sides` pixels wide and high.

    Raises:
        DataError: a panel that is empty or not two-dimensional.
    """
    columns = columns or len(panels)
    rows = -(-len(panels) // columns)
    across, up = sides
    wide, high = across + GAP, HEAD + up + FOOT
    page = Image.new("RGB", (GAP + columns * wide, rows * high + GAP // 2), "white")
    pen, font, small = ImageDraw.Draw(page), ImageFont.load_default(14), ImageFont.load_default(11)
    for number, panel in enumerate(panels):
        left, top = GAP + number % columns * wide, number // columns * high
        low, top_value = limits(panel)
        table = DIVERGING if panel.signed else SEQUENTIAL
        pen.text((left + across // 2, top + HEAD // 2), panel.title, "black", font, anchor="mm")
        picture = Image.fromarray(coloured(panel.values, low, top_value, table))
        page.paste(picture.resize(sides, Image.Resampling.BILINEAR), (left, top + HEAD))
        ramp = np.broadcast_to(np.linspace(low, top_value, across), (8, across))
        bar = top + HEAD + up + 4
        page.paste(Image.fromarray(colours(ramp, low, top_value, table)), (left, bar))
        for place, anchor, value in ((left, "la", low), (left + across, "ra", top_value)):
            pen.text((place, bar + 10), f"{value:.3g}", "black", small, anchor=anchor)
    return page


def limits(panel: Panel) -> tuple[float, float]:
    """The ends of a panel's colours.

    Raises:
        DataError: no value is finite, or they have no two axes.
    """
    values = np.asarray(panel.values)
    if values.ndim != 2 or not np.isfinite(values).any():
        raise DataError(f"picture: {panel.title}", f"shape {values.shape}, or no finite value.", "Nothing to draw.")
    if panel.limits is not None:
        return panel.limits
    seen = values[np.isfinite(values)]
    if panel.signed:
        # With the peak at a source in range, the wave itself would be pale.
        most = float(np.quantile(np.abs(seen), 0.998)) or float(np.abs(seen).max()) or 1.0
        return -most, most
    low, high = float(seen.min()), float(seen.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def coloured(values: Real, low: float, high: float, table: Sequence[tuple[int, int, int]]) -> NDArray[np.uint8]:
    """Values [i, j] as uint8 (rows, columns, 3) for a page: coordinate 0 to the right, coordinate 1 up."""
    return colours(np.asarray(values).T[::-1], low, high, table)


def colours(values: Real, low: float, high: float, table: Sequence[tuple[int, int, int]]) -> NDArray[np.uint8]:
    """Values (rows, columns) as uint8 (rows, columns, 3): first colour at low, last at high, NaN grey."""
    place = np.clip((values - low) / (high - low), 0, 1)
    stops, inks = np.linspace(0, 1, len(table)), np.array(table, dtype=np.float64)
    channels = [np.interp(np.nan_to_num(place), stops, inks[:, channel]) for channel in range(3)]
    pixels = np.stack(channels, -1).round().astype(np.uint8)
    pixels[~np.isfinite(values)] = 128
    return pixels


def save(panels: Sequence[Panel], path: Path, columns: int | None = None) -> None:
    """Draw panels into a PNG file."""
    draw(panels, columns).save(path)
