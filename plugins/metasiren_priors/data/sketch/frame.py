"""Coordinates that move with a head and turn with its face, and the outlines drawn in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metasiren_priors.data.sketch.canvas import Canvas, box, ellipse, wave
from metasiren_priors.data.sketch.draws import Floats, clip, mix
from metasiren_priors.data.sketch.traits import Traits


@dataclass(frozen=True)
class Frame:
    """Coordinates that move with the head, in half-heights of the head: (pictures, rows, columns) each.

    Attributes:
        u, v: from the head's centre, to its left and down, tilted with it.
        fu, fv: the same on the turned face: 0, 0 is between the eyes, whatever yaw and pitch.
        skull: signed distance to the head's outline.
        hair: signed distance to the outline of all hair.
        face: signed distance to the opening in the hair.
        collar: signed distance to the opening of the clothes, in halves of the picture.
        body: the same to the clothes.
    """

    u: Floats
    v: Floats
    fu: Floats
    fv: Floats
    skull: Floats
    hair: Floats
    face: Floats
    collar: Floats
    body: Floats


def turned(q: Floats, angle: Floats) -> Floats:
    """Coordinates on a turned face: the map of [-1, 1] to itself that moves `angle` to 0 and squeezes the far side."""
    q = clip(q, -2, 2)  # the map has a pole at 1 / angle
    return np.asarray((q - angle) / (1 - angle * q), dtype=np.float32)


def frame(canvas: Canvas, t: Traits) -> Frame:
    """The coordinates and outlines of every head on the canvas."""
    cosine, sine = (1 - t.tilt * t.tilt) / (1 + t.tilt * t.tilt), 2 * t.tilt / (1 + t.tilt * t.tilt)
    dx, dy = (canvas.x - t.x) / t.scale, (canvas.y - t.y) / t.scale
    u, v = cosine * dx + sine * dy, cosine * dy - sine * dx
    fu, fv = turned(u / t.head_width, t.yaw) * t.head_width, turned(v, t.pitch)

    low = clip(v, 0, 1)
    q2, v2 = np.square(u / (t.head_width * (1 - t.taper * low * low))), v * v
    egg, square = np.sqrt(q2 + v2), np.sqrt(np.sqrt(q2 * q2 + v2 * v2))
    skull = (mix(egg, square, t.jaw * 0.75 * (v > 0)) - 1) * 0.9

    width = t.head_width + t.hair_side
    cap = ellipse(u, v + 0.05, width, 0.97 + t.hair_top)
    curtain = np.maximum(np.abs(u) - width * (1 + 0.07 * v), -0.05 - v)
    hair = np.maximum(np.minimum(cap, curtain), v - t.hair_length)
    hair = hair + t.curl * 0.10 * (wave(2.2 * u + 0.25) + wave(2.2 * v) - 1)
    hair = hair - t.spikes * 0.22 * (1 - 2 * np.abs(3.3 * u - np.floor(3.3 * u) - 0.5)) * clip(-v - 0.35, 0, 0.5)

    high = np.minimum(fv - 0.3 + t.parting * fu, 0) / (t.hairline - 0.3)
    p2, h2 = np.square(fu / (t.opening * t.head_width)), high * high
    gap = mix(np.sqrt(p2 + h2), np.sqrt(np.sqrt(p2 * p2 + h2 * h2)), t.boxiness) - 1

    x, y = canvas.x - 0.7 * t.x, canvas.y - (t.y + 1.13 * t.scale)
    collar = mix(ellipse(x, y, 0.30, 0.14), np.abs(x) * 0.75 + y - 0.20, t.neckline > 0.6)
    body = np.maximum(box(x, y - 0.62, t.shoulders, 0.62, 0.30) - 0.02, -collar)
    return Frame(u, v, fu, fv, skull, hair, gap * 0.7, collar, body)
