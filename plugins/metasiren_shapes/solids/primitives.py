"""Balls, boxes and tubes: exact signed distances, and points spread evenly over their surfaces."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from metasiren_shapes.solids.curves import SAMPLES, Curve
from metasiren_shapes.triangles import Array, unit

Rng = np.random.Generator


class Solid(ABC):
    """A solid.

    Attributes:
        area: of its surface.
        exact: whether `distance` is exact inside too; outside it always is.
    """

    area: float
    exact: bool = True

    @abstractmethod
    def distance(self, points: Array) -> Array:
        """Signed distance (points,) of points (points, 3): positive outside."""

    @abstractmethod
    def sample(self, count: int, rng: Rng) -> tuple[Array, Array]:
        """Surface points (count, 3), uniform by area, and outward normals (count, 3) of length one."""


@dataclass
class Ball(Solid):
    """All within `radius` of `centre`."""

    centre: Array
    radius: float

    def __post_init__(self) -> None:
        self.area = 4 * np.pi * self.radius**2

    def distance(self, points: Array) -> Array:
        """See `Solid.distance`."""
        found: Array = np.linalg.norm(points - self.centre, axis=-1) - self.radius
        return found

    def sample(self, count: int, rng: Rng) -> tuple[Array, Array]:
        """See `Solid.sample`."""
        normals = unit(rng.normal(size=(count, 3)))
        return self.centre + self.radius * normals, normals


@dataclass
class Box(Solid):
    """The box of half sizes `half` around `centre`, its edges along the axes."""

    centre: Array
    half: Array

    def __post_init__(self) -> None:
        a, b, c = self.half
        self.sides = np.array([b * c, a * c, a * b]) / (b * c + a * c + a * b)
        self.area = float(8 * (b * c + a * c + a * b))

    def distance(self, points: Array) -> Array:
        """See `Solid.distance`."""
        over = np.abs(points - self.centre) - self.half
        found: Array = np.linalg.norm(np.maximum(over, 0), axis=-1) + np.minimum(over.max(axis=-1), 0)
        return found

    def sample(self, count: int, rng: Rng) -> tuple[Array, Array]:
        """See `Solid.sample`."""
        axis, sign = rng.choice(3, count, p=self.sides), rng.choice([-1.0, 1.0], count)
        normals = np.eye(3)[axis] * sign[:, None]
        inside = rng.uniform(-1, 1, (count, 3))
        return self.centre + np.where(normals != 0, normals, inside) * self.half, normals


@dataclass
class Tube(Solid):
    """All within `radius` of a closed curve; the radius must be below the curve's reach."""

    curve: Curve
    radius: float
    dense: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.dense = np.linspace(0, 2 * np.pi, SAMPLES, endpoint=False)
        speed = np.linalg.norm(self.curve.at(self.dense, 1), axis=1)
        # Pappus: what bending adds on the outer side it takes from the inner one.
        self.area = float(speed.mean() * (2 * np.pi) ** 2 * self.radius)

    def distance(self, points: Array) -> Array:
        """See `Solid.distance`."""
        near = self.curve.at(self.curve.nearest(points))
        found: Array = np.linalg.norm(points - near, axis=-1) - self.radius
        return found

    def sample(self, count: int, rng: Rng) -> tuple[Array, Array]:
        """See `Solid.sample`."""
        _, most = self._stretch(self.dense, np.zeros((len(self.dense), 3)))
        found: list[tuple[Array, Array]] = []
        missing = count
        while missing > 0:
            t = rng.uniform(0, 2 * np.pi, 2 * missing + 64)
            tangent = unit(self.curve.at(t, 1))
            side = rng.normal(size=(len(t), 3))
            normals = unit(side - (side * tangent).sum(1, keepdims=True) * tangent)
            area, _ = self._stretch(t, normals)
            kept = rng.uniform(0, most, len(t)) < area
            found.append((self.curve.at(t[kept]) + self.radius * normals[kept], normals[kept]))
            missing -= int(kept.sum())
        points, normals = (np.concatenate(arrays)[:count] for arrays in zip(*found, strict=True))
        return points, normals

    def _stretch(self, t: Array, direction: Array) -> tuple[Array, float]:
        """Area for each dt and angle at `direction` from the curve, over the radius; and a bound on it."""
        speed, bend = self.curve.at(t, 1), self.curve.at(t, 2)
        length = np.linalg.norm(speed, axis=1)
        tangent = speed / length[:, None]
        curvature = (bend - (bend * tangent).sum(1, keepdims=True) * tangent) / length[:, None] ** 2
        area = length * (1 - self.radius * (curvature * direction).sum(1))
        # One per cent more than the samples: between them it may be a little greater.
        return area, float((length * (1 + self.radius * np.linalg.norm(curvature, axis=1))).max() * 1.01)


class Union(Solid):
    """Several solids as one.

    Args:
        parts: the solids.
        apart: they do not touch, so that the distance is exact inside as well.
    """

    def __init__(self, parts: Sequence[Solid], *, apart: bool) -> None:
        self.parts, self.exact = parts, apart and all(part.exact for part in parts)
        self.apart = apart
        self.area = sum(part.area for part in parts)  # of overlapping parts: an upper bound

    def distance(self, points: Array) -> Array:
        """See `Solid.distance`; inside overlapping parts, the depth is at least this."""
        found = self.parts[0].distance(points)
        for part in self.parts[1:]:
            found = np.minimum(found, part.distance(points))
        return found

    def sample(self, count: int, rng: Rng) -> tuple[Array, Array]:
        """See `Solid.sample`."""
        shares = np.array([part.area for part in self.parts]) / self.area
        found: list[tuple[Array, Array]] = []
        missing = count
        while missing > 0:
            counts = rng.multinomial(missing if self.apart else 2 * missing + 64, shares)
            drawn = [part.sample(int(n), rng) for part, n in zip(self.parts, counts, strict=True) if n]
            points, normals = (np.concatenate(arrays) for arrays in zip(*drawn, strict=True))
            order = rng.permutation(len(points))
            points, normals = points[order], normals[order]
            if not self.apart:
                # What lies within another part is no surface of the whole.
                bare = self.distance(points) > -1e-9
                points, normals = points[bare], normals[bare]
            found.append((points, normals))
            missing -= len(points)
        points, normals = (np.concatenate(arrays)[:count] for arrays in zip(*found, strict=True))
        return points, normals
