"""Solids whose distance and surface are known exactly: they need no file, and errors of fits are exact."""

from __future__ import annotations

from typing import Literal, get_args

from metasiren_shapes.solids.primitives import Solid

SolidName = Literal["sphere", "box", "torus", "chain", "knot", "dust", "room"]
NAMES: tuple[str, ...] = get_args(SolidName)


def make_solid(name: SolidName) -> Solid:
    """A solid by its name.

    `sphere`, `box` and `torus` are easy. `chain` is five linked rings, which do not touch; `knot` a thin tube
    knotted around a torus; `dust` eighty balls of all sizes, apart from one another; `room` a furnished corner of
    planks and balls that run into one another, so that its distance is exact outside only.
    """
    from metasiren_shapes.solids import named

    solid: Solid = getattr(named, name)()
    return solid
