"""Random numbers, mixtures and colours for many faces at once, the same on every machine.

Every operation here and in the drawing is one that IEEE 754 rounds correctly: raw words of Philox, a counter-based
generator, then sums, products, quotients, square roots, comparisons and table look-ups in float32. No sine, logarithm
or matrix product, whose last bits differ from platform to platform.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

DRAWS = 128
"""Raw draws set aside for one face; a multiple of 4, the number of words that one step of Philox gives."""


class Draws:
    """Uniform numbers for every face, consumed trait by trait: trait k of face i does not depend on other faces."""

    def __init__(self, seed: int, stream: int, first: int, count: int) -> None:
        # The counter starts where face `first` starts; a step of Philox gives four words.
        bits = np.random.Philox(key=np.array([seed, stream], dtype=np.uint64), counter=first * (DRAWS // 4))
        raw = bits.random_raw(count * DRAWS).reshape(count, DRAWS)
        # 24 bits are exact in float32.
        units: Floats = (raw >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
        self._u = units.T.reshape(DRAWS, count, 1, 1)
        self._used = 0

    def __call__(self, low: float = 0.0, high: float = 1.0) -> Floats:
        """(faces, 1, 1) uniform in [low, high)."""
        self._used += 1
        return np.asarray(np.float32(low) + np.float32(high - low) * self._u[self._used - 1])

    def bell(self, middle: float, spread: float) -> Floats:
        """(faces, 1, 1) in middle ± spread, the middle likelier: the mean of two uniform numbers."""
        return np.float32(middle) + np.float32(spread) * (self() + self() - 1)

    def chance(self, probability: Floats | float) -> Floats:
        """(faces, 1, 1): 1 with the given probability, else 0."""
        return np.asarray(self() < probability, dtype=np.float32)


def clip(x: Any, low: float, high: float) -> Floats:
    """`x` limited to [low, high]."""
    raised = np.asarray(np.maximum(x, np.float32(low)), dtype=np.float32)
    return np.minimum(raised, np.float32(high), out=raised)


def mix(a: Any, b: Any, t: Any) -> Floats:
    """`a` where t is 0, `b` where t is 1."""
    return np.asarray(a + (b - a) * t, dtype=np.float32)


def palette(colours: list[tuple[float, float, float]], position: Floats) -> Floats:
    """Colours (3, faces, 1, 1) at positions in [0, 1] along a list, neighbours mixed."""
    table = np.array(colours, dtype=np.float32)
    at = clip(position, 0, 1) * np.float32(len(colours) - 1)
    low = np.minimum(at.astype(np.int64), len(colours) - 2)
    mixed = mix(table[low], table[low + 1], (at - low.astype(np.float32))[..., None])
    return np.ascontiguousarray(np.moveaxis(mixed, -1, 0))


def rgb(red: float, green: float, blue: float) -> Floats:
    """One colour (3, 1, 1, 1) for all faces."""
    return np.array([red, green, blue], dtype=np.float32).reshape(3, 1, 1, 1)


def colour(hue: Floats, saturation: Floats, value: Floats) -> Floats:
    """Colours (3, faces, 1, 1) from hue (a turn is 1), saturation and value in [0, 1]."""
    six = (hue - np.floor(hue)) * 6
    red, green, blue = np.abs(six - 3) - 1, 2 - np.abs(six - 2), 2 - np.abs(six - 4)
    pure = np.stack([clip(c, 0, 1) for c in (red, green, blue)])
    return np.asarray(value * (1 - saturation * (1 - pure)), dtype=np.float32)
