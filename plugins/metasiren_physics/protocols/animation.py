"""A wave that moves: the exact one beside the fitted one, as an animated picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from metasiren_physics.arrays import Real
from metasiren_physics.protocols.pictures import draw, wave_panel

FRAMES = 40
MILLISECONDS = 80


def write_animation(times: Real, truth: Real, made: Real, path: Path) -> None:
    """Write an animated WebP with one range of colours for all times.

    Args:
        times: (times,).
        truth: (times, nodes, nodes).
        made: (times, nodes, nodes).
        path: ending in .webp.
    """
    frames: list[Image.Image] = []
    for t, exact, ours in zip(times, truth, made, strict=True):
        row = [wave_panel(f"exact, t = {t:.2f}", exact, truth), wave_panel(f"field, t = {t:.2f}", ours, truth)]
        frames.append(draw([row]))
    first, *rest = frames
    first.save(path, save_all=True, append_images=rest, duration=MILLISECONDS, loop=0, quality=80, method=2)


def moments(duration: float) -> Real:
    """The times that are shown, from 0 to the duration."""
    return np.linspace(0.0, duration, FRAMES)
