"""Pictures of fields over boxes of any dimension: curves on one axis, maps on two, slices of more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from metasiren_physics.arrays import Real
from metasiren_physics.panels import SIDE, Panel, draw, limits

SLICES = 4
PEAK = 4.0
"""Values that are so many times above the 99th percentile of magnitudes have the last colour."""

MARGIN, FOOT = 44, 30
COLOURS = ((31, 119, 180), (214, 39, 40), (44, 160, 44), (148, 103, 189), (255, 127, 14))


def picture(
    names: Sequence[str],
    time: str | None,
    grid: Sequence[Real],
    found: Real,
    truth: Real | None,
    *,
    labels: Sequence[str] = (),
    sides: tuple[int, int] = (SIDE, SIDE),
    slices: int = SLICES,
) -> Image.Image:
    """The field, and beside it the solution and the error where that is known; one row for each channel (and time).

    Args:
        names: of the axes.
        time: the axis whose slices are rows, or None; with two axes, the first is drawn to the right.
        grid: coordinates of each axis.
        found: the field (n0, n1, ..., channels) on the grid.
        truth: the solution of the first channels on the grid, or None.
        labels: of the channels; by default `field`, or `channel 0` and so on.
        sides: width and height of each map in pixels; curves are twice as wide.
        slices: coordinates of the time axis that are shown.
    """
    channels = found.shape[-1]
    labels = labels or ([f"channel {c}" for c in range(channels)] if channels > 1 else ["field"])
    if len(names) == 1:
        curves = {label: found[:, c] for c, label in enumerate(labels)}
        if truth is not None:
            exact = range(truth.shape[-1])
            curves |= {f"solution {c}" if channels > 1 else "solution": truth[:, c] for c in exact}
        return lines(names[0], grid[0], curves, (2 * sides[0], sides[1]))
    panels: list[Panel] = []
    shown = _slices(names, time, grid, slices)
    for c in range(channels):
        known = truth is not None and c < truth.shape[-1]
        for note, where in shown:
            values = found[(*where, c)]
            panels.append(_panel(f"{labels[c]}{note}", values))
            if truth is not None:
                exact_values = truth[(*where, c)] if known else np.zeros_like(values)
                panels.append(_panel(f"solution{note}" if known else "no known solution", exact_values))
                panels.append(Panel(f"error{note}", values - exact_values if known else exact_values, signed=True))
    columns = 3 if truth is not None else len(shown) if len(shown) > 1 else min(len(panels), SLICES)
    return _with_axes(draw(panels, columns, sides), names, time)


def frames(
    names: Sequence[str],
    time: str | None,
    grid: Sequence[Real],
    found: Real,
    *,
    labels: Sequence[str],
    sides: tuple[int, int] = (SIDE, SIDE),
) -> list[Image.Image]:
    """A picture for each coordinate of the time axis (or the first), all in the same colours; as `picture`."""
    ranges = [_panel(label, found[..., c].reshape(-1, 1)) for c, label in enumerate(labels)]
    ends, made = [limits(each) for each in ranges], []
    for note, where in _slices(names, time, grid, count=None):
        panels = [
            Panel(f"{label}{note}", found[(*where, c)], signed=ranges[c].signed, limits=ends[c])
            for c, label in enumerate(labels)
        ]
        made.append(_with_axes(draw(panels, min(len(panels), SLICES), sides), names, time))
    return made


def _with_axes(page: Image.Image, names: Sequence[str], time: str | None) -> Image.Image:
    """A line below the maps that says which axis is which."""
    shown = [name for name in names if name != stepped(names, time)]
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(11)
    pen.text((page.width // 2, page.height - 8), f"{shown[0]} right, {shown[1]} up", "black", font, anchor="mm")
    return page


def lines(name: str, x: Real, curves: Mapping[str, Real], sides: tuple[int, int] = (2 * SIDE, SIDE)) -> Image.Image:
    """Curves over one axis with their names, and the range of both axes; `sides` pixels wide and high."""
    wide, high_side = sides
    page = Image.new("RGB", (wide + 2 * MARGIN, high_side + MARGIN + FOOT), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(11)
    low, high = min(float(v.min()) for v in curves.values()), max(float(v.max()) for v in curves.values())
    high = high if high > low else low + 1.0
    pen.rectangle((MARGIN, MARGIN, MARGIN + wide, MARGIN + high_side), outline="grey")
    if low < 0 < high:
        zero = MARGIN + high_side * high / (high - low)
        pen.line((MARGIN, zero, MARGIN + wide, zero), fill="lightgrey")
    for k, (title, values) in enumerate(curves.items()):
        across = MARGIN + wide * (x - x[0]) / (x[-1] - x[0])
        up = MARGIN + high_side * (high - values) / (high - low)
        pen.line(
            [(float(a), float(b)) for a, b in zip(across, up, strict=True)], fill=COLOURS[k % len(COLOURS)], width=2
        )
        pen.text((MARGIN + 90 * k, MARGIN - 16), title, COLOURS[k % len(COLOURS)], font, anchor="lm")
    pen.text((MARGIN - 4, MARGIN), f"{high:.3g}", "black", font, anchor="rm")
    pen.text((MARGIN - 4, MARGIN + high_side), f"{low:.3g}", "black", font, anchor="rm")
    for place, value in ((MARGIN, x[0]), (MARGIN + wide, x[-1])):
        pen.text((place, MARGIN + high_side + 12), f"{name} = {value:.3g}", "black", font, anchor="mm")
    return page


def _panel(title: str, values: Real) -> Panel:
    """A map; colours are symmetric about zero where values have both signs, and no few high peaks pale the rest."""
    signed = bool(values.min() < 0 < values.max())
    sizes = np.abs(values)
    # At a point source derivatives are hundreds of times those of the wave around it.
    most = min(float(sizes.max()), PEAK * float(np.quantile(sizes, 0.99)) or float(sizes.max())) or 1.0
    return Panel(title, values, signed=signed, limits=(-most, most) if signed else None)


def stepped(names: Sequence[str], time: str | None) -> str | None:
    """The axis whose coordinates have a picture each: time, or else the first; None where there are only two axes."""
    if len(names) < 3:
        return None
    return time if time is not None else names[0]


def _slices(
    names: Sequence[str], time: str | None, grid: Sequence[Real], count: int | None = SLICES
) -> list[tuple[str, tuple[slice | int, ...]]]:
    """Two-dimensional slices of the grid and what is fixed there: `count` times (or all), the middle of others."""
    through = stepped(names, time)
    if through is None:
        return [("", (slice(None), slice(None)))]
    first = names.index(through)
    shown = [i for i in range(len(names)) if i != first][:2]
    made = []
    for k in np.linspace(0, len(grid[first]) - 1, count or len(grid[first])).round().astype(int):
        where: list[slice | int] = [len(axis) // 2 for axis in grid]
        where[first] = int(k)
        for i in shown:
            where[i] = slice(None)
        made.append((f", {through} = {grid[first][k]:.3g}", tuple(where)))
    return made
