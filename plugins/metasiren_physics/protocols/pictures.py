"""Maps of waves, speeds and errors side by side, as in the paper's Figure 5."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from metasiren import picture_sheet
from metasiren_physics.arrays import Complex, Real
from metasiren_physics.panels import LARGE_LETTERS, Panel, tile


def wave_panel(title: str, values: Real, like: Real, dots: Sequence[tuple[float, float]] = ()) -> Panel:
    """A wave in colours whose range is that of `like`: its 99.5th percentile, so that a source does not wash it out."""
    most = float(np.nanpercentile(np.abs(like), 99.5)) or 1.0
    return Panel(title, values, signed=True, limits=(-most, most), dots=dots)


def size_panel(title: str, values: Real, high: float, low: float = 0.0) -> Panel:
    """Values without sign, in colours from `low` to `high`."""
    return Panel(title, values, limits=(low, high if high > low else low + 1.0))


def error_panel(made: Real | Complex, truth: Real | Complex, like: Real) -> Panel:
    """Magnitudes of an error, in colours up to a tenth of the range of `wave_panel(..., like)`."""
    limits = wave_panel("", like, like).limits
    assert limits is not None
    return size_panel("magnitude of the error", np.abs(made - truth), limits[1] / 10)


def draw(rows: Sequence[Sequence[Panel]]) -> Image.Image:
    """Rows of panels with their scales as one picture, coordinate 0 downwards; shorter rows are filled with gaps."""
    columns = max(map(len, rows))
    tiles = [
        [*(tile(panel, letters=LARGE_LETTERS, scale=True) for panel in row), *[None] * (columns - len(row))]
        for row in rows
    ]
    return picture_sheet(tiles, [""] * len(rows), [""] * columns)
