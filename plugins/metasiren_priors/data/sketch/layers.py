"""Draw faces from their traits: from the background to the hair in front, then light over all."""

from __future__ import annotations

from typing import Any

import numpy as np

from metasiren_priors.data.sketch.canvas import EVERYWHERE, Box, Canvas, box, ellipse, wave
from metasiren_priors.data.sketch.draws import clip, mix, rgb
from metasiren_priors.data.sketch.frame import Frame, frame
from metasiren_priors.data.sketch.traits import Traits

# Where features may lie, whatever the traits; drawing there only is several times faster than drawing everywhere.
EYES: Box = (-0.75, 0.75, -0.55, 0.55)
NOSE: Box = (-0.50, 0.50, -0.35, 0.60)
MOUTH: Box = (-0.70, 0.70, -0.35, 0.95)
LOWER: Box = (-1.00, 1.00, -0.20, 1.00)
EARS: Box = (-1.00, 1.00, -0.45, 0.70)
UPPER: Box = (-1.00, 1.00, -1.00, 0.20)
DARK = rgb(0.13, 0.08, 0.09)
WHITE = rgb(0.97, 0.97, 0.96)
COOL = rgb(0.88, 0.95, 1.10)


def background(c: Canvas, t: Traits) -> None:
    """Two colours along a slope, and a soft glow."""
    slope = clip(0.5 + 0.5 * (t.ground_x * c.x + t.ground_y * c.y) * 1.6, 0, 1)
    c.colours[...] = mix(t.ground_b, t.ground_a, slope)
    dx, dy = c.x - t.halo_x, c.y - t.halo_y
    glow = clip(1 - (dx * dx + dy * dy) / 1.1, 0, 1)
    c.lay(glow * glow * 0.75, t.halo, c.part(EVERYWHERE))


def behind(c: Canvas, t: Traits, f: Frame) -> None:
    """Hair behind the head, a bun, neck, shoulders and clothes."""
    everywhere = c.part(EVERYWHERE)
    c.lay(c.cover(f.hair, t.scale), t.hair * 0.72, everywhere)
    upper = c.part(UPPER)
    ball = ellipse(f.u[upper], f.v[upper] + 1.12, 0.34, 0.30)
    c.lay(c.cover(ball, t.scale) * t.bun, t.hair * (0.9 - 0.5 * clip(ball + 0.2, 0, 0.3)), upper)

    lower = c.part(LOWER)
    x, y = c.x[:, :, lower[2]] - t.x * 0.7, c.y[:, lower[1]]
    below = y - t.y
    neck = box(x, y - (t.y + t.scale), t.neck_width * t.scale * (1 + 0.4 * clip(below - 0.8, 0, 1)), 0.42, 0.05)
    c.lay(c.cover(neck, 1.0), t.skin * (0.62 + 0.45 * clip((below / t.scale - 1.0) * 1.6, 0, 0.8)), lower)

    collar, body = f.collar[lower], f.body[lower]
    band = (y - t.y) * 6.0
    pattern = t.stripes * (band - np.floor(band) > 0.5)
    c.lay(c.cover(body, 1.0), mix(t.cloth, t.trim, pattern), lower)
    c.lay(c.cover(np.maximum(np.abs(collar - 0.03) - 0.03, body), 1.0) * 0.8, t.trim, lower)


def head(c: Canvas, t: Traits, f: Frame) -> None:
    """Ears and the head's skin, the cheeks' colour, and hair on cheeks and chin."""
    everywhere = c.part(EVERYWHERE)
    ears = c.part(EARS)
    x, y = np.abs(f.u[ears] + 0.10 * t.yaw) - t.head_width * 0.99, f.v[ears] - 0.08
    c.lay(c.cover(ellipse(x, y, t.ear, 0.21), t.scale), t.skin * 0.93, ears)
    c.lay(c.cover(ellipse(x, y, t.ear * 0.5, 0.12), t.scale) * 0.6, t.skin * 0.74, ears)
    c.lay(c.cover(ellipse(x - 0.03, y - 0.28, 0.075, 0.075), t.scale) * t.earring, t.trim, ears)
    skin = c.cover(f.skull, t.scale)
    c.lay(skin, t.skin, everywhere)

    lower = c.part(LOWER)
    side, fv = np.abs(f.fu[lower]), f.fv[lower]
    cheek = np.square((side - 0.44) / 0.24) + np.square((fv - 0.30) / 0.19)
    c.lay(clip(1 - cheek, 0, 1) * t.blush, t.skin * rgb(1.0, 0.66, 0.66), lower)
    edge = 0.40 - 0.72 * side * side - fv
    chin = f.skull[lower] - t.beard_length * clip(2 * fv - 0.6, 0, 1)
    c.lay(c.cover(np.maximum(edge, chin), t.scale, 1.6) * t.beard, t.hair * 0.82, lower)


def mouth(c: Canvas, t: Traits, f: Frame) -> None:
    """Moustache, lips, teeth and the dark between."""
    where = c.part(MOUTH)
    fu, fv = f.fu[where], f.fv[where]
    bent = fv - t.mouth_y + t.smile * (fu * fu - 0.03)
    brush = ellipse(fu, fv - t.mouth_y + 0.15 - 0.7 * fu * fu, t.mouth_width * 1.15, 0.075)
    c.lay(c.cover(brush, t.scale) * t.moustache, t.hair * 0.78, where)
    opened = t.mouth_open
    lips = ellipse(fu, bent, t.mouth_width + 0.02, opened + t.lip)
    c.lay(c.cover(lips, t.scale), t.lips, where)
    inside = ellipse(fu, bent, t.mouth_width * (0.80 + 0.12 * (opened > 0)), opened + 0.012)
    inner = c.cover(inside, t.scale)
    c.lay(inner * (0.62 + 0.38 * (opened > 0)), DARK * rgb(2.4, 1.0, 1.1), where)
    teeth = np.maximum(ellipse(fu, bent, t.mouth_width * 0.82, opened * 0.92 + 0.005), bent - 0.05 * opened)
    c.lay(c.cover(teeth, t.scale) * (opened > 0.04), WHITE, where)
    dent = ellipse(fu, fv - t.mouth_y - 0.19, 0.16, 0.03)
    c.lay(c.cover(dent, t.scale, 1.5) * 0.22 * (1 - t.beard), t.skin * 0.6, where)


def nose(c: Canvas, t: Traits, f: Frame) -> None:
    """The nose's dark side, its underside and its bright ridge; it points where the head turns."""
    where = c.part(NOSE)
    fu, fv = f.fu[where], f.fv[where]
    lean = 0.25 * t.yaw * clip(fv + 0.1, 0, 0.5)
    x, tip = fu - lean, t.nose_length
    away = np.where(t.light_x > 0, np.float32(-1), np.float32(1))
    ridge = ellipse(x - away * t.nose_width * 0.55, fv - tip * 0.45, t.nose_width * 0.42, tip * 0.62)
    c.lay(c.cover(ridge, t.scale, 2.0) * (0.25 + 0.35 * clip(np.abs(t.light_x), 0, 1)), t.skin * 0.70, where)
    c.lay(c.cover(ellipse(x, fv - tip, t.nose_width * 1.15, 0.055), t.scale, 1.3) * 0.75, t.skin * 0.62, where)
    ball = ellipse(x, fv - tip + 0.085, t.nose_width * 0.75, 0.07)
    c.lay(c.cover(ball, t.scale, 1.5) * 0.8, clip(t.skin * 1.08, 0, 1), where)


def eyes(c: Canvas, t: Traits, f: Frame) -> None:
    """Sockets, whites, irises that look one way, lids, brows and glasses."""
    where = c.part(EYES)
    fu, fv = f.fu[where], f.fv[where]
    x, y = np.abs(fu) - t.eye_x, fv - t.eye_y
    outward = np.where(fu > 0, np.float32(1), np.float32(-1))
    socket = ellipse(x, y + 0.03, t.eye_width * 1.35, t.eye_height + 0.10)
    c.lay(c.cover(socket, t.scale, 2.5) * 0.35, t.skin * 0.74, where)
    eye = ellipse(x, y, t.eye_width, t.eye_height)
    white = c.cover(eye, t.scale)
    c.lay(white, WHITE, where)
    gx, gy = x - outward * (t.gaze_x + 0.06 * t.yaw), y - t.gaze_y
    c.lay(white * c.cover(ellipse(gx, gy, 0.112, 0.118), t.scale), t.iris, where)
    c.lay(white * c.cover(ellipse(gx, gy, 0.055, 0.058), t.scale), DARK * 0.4, where)
    spark = ellipse(gx - outward * 0.045 * np.sign(t.light_x), gy + 0.045, 0.036, 0.036)
    c.lay(white * c.cover(spark, t.scale) * 0.9, WHITE, where)
    lid = np.maximum(np.abs(eye) - 0.028 - 0.016 * t.lashes, y + 0.25 * t.eye_height)
    c.lay(c.cover(lid, t.scale) * (0.65 + 0.3 * t.lashes), DARK, where)

    arch = fv - t.brow_y - 0.7 * x * x - t.brow_tilt * x
    brow = ellipse(x, arch, t.eye_width * 1.25, t.brow_thick)
    c.lay(c.cover(brow, t.scale) * 0.92, mix(t.hair * 0.72, t.skin * 0.5, 0.2), where)

    size_x, size_y = t.eye_width + 0.09, t.eye_height * 0.4 + 0.155
    rim = box(x - 0.01, y - 0.01, size_x, size_y, mix(size_y * 0.98, size_y * 0.35, t.frame_round > 0.5))
    c.lay(c.cover(rim, t.scale) * t.glasses * mix(0.10, 0.92, t.shades), mix(WHITE, DARK, t.shades), where)
    beside = np.minimum(np.abs(fu) + size_x - t.eye_x, t.eye_x + size_x - np.abs(fu))
    bridge = np.maximum(np.abs(y + 0.03) - 0.022, beside)
    wire = np.minimum(np.abs(rim) - 0.030, bridge)
    c.lay(c.cover(np.maximum(wire, f.skull[where] - 0.03), t.scale) * t.glasses, t.frame, where)


def front(c: Canvas, t: Traits, f: Frame) -> None:
    """Hair over the forehead and beside the face, its shadow and gloss, and a hat."""
    everywhere = c.part(EVERYWHERE)
    lock = np.maximum(f.hair, -f.face)
    shade = c.cover(np.maximum(lock - 0.10, f.skull), t.scale, 2.5)
    c.lay(shade * 0.30 * (t.hair_length > -1), t.skin * 0.55, everywhere)
    arc = f.v + 0.62 - 0.35 * f.u * f.u + 0.25 * t.light_x * f.u
    gloss = clip(1 - np.abs(arc) / 0.20, 0, 1) * (1 - 0.6 * t.curl)
    strand = 0.10 * (wave(5.5 * f.u + 1.5 * f.v * f.u) - 0.5)
    c.lay(c.cover(lock, t.scale), clip(t.hair * (0.92 + strand + 0.25 * gloss) + 0.04 * gloss, 0, 1), everywhere)

    upper = c.part(UPPER)
    u, v = f.u[upper], f.v[upper]
    crown = np.maximum(ellipse(u, v + 0.08, t.head_width + 0.13, 1.10), v + 0.42 + 0.10 * u * u)
    c.lay(c.cover(crown, t.scale) * t.hat, t.hat_colour, upper)
    brim = box(u, v + 0.48 + 0.10 * u * u, t.head_width + 0.10, 0.11, 0.10)
    c.lay(c.cover(brim, t.scale) * t.hat, t.hat_colour * 0.75, upper)


def light(c: Canvas, t: Traits, f: Frame) -> None:
    """Light on head, hair and body as on a ball: warm where it falls, cooler and darker where it does not."""
    whole = np.minimum(f.skull, f.hair)
    cover = np.maximum(c.cover(whole, t.scale), c.cover(f.body, 1.0))
    nx, ny = f.u / 1.25, f.v / 1.35
    nz = np.sqrt(np.maximum(1 - nx * nx - ny * ny, np.float32(0)))
    facing = clip(nx * t.light_x + ny * t.light_y + nz * t.light_z, -0.2, 1)
    amount = 1 + t.contrast * (facing - 0.68)
    tone = mix(COOL, t.light, clip(facing, 0, 1))
    c.colours *= mix(np.float32(1), amount * tone, cover)


def portraits(traits: Traits, count: int, size: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Pictures uint8 (count, size, size, 3) of faces with these traits."""
    canvas = Canvas(count, size)
    around = frame(canvas, traits)
    background(canvas, traits)
    for layer in (behind, head, mouth, nose, eyes, front, light):
        layer(canvas, traits, around)
    return canvas.bytes()
