"""The solids that a recipe can name."""

from __future__ import annotations

import numpy as np

from metasiren_shapes.solids.curves import ellipse, torus_knot
from metasiren_shapes.solids.primitives import Ball, Box, Solid, Tube, Union

X, Y, Z = np.eye(3)


def sphere() -> Solid:
    """The unit sphere."""
    return Ball(0 * X, 1.0)


def box() -> Solid:
    """A box with sides 2, 1.4 and 1."""
    return Box(0 * X, np.array([1.0, 0.7, 0.5]))


def torus() -> Solid:
    """A ring of radius 1, as thick as 0.7."""
    return Tube(ellipse(0 * X, X, Y), 0.35)


def chain() -> Solid:
    """Five linked oval rings in a row, every other one turned by a right angle."""
    rings = [Tube(ellipse(1.1 * i * X, 0.8 * X, 0.5 * (Y if i % 2 else Z)), 0.12) for i in range(-2, 3)]
    return Union(rings, apart=True)


def knot() -> Solid:
    """A thin tube, three times around a torus and seven times around its ring."""
    return Tube(torus_knot(3, 7, 1.0, 0.45), 0.09)


def dust() -> Solid:
    """Eighty balls of radii from 0.02 to 0.25, apart by 0.02 or more; the same ones always."""
    rng, balls = np.random.default_rng(0), list[Ball]()
    for radius in 0.25 * 0.08 ** np.linspace(0, 1, 80):
        while True:
            centre = rng.uniform(-1 + radius, 1 - radius, 3)
            if all(np.linalg.norm(centre - b.centre) > radius + b.radius + 0.02 for b in balls):
                balls.append(Ball(centre, float(radius)))
                break
    return Union(balls, apart=True)


def room() -> Solid:
    """The corner of a room: floor, two walls, a table with four legs, two stools, shelves with balls, a lamp."""

    def plank(x: float, y: float, z: float, a: float, b: float, c: float) -> Solid:
        return Box(np.array([x, y, z]), np.array([a, b, c]))

    parts: list[Solid] = [
        plank(0, 0, -0.65, 1, 1, 0.05), plank(-0.95, 0, 0, 0.05, 1, 0.7), plank(0, 0.95, 0, 1, 0.05, 0.7),
        plank(0.1, 0.1, -0.15, 0.45, 0.3, 0.03),
    ]  # fmt: skip
    parts += [plank(0.1 + 0.4 * i, 0.1 + 0.25 * j, -0.39, 0.03, 0.03, 0.24) for i in (-1, 1) for j in (-1, 1)]
    for x, y in ((0.1, -0.45), (0.75, 0.1)):
        parts += [plank(x, y, -0.35, 0.14, 0.14, 0.025)]
        parts += [plank(x + 0.11 * i, y + 0.11 * j, -0.48, 0.02, 0.02, 0.13) for i in (-1, 1) for j in (-1, 1)]
    for row, z in enumerate((0.1, 0.38)):
        parts += [plank(-0.78, 0.1, z, 0.14, 0.6, 0.02)]
        parts += [Ball(np.array([-0.78, 0.1 + 0.28 * k, z + 0.075 + 0.01 * k]), 0.07) for k in range(row - 2, 3)]
    parts += [plank(0.1, 0.1, -0.08, 0.02, 0.02, 0.07), Ball(np.array([0.1, 0.1, 0.05]), 0.1)]
    return Union(parts, apart=False)
