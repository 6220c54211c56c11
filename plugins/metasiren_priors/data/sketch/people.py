"""Random attributes of faces, correlated as people's are, and the traits that follow from them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from metasiren_priors.data.sketch.draws import Draws, Floats, clip, colour, mix, palette, rgb
from metasiren_priors.data.sketch.traits import Traits

SKIN = [(0.99, 0.87, 0.77), (0.96, 0.78, 0.64), (0.88, 0.67, 0.50)]
SKIN += [(0.74, 0.52, 0.36), (0.55, 0.36, 0.25), (0.38, 0.25, 0.18)]
HAIR = [(0.09, 0.07, 0.08), (0.20, 0.12, 0.09), (0.38, 0.23, 0.13), (0.56, 0.27, 0.13)]
HAIR += [(0.80, 0.43, 0.17), (0.87, 0.68, 0.36), (0.95, 0.88, 0.68)]
DYED = [(0.93, 0.45, 0.62), (0.20, 0.62, 0.64), (0.52, 0.36, 0.70), (0.25, 0.42, 0.80)]
IRIS = [(0.24, 0.13, 0.07), (0.36, 0.23, 0.09), (0.30, 0.47, 0.24), (0.24, 0.47, 0.76), (0.46, 0.54, 0.60)]

# One row a hair style. How likely (a weight) at the masculine and at the feminine end of `manner`; volume above and
# at the sides; length (height where it ends: -1 crown, 1 chin); hairline; half-width of the face's opening; its
# boxiness (1: a straight fringe); curls; bun. Lengths are in half-heights of the head.
STYLES = {
    "bald": (3.0, 0.1, -0.10, -0.10, -1.50, -1.50, 1.40, 0.0, 0.0, 0.0),
    "cropped": (5.0, 0.5, 0.05, 0.02, -0.12, -0.66, 0.90, 0.5, 0.0, 0.0),
    "short": (8.0, 1.0, 0.17, 0.05, -0.06, -0.52, 0.88, 0.2, 0.0, 0.0),
    "swept": (7.0, 1.0, 0.22, 0.05, -0.04, -0.46, 0.86, 0.1, 0.0, 0.0),
    "spiky": (4.0, 0.5, 0.22, 0.07, -0.02, -0.50, 0.88, 0.4, 0.0, 0.0),
    "curls": (4.0, 3.0, 0.26, 0.20, 0.20, -0.46, 0.80, 0.3, 0.8, 0.0),
    "afro": (2.0, 2.5, 0.42, 0.42, 0.45, -0.50, 0.84, 0.3, 0.5, 0.0),
    "fringe": (0.7, 5.0, 0.18, 0.14, 0.85, -0.30, 0.74, 0.9, 0.0, 0.0),
    "bob": (0.3, 5.0, 0.18, 0.18, 0.95, -0.55, 0.76, 0.1, 0.0, 0.0),
    "long": (0.8, 7.0, 0.17, 0.16, 1.90, -0.60, 0.74, 0.0, 0.0, 0.0),
    "wavy": (0.3, 6.0, 0.22, 0.24, 1.70, -0.52, 0.74, 0.1, 0.8, 0.0),
    "bun": (0.4, 4.0, 0.10, 0.05, 0.00, -0.58, 0.88, 0.0, 0.0, 1.0),
}


class Person(NamedTuple):
    """Attributes on which many traits depend: (faces, 1, 1) in [0, 1] each."""

    feminine: Floats
    age: Floats
    old: Floats
    melanin: Floats


class Expression(NamedTuple):
    """Mood (negative: sad), the turn of the head and how wide the mouth is open: (faces, 1, 1) each."""

    mood: Floats
    joy: Floats
    turn: Floats
    mouth_open: Floats


class HairStyle(NamedTuple):
    """A row of `STYLES` for each face, and whether it is a style that other traits depend on: (faces, 1, 1) each."""

    top: Floats
    side: Floats
    length: Floats
    line: Floats
    opening: Floats
    boxiness: Floats
    curl: Floats
    bun: Floats
    spikes: Floats
    swept: Floats
    hairy: Floats
    volume: Floats


class Light(NamedTuple):
    """Where the light comes from, its colour temperature in [-1, 1] and the brightness of the scene in [0, 1]."""

    x: Floats
    y: Floats
    z: Floats
    warmth: Floats
    day: Floats


Parts = dict[str, Floats]


def draw_traits(seed: int, stream: int, first: int, count: int) -> Traits:
    """The attributes of faces `first` to `first + count` of a stream; they depend on each other as people's do.

    Random numbers are consumed in the order of these lines: another order gives other faces.
    """
    u = Draws(seed, stream, first, count)
    person = _person(u)
    style = _hair_style(u, person)
    complexion = _complexion(u, person)
    expression = _expression(u)
    light = _light(u)
    ground = _ground(u, light)
    cloth_hue, cloth_value = u(), u(0.15, 0.92)
    lipstick = colour(u(-0.06, 0.02), u(0.55, 0.8), u(0.6, 0.85))
    glasses = u.chance(0.13 + 0.22 * person.age)
    beard = u.chance(0.46 * clip(1 - 2.2 * person.feminine, 0, 1) * clip(3 * person.age, 0, 1))
    hat = u.chance(0.07)
    return Traits(
        **_head(u, person, style, expression),
        **_hair_shape(u, person, style, hat),
        **_eyes(u, person, expression),
        **_nose_and_mouth(u, person, expression),
        glasses=glasses,
        shades=u.chance(0.22),
        frame_round=u(),
        **_beard(u, person, beard),
        earring=u.chance(0.5 * person.feminine),
        **_body(u, person),
        **_lighting(u, light),
        **complexion,
        lips=mix(complexion["skin"] * rgb(0.92, 0.62, 0.60), lipstick, person.feminine * u(0.2, 0.9)),
        cloth=colour(cloth_hue, u(0.1, 0.75), cloth_value),
        trim=colour(cloth_hue + u(-0.2, 0.2), u(0.0, 0.6), clip(1.15 - cloth_value, 0.15, 0.95)),
        frame=mix(np.float32(0.08), palette([*HAIR[1:4], *DYED], u()), u.chance(0.4)),
        hat_colour=colour(u(), u(0.3, 0.8), u(0.3, 0.9)),
        **ground,
        halo=clip(ground["ground_a"] + u(0.05, 0.25), 0, 1),
        light=1 + rgb(0.09, 0.01, -0.10) * light.warmth,
    )


def _person(u: Draws) -> Person:
    manner, age, melanin = u(), u(), clip(u() * (0.35 + 0.65 * u()), 0, 1)
    return Person(clip(2.6 * manner - 0.8, 0, 1), age, clip(4 * age - 3, 0, 1), melanin)


def _hair_style(u: Draws, person: Person) -> HairStyle:
    table = np.array(list(STYLES.values()), dtype=np.float32)
    chances = mix(table[:, 0], table[:, 1], person.feminine[..., None])
    edges = [sum(chances[..., j] for j in range(k + 1)) for k in range(len(STYLES))]  # in order: exact everywhere
    pick = u() * edges[-1]
    style = np.minimum(sum((pick >= edge).astype(np.int64) for edge in edges), len(STYLES) - 1)
    spikes, swept = ((style == list(STYLES).index(name)).astype(np.float32) for name in ("spiky", "swept"))
    hairy = (style > 0).astype(np.float32)
    return HairStyle._make([*np.moveaxis(table[style], -1, 0)[2:], spikes, swept, hairy, u.bell(1.0, 0.35)])


def _complexion(u: Draws, person: Person) -> Parts:
    """Colours of skin, hair and irises."""
    natural = palette(HAIR, u() * (1.08 - 1.0 * clip(2.2 * person.melanin, 0, 1)))
    dyed = palette(DYED, u())
    grey = np.float32(1) * u(0.58, 0.9)
    hair = mix(natural, dyed, u.chance(0.06))
    hair = mix(hair, np.stack([grey * 1.0, grey * 0.99, grey * 0.97]), person.old * u.chance(0.8))
    skin = palette(SKIN, person.melanin) * (1 + rgb(0.03, 0.0, -0.04) * u(-1, 1))
    iris = palette(IRIS, u() * (1.0 - clip(2.4 * person.melanin - 0.3, 0, 1)))
    return {"skin": skin, "hair": hair, "iris": iris}


def _expression(u: Draws) -> Expression:
    mood, turn = u.bell(0.35, 0.75), u.bell(0.0, 0.36)
    joy = clip(mood, 0, 1)
    mouth_open = mix(u.chance(0.12) * u(0.4, 1.0), u.chance(0.55) * u(0.35, 1.0), joy)
    return Expression(mood, joy, turn, mouth_open)


def _light(u: Draws) -> Light:
    x, y = u.bell(0, 0.85), u(-0.75, -0.05)
    z = np.sqrt(1 - np.minimum(x * x + y * y, np.float32(0.9)))
    return Light(x, y, z, warmth=u(-1, 1), day=u(0, 1))


def _ground(u: Draws, light: Light) -> Parts:
    """The two colours of the background."""
    hue = mix(np.float32(0.60), np.float32(0.07), (light.warmth > 0.1).astype(np.float32)) + u.bell(0.0, 0.20)
    value, saturation = 0.28 + 0.67 * light.day, u(0.05, 0.60) * u(0.4, 1.0)
    value_b = clip(value * u(0.6, 1.25), 0, 1)
    return {
        "ground_a": colour(hue, saturation, value),
        "ground_b": colour(hue + u(-0.12, 0.12), saturation * u(0.3, 1.2), value_b),
    }


def _head(u: Draws, person: Person, style: HairStyle, expression: Expression) -> Parts:
    """Place, pose and outline of the head."""
    return {
        "x": u.bell(0, 0.07) - 0.12 * expression.turn,
        "y": u.bell(0.04, 0.06),
        "scale": u.bell(0.67, 0.05) - 0.05 * clip(style.side - 0.1, 0, 1),
        "tilt": u.bell(0, 0.10),
        "yaw": expression.turn,
        "pitch": u.bell(0, 0.13),
        "head_width": u.bell(0.80, 0.07) - 0.02 * person.feminine,
        "jaw": clip(u.bell(0.35, 0.35) + 0.25 * (1 - person.feminine), 0, 1),
        "taper": u(0.05, 0.22) + 0.10 * person.feminine,
        "ear": u(0.10, 0.16),
    }


def _hair_shape(u: Draws, person: Person, style: HairStyle, hat: Floats) -> Parts:
    receding = 0.22 * person.old
    return {
        "hair_top": style.top * style.volume,
        "hair_side": style.side * style.volume,
        "hair_length": style.length + u.bell(0, 0.12) * style.hairy,
        "hairline": clip(style.line + u.bell(0, 0.07) - receding * u.chance(0.5) * (1 - person.feminine), -1.5, 1),
        "opening": style.opening,
        "boxiness": style.boxiness,
        "parting": mix(u.bell(0, 0.25), np.sign(u(-1, 1)) * u(0.25, 0.5), style.swept),
        "curl": style.curl,
        "spikes": style.spikes,
        "bun": style.bun * (1 - hat),
        "hat": hat,
    }


def _eyes(u: Draws, person: Person, expression: Expression) -> Parts:
    """Eyes and eyebrows."""
    narrowed = 0.03 * expression.joy * expression.mouth_open
    return {
        "eye_x": u.bell(0.335, 0.04),
        "eye_y": u.bell(-0.02, 0.05),
        "eye_width": u.bell(0.185, 0.03) + 0.01 * person.feminine,
        "eye_height": clip(u.bell(0.145, 0.055) + 0.02 * person.feminine - narrowed - 0.02 * person.old, 0.05, 0.25),
        "gaze_x": u.bell(0, 0.08),
        "gaze_y": u.bell(0, 0.045),
        "lashes": clip(person.feminine + u(-0.3, 0.3), 0, 1),
        "brow_y": u.bell(-0.32, 0.06) - 0.04 * expression.mouth_open,
        "brow_tilt": u.bell(0.0, 0.25) - 0.12 * clip(-expression.mood, 0, 1),
        "brow_thick": u.bell(0.055, 0.02) + 0.015 * (1 - person.feminine),
    }


def _nose_and_mouth(u: Draws, person: Person, expression: Expression) -> Parts:
    return {
        "nose_length": u.bell(0.27, 0.06),
        "nose_width": u.bell(0.115, 0.03) + 0.03 * person.melanin,
        "mouth_y": u.bell(0.545, 0.04),
        "mouth_width": u.bell(0.27, 0.06) + 0.07 * expression.joy,
        "mouth_open": expression.mouth_open * u(0.10, 0.19),
        "smile": 1.5 * expression.mood,
        "lip": u.bell(0.055, 0.015) + 0.012 * person.feminine,
        "blush": u(0, 0.5) * (0.35 + 0.65 * person.feminine) * (1 - person.melanin),
    }


def _beard(u: Draws, person: Person, beard: Floats) -> Parts:
    return {
        "beard": beard * mix(np.float32(0.95), u(0.3, 0.6), u.chance(0.35)),
        "beard_length": u(0, 0.22) * u.chance(0.6),
        "moustache": np.maximum(beard * u.chance(0.85), u.chance(0.10) * clip(1 - 3 * person.feminine, 0, 1)),
    }


def _body(u: Draws, person: Person) -> Parts:
    """Neck, shoulders and the cut of the clothes."""
    return {
        "neck_width": u.bell(0.42, 0.06) - 0.06 * person.feminine,
        "shoulders": u.bell(0.80, 0.10) - 0.10 * person.feminine,
        "neckline": u(0, 1),
        "stripes": u.chance(0.22),
    }


def _lighting(u: Draws, light: Light) -> Parts:
    """Light on the face, and where the background is brightest."""
    return {
        "light_x": light.x,
        "light_y": light.y,
        "light_z": light.z,
        "contrast": u(0.15, 0.75) * (1.1 - 0.4 * light.day),
        "ground_x": light.x * 0.4 + u(-0.25, 0.25),
        "ground_y": u(-0.5, 0.2),
        "halo_x": light.x * 0.9,
        "halo_y": u(-0.9, 0.1),
    }
