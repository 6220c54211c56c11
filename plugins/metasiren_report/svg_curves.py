"""Training curves as inline SVG, coloured by the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 74, 16, 12, 52
COLOURS, DASHES = 8, 4
MOST_POINTS = 400

Series = Sequence[tuple[float, float]]


def curves(series: Mapping[str, Series], *, across: str, title: str, linear: bool = False) -> str:
    """An SVG of several curves over a common axis; the vertical axis is logarithmic where all values are positive.

    Args:
        series: name -> (x, y) pairs; pairs that are not finite are left out. Long series are thinned to 400 points.
        across: what the horizontal axis counts.
        title: read aloud by screen readers.
        linear: have a linear vertical axis in any case.

    Returns:
        the SVG, or an empty string where no series has two points.
    """
    kept = {name: _thinned([p for p in points if all(map(math.isfinite, p))]) for name, points in series.items()}
    kept = {name: points for name, points in kept.items() if len(points) > 1}
    if not kept:
        return ""
    xs = [x for points in kept.values() for x, _ in points]
    ys = [y for points in kept.values() for _, y in points]
    log = min(ys) > 0 and not linear
    low, high = (math.log10(min(ys)), math.log10(max(ys))) if log else (min(ys), max(ys))
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    first, last = min(xs), max(max(xs), min(xs) + 1e-9)

    def place(x: float, y: float) -> tuple[float, float]:
        height = math.log10(y) if log else y
        right = LEFT + (WIDTH - LEFT - RIGHT) * (x - first) / (last - first)
        return right, TOP + (HEIGHT - TOP - BOTTOM) * (high - height) / (high - low)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" class="curves" role="img" aria-label="{escape(title)}">']
    for value in _decades(low, high) if log else _linear(low, high):
        y = place(first, value)[1]
        parts.append(f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_label(value)}</text>')
    for value in _linear(first, last):
        x = place(value, 10**low if log else low)[0]
        # A number in the middle of the last tick would reach beyond the picture.
        x, anchor = (WIDTH - 2, "end") if x > WIDTH - 40 else (x, "middle")
        parts.append(f'<text class="tick" x="{x:.1f}" y="{HEIGHT - 29}" text-anchor="{anchor}">{_label(value)}</text>')
    parts.append(f'<text class="tick" x="{WIDTH - RIGHT}" y="{HEIGHT - 5}" text-anchor="end">{escape(across)} →</text>')
    for number, (name, points) in enumerate(kept.items()):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*p) for p in points))
        parts.append(f'<polyline class="{_style(number)}" points="{path}"><title>{escape(name)}</title></polyline>')
    return "".join([*parts, "</svg>"])


def legend(names: Sequence[str]) -> str:
    """The names beside their lines, as HTML."""
    swatch = '<svg class="swatch {}" viewBox="0 0 28 6" aria-hidden="true"><path d="M0 3H28"/></svg>'
    items = (f"<li>{swatch.format(_style(number))}{escape(name)}</li>" for number, name in enumerate(names))
    return f'<ul class="legend">{"".join(items)}</ul>'


def _style(number: int) -> str:
    """The classes of a curve: eight colours, and then the same with other dashes."""
    return f"c{number % COLOURS} d{number // COLOURS % DASHES}"


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    if len(points) <= MOST_POINTS:
        return points
    step = (len(points) - 1) / (MOST_POINTS - 1)
    return [points[round(step * i)] for i in range(MOST_POINTS)]


def _decades(low: float, high: float) -> list[float]:
    """At most eight powers of ten in range; with 2 and 5 times these where there are fewer than three."""
    powers = list(range(math.ceil(low), math.floor(high) + 1))
    powers = powers[:: max(1, -(-len(powers) // 8))]
    if len(powers) > 2:
        return [10.0**p for p in powers]
    finer = [m * 10.0**p for p in range(math.floor(low), math.floor(high) + 1) for m in (1, 2, 5)]
    kept = [value for value in finer if low <= math.log10(value) <= high]
    return kept if len(kept) > 1 else [10**low, 10**high]


def _linear(low: float, high: float) -> list[float]:
    """About four round numbers from low to high."""
    span = (high - low) / 4
    power = 10 ** math.floor(math.log10(span))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= span)
    first = math.ceil(low / step - 1e-9)
    return [step * i for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _label(value: float) -> str:
    if value and (abs(value) >= 1e6 or abs(value) < 1e-3):
        return f"{value:.1e}".replace(".0e", "e").replace("e-0", "e-").replace("e+0", "e")
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
