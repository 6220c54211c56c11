"""Maps of fields in colours: one tile for each, with its title and its scale, and pages of tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from metasiren import DataError, picture_sheet
from metasiren_physics.arrays import Real

DIVERGING = ((5, 48, 97), (67, 147, 195), (247, 247, 247), (214, 96, 77), (103, 0, 31))
"""From deep blue by white to deep red: fields that swing about zero."""

SEQUENTIAL = ((13, 8, 55), (94, 24, 120), (190, 55, 82), (243, 135, 47), (252, 253, 191))
"""From dark by red to pale yellow: magnitudes."""

SIDE, FOOT = 256, 34
LETTERS, LARGE_LETTERS = 10, 14


@dataclass(frozen=True)
class Panel:
    """One map.

    Attributes:
        title: above it.
        values: (rows, columns); values that are not finite are grey.
        signed: whether colours show signs, symmetric about zero, or magnitudes.
        limits: the ends of the colours; by default those of the values.
        dots: positions in [-1, 1]² that are marked, such as sources: along the rows, along the columns.
    """

    title: str
    values: Real
    signed: bool = False
    limits: tuple[float, float] | None = None
    dots: Sequence[tuple[float, float]] = ()


def draw(panels: Sequence[Panel], columns: int | None = None, sides: tuple[int, int] = (SIDE, SIDE)) -> Image.Image:
    """Panels with their scales in rows of `columns`, by default all in one row.

    Values are indexed [i, j] with coordinate 0 along i; it is drawn to the right, coordinate 1 up.

    Args:
        panels: without dots.
        columns: number of panels in a row.
        sides: width and height of each map in pixels.

    Raises:
        DataError: a panel that is empty or not two-dimensional.
    """
    columns = columns or len(panels)
    upright = [replace(panel, values=np.asarray(panel.values).T[::-1]) for panel in panels]
    tiles: list[Image.Image | None] = [tile(p, sides, letters=LARGE_LETTERS, scale=True) for p in upright]
    tiles += [None] * (-len(tiles) % columns)
    rows = [tiles[i : i + columns] for i in range(0, len(tiles), columns)]
    return picture_sheet(rows, [""] * len(rows), [""] * columns)


def tile(
    panel: Panel, sides: tuple[int, int] = (SIDE, SIDE), *, letters: int = LETTERS, scale: bool = False
) -> Image.Image:
    """A map below its title; the first row of its values is on top.

    Args:
        panel: what is drawn.
        sides: width and height of the map in pixels.
        letters: height of the title's letters in pixels.
        scale: draw the colours and the values of both ends below the map.

    Raises:
        DataError: a panel that is empty or not two-dimensional.
    """
    (wide, high), top = sides, letters + 8
    low, most = limits(panel)
    page = Image.new("RGB", (wide, top + high + (FOOT if scale else 0)), "white")
    pen, small = ImageDraw.Draw(page), ImageFont.load_default(11)
    pen.text((0, 2), panel.title, "black", ImageFont.load_default(letters))
    page.paste(paint(panel, sides), (0, top))
    for along_rows, along_columns in panel.dots:
        u, v = (along_columns + 1) / 2 * wide, top + (along_rows + 1) / 2 * high
        pen.ellipse((u - 3, v - 3, u + 3, v + 3), fill=(30, 150, 60), outline="white")
    if scale:
        ramp = Panel("", np.linspace(low, most, wide)[None], panel.signed, (low, most))
        page.paste(paint(ramp, (wide, 8)), (0, top + high + 4))
        for place, anchor, value in ((3, "la", low), (wide - 3, "ra", most)):
            pen.text((place, top + high + 14), f"{value:.3g}", "black", small, anchor=anchor)
    return page


def paint(panel: Panel, sides: tuple[int, int] = (SIDE, SIDE)) -> Image.Image:
    """The colours of one map; the first row of its values is on top."""
    pixels = colours(panel.values, *limits(panel), DIVERGING if panel.signed else SEQUENTIAL)
    return Image.fromarray(pixels).resize(sides, Image.Resampling.BICUBIC)


def limits(panel: Panel) -> tuple[float, float]:
    """The ends of a panel's colours.

    Raises:
        DataError: the values have no two axes, or none is finite and no limits are given.
    """
    values = np.asarray(panel.values)
    if values.ndim != 2 or (panel.limits is None and not np.isfinite(values).any()):
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
