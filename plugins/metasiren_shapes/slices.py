"""A plane through a field: level lines at equal intervals, and the surface as a thick line."""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from metasiren_shapes.camera import Axis
from metasiren_shapes.mesh import Floats
from metasiren_shapes.probe import Probe

SAMPLES = 385
FINER = 2
"""Pixels are drawn so many times finer and then averaged: Pillow draws lines without smoothing them."""

MARGIN = 46
INSIDE, OUTSIDE = (201, 96, 48), (45, 104, 158)
PALEST, FULLEST = 0.07, 0.50


def slice_picture(
    probe: Probe,
    *,
    level: float = 0.0,
    axis: Axis = "z",
    at: float = 0.0,
    bounds: tuple[float, float] = (-1.0, 1.0),
    side: int = 512,
    up: Axis = "y",
) -> Image.Image:
    """The field on a plane: orange inside, blue outside, deeper with distance.

    Args:
        probe: of the field.
        level: of the thick line.
        axis: which coordinate is constant on the plane.
        at: its value there.
        bounds: least and greatest of the other two.
        side: of the picture's square, in pixels, without its margin.
        up: the coordinate that points upwards, where it lies in the plane.
    """
    across, upwards = _plane(axis, up)
    values = _sample(probe, across, upwards, axis, at, bounds) - level
    spacing = _spacing(float(np.abs(values).max()))
    page = Image.new("RGB", (side + 2 * MARGIN, side + 2 * MARGIN), "white")
    page.paste(_draw(values, spacing, side), (MARGIN, MARGIN))
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(14)
    low, middle, high = MARGIN, MARGIN + side // 2, MARGIN + side
    draw.rectangle((low - 1, low - 1, high, high), outline=(120, 120, 120))
    title = f"{axis} = {at:g}   lines every {spacing:g}   black: {level:g}"
    draw.text((middle, low // 2), title, "black", font, anchor="mm")
    for spot, number in ((low, bounds[0]), (middle, sum(bounds) / 2), (high, bounds[1])):
        draw.text((spot, high + 12), f"{number:g}", (80, 80, 80), font, anchor="mm")
        draw.text((low - 8, low + high - spot), f"{number:g}", (80, 80, 80), font, anchor="rm")
    draw.text(((middle + high) // 2, high + 14), across, "black", font, anchor="mm")
    draw.text((low - 12, (low + middle) // 2), upwards, "black", font, anchor="rm")
    return page


def _plane(axis: Axis, up: Axis) -> tuple[Axis, Axis]:
    """The coordinates that run to the right and upwards."""
    others: list[Axis] = [name for name in ("x", "y", "z") if name != axis]
    upwards = up if up in others else others[1]
    return others[0] if others[1] == upwards else others[1], upwards


def _sample(probe: Probe, across: Axis, upwards: Axis, axis: Axis, at: float, bounds: tuple[float, float]) -> Floats:
    """Values (rows, columns); the first row is the highest."""
    line = np.linspace(*bounds, SAMPLES)
    right, top = np.meshgrid(line, line[::-1])
    places = {across: right, upwards: top, axis: np.full_like(right, at)}
    points = np.stack([places[name].reshape(-1) for name in ("x", "y", "z")], axis=1)
    return probe.values(points).reshape(SAMPLES, SAMPLES)


def _spacing(most: float) -> float:
    """A round number that goes about ten times into the greatest distance."""
    if not most:
        return 1.0
    decade = 10.0 ** math.floor(math.log10(most / 10))
    return next(factor * decade for factor in (1.0, 2.0, 5.0, 10.0) if factor * decade >= most / 10 * 0.999)


def _draw(values: Floats, spacing: float, side: int) -> Image.Image:
    measure: Any = import_module("skimage.measure")
    large = side * FINER
    bands = _bands(values, spacing, large)
    canvas = Image.fromarray(bands)
    draw = ImageDraw.Draw(canvas)
    count = int(np.abs(values).max() / spacing)
    pixel = (large - 1) / (SAMPLES - 1)
    for step in sorted(range(-count, count + 1), key=lambda k: (k == 0, k)):
        colour = tuple(c * 3 // 4 for c in (INSIDE if step < 0 else OUTSIDE)) if step else (0, 0, 0)
        for line in measure.find_contours(values, step * spacing):
            corners = [(float(x), float(y)) for y, x in line * pixel]
            draw.line(corners, colour, width=(3 if step == 0 else 1) * FINER, joint="curve")
    return canvas.resize((side, side), Image.Resampling.BOX)


def _bands(values: Floats, spacing: float, side: int) -> np.ndarray:
    """(side, side, 3) uint8: between two lines one colour."""
    sampled = torch.from_numpy(values.astype(np.float32))[None, None]
    fine: Tensor = torch.nn.functional.interpolate(sampled, (side, side), mode="bicubic", align_corners=True)
    band = torch.div(fine[0, 0].abs(), spacing, rounding_mode="floor").numpy()
    strength = PALEST + (FULLEST - PALEST) * np.minimum(band / 10, 1)
    tint = np.where((fine[0, 0].numpy() < 0)[..., None], INSIDE, OUTSIDE)
    colours: np.ndarray = (255 - strength[..., None] * (255 - tint)).astype(np.uint8)
    return colours
