"""Antialiased shapes by signed distances, for many pictures at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from metasiren_priors.data.sketch.draws import Floats, clip

Box = tuple[float, float, float, float]
"""Least x, most x, least y, most y; the picture is [-1, 1]², y pointing down."""

EVERYWHERE: Box = (-1.0, 1.0, -1.0, 1.0)


def ellipse(x: Floats, y: Floats, rx: Any, ry: Any) -> Floats:
    """Approximate signed distance (exact on the outline, to first order beside it) to an ellipse around the origin."""
    qx, qy = x / rx, y / ry
    k = np.sqrt(qx * qx + qy * qy)
    gx, gy = qx / rx, qy / ry
    return np.asarray(k * (k - 1) / (np.sqrt(gx * gx + gy * gy) + np.float32(1e-3)), dtype=np.float32)


def box(x: Floats, y: Floats, half_x: Any, half_y: Any, radius: Any) -> Floats:
    """Signed distance to a box around the origin with rounded corners."""
    qx, qy = np.abs(x) - (half_x - radius), np.abs(y) - (half_y - radius)
    ox, oy = np.maximum(qx, 0), np.maximum(qy, 0)
    return np.asarray(np.sqrt(ox * ox + oy * oy) + np.minimum(np.maximum(qx, qy), 0) - radius, dtype=np.float32)


def wave(t: Floats) -> Floats:
    """A smooth wave of period 1 between 0 and 1, made of parabolas (1 at halves, 0 at whole numbers)."""
    part = t - np.floor(t)
    return np.asarray(4 * part * (1 - part), dtype=np.float32)


class Canvas:
    """Colours (3, pictures, rows, columns) on which soft-edged shapes are laid, the first at the back.

    Args:
        count: number of pictures.
        size: rows and columns.
    """

    def __init__(self, count: int, size: int) -> None:
        at = ((np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(2 / size) - 1).astype(np.float32)
        self.x, self.y = at.reshape(1, 1, size), at.reshape(1, size, 1)
        self.size, self.pixel = size, np.float32(2 / size)
        self.colours = np.zeros((3, count, size, size), dtype=np.float32)

    def part(self, within: Box) -> tuple[slice, slice, slice]:
        """Index of the pixels of a box: (pictures, rows, columns)."""
        x0, x1, y0, y1 = ((bound + 1) / 2 * self.size for bound in within)
        rows = slice(max(0, int(np.floor(y0))), min(self.size, int(np.ceil(y1))))
        return slice(None), rows, slice(max(0, int(np.floor(x0))), min(self.size, int(np.ceil(x1))))

    def lay(self, cover: Floats, colour: Any, where: tuple[slice, slice, slice]) -> None:
        """Cover the pixels at `where` by a colour, as far as `cover` in [0, 1] says."""
        below = self.colours[(slice(None), *where)]
        change = colour - below
        change *= cover
        below += change

    def cover(self, distance: Floats, unit: Any, soft: float = 1.0) -> Floats:
        """How much of each pixel lies inside: 1 well within, 0 well outside, linear over `soft` pixels.

        Args:
            distance: signed distance, negative inside.
            unit: the length that `distance` counts in, in halves of the picture.
            soft: width of the edge in pixels.
        """
        return clip(np.float32(0.5) - distance * (unit / (self.pixel * np.float32(soft))), 0, 1)

    def bytes(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """The pictures as uint8 (pictures, rows, columns, 3)."""
        levels = clip(self.colours, 0, 1) * np.float32(255) + np.float32(0.5)
        return np.ascontiguousarray(levels.astype(np.uint8).transpose(1, 2, 3, 0))
