"""Pictures of fields over boxes of any dimension: curves on one axis, maps on two, slices of more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from metasiren_physics.arrays import Real
from metasiren_physics.panels import Panel, draw

SLICES = 4
WIDE, HIGH, MARGIN, FOOT = 512, 300, 40, 30
COLOURS = ((31, 119, 180), (214, 39, 40), (44, 160, 44), (148, 103, 189), (255, 127, 14))


def picture(
    names: Sequence[str], time: str | None, grid: Sequence[Real], found: Real, truth: Real | None
) -> Image.Image:
    """The field, and beside it the solution and the error where that is known; one row for each channel (and time).

    Args:
        names: of the axes.
        time: the axis whose slices are rows, or None; with two axes, time is drawn to the right.
        grid: coordinates of each axis.
        found: the field (n0, n1, ..., channels) on the grid.
        truth: the solution of the first channels on the grid, or None.
    """
    channels = found.shape[-1]
    if len(names) == 1:
        curves = {f"channel {c}" if channels > 1 else "field": found[:, c] for c in range(channels)}
        if truth is not None:
            curves |= {f"solution {c}" if channels > 1 else "solution": truth[:, c] for c in range(truth.shape[-1])}
        return lines(names[0], grid[0], curves)
    panels: list[Panel] = []
    for c in range(channels):
        known = truth is not None and c < truth.shape[-1]
        label = f"channel {c}" if channels > 1 else "field"
        for note, where in _slices(names, time, grid):
            values = found[(*where, c)]
            panels.append(_panel(f"{label}{note}", values))
            if truth is not None:
                exact = truth[(*where, c)] if known else np.zeros_like(values)
                panels.append(_panel(f"solution{note}", exact) if known else _panel("no known solution", exact))
                panels.append(Panel(f"error{note}", values - exact if known else exact, signed=True))
    page = draw(panels, columns=3 if truth is not None else min(len(panels), SLICES))
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(11)
    shown = [n for n in names if n != time] if len(names) > 2 else list(names)
    pen.text((page.width // 2, page.height - 8), f"{shown[0]} right, {shown[1]} up", "black", font, anchor="mm")
    return page


def lines(name: str, x: Real, curves: dict[str, Real]) -> Image.Image:
    """Curves over one axis with their names, and the range of both axes."""
    page = Image.new("RGB", (WIDE + 2 * MARGIN, HIGH + MARGIN + FOOT), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(11)
    low, high = min(float(v.min()) for v in curves.values()), max(float(v.max()) for v in curves.values())
    high = high if high > low else low + 1.0
    pen.rectangle((MARGIN, MARGIN, MARGIN + WIDE, MARGIN + HIGH), outline="grey")
    for k, (title, values) in enumerate(curves.items()):
        across = MARGIN + WIDE * (x - x[0]) / (x[-1] - x[0])
        up = MARGIN + HIGH * (high - values) / (high - low)
        pen.line(
            [(float(a), float(b)) for a, b in zip(across, up, strict=True)], fill=COLOURS[k % len(COLOURS)], width=2
        )
        pen.text((MARGIN + 90 * k, MARGIN - 16), title, COLOURS[k % len(COLOURS)], font, anchor="lm")
    pen.text((MARGIN - 4, MARGIN), f"{high:.3g}", "black", font, anchor="rm")
    pen.text((MARGIN - 4, MARGIN + HIGH), f"{low:.3g}", "black", font, anchor="rm")
    for place, value in ((MARGIN, x[0]), (MARGIN + WIDE, x[-1])):
        pen.text((place, MARGIN + HIGH + 12), f"{name} = {value:.3g}", "black", font, anchor="mm")
    return page


def _panel(title: str, values: Real) -> Panel:
    """A map; colours are symmetric about zero where values have both signs."""
    signed = bool(values.min() < 0 < values.max())
    most = float(abs(values).max()) or 1.0
    return Panel(title, values, signed=signed, limits=(-most, most) if signed else None)


def _slices(names: Sequence[str], time: str | None, grid: Sequence[Real]) -> list[tuple[str, tuple[slice | int, ...]]]:
    """Two-dimensional slices of the grid and what is fixed there: several times, the middle of further axes."""
    if len(names) == 2:
        return [("", (slice(None), slice(None)))]
    first = names.index(time) if time is not None else 0
    shown = [i for i in range(len(names)) if i != first][:2]
    made = []
    for k in np.linspace(0, len(grid[first]) - 1, SLICES).round().astype(int):
        where: list[slice | int] = [len(axis) // 2 for axis in grid]
        where[first] = int(k)
        for i in shown:
            where[i] = slice(None)
        made.append((f", {names[first]} = {grid[first][k]:.3g}", tuple(where)))
    return made
