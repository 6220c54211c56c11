"""A clip that needs no file, the same on every machine to rounding."""

from __future__ import annotations

import numpy as np

from metasiren_signals.clips.cache import Clip

FPS = 12.0


def drift(frames: int = 24, rows: int = 48, columns: int = 64) -> Clip:
    """Two discs that cross before drifting stripes: uint8 (frames, rows, columns, 3)."""
    t, y, x = np.meshgrid(np.linspace(0, 1, frames), np.linspace(-0.75, 0.75, rows), np.linspace(-1, 1, columns),
                          indexing="ij")  # fmt: skip
    stripes = 0.5 + 0.25 * np.sin(9 * (x + 0.5 * y) - 5 * t) * np.cos(6 * y)
    picture = np.stack([0.35 + 0.4 * stripes, 0.6 * stripes + 0.1, 0.75 - 0.35 * stripes + 0.1 * y], -1)
    discs = ((-0.7 + 1.4 * t, 0.35 * np.sin(7 * t), 0.22, (0.98, 0.78, 0.2)),
             (0.55 - 0.8 * t, -0.3 + 0.5 * t, 0.16, (0.9, 0.25, 0.3)))  # fmt: skip
    for across, down, radius, colour in discs:
        # An edge two pixels wide, so that the discs move smoothly.
        inside = np.clip((radius - np.hypot(x - across, y - down)) * columns / 4 + 0.5, 0, 1)[..., None]
        picture = picture * (1 - inside) + np.array(colour) * inside
    return (picture.clip(0, 1) * 255).round().astype(np.uint8)


CLIPS = {"drift": drift}
