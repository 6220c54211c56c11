"""Sources of waves, and where the paper's inversion puts its five sources and thirty receivers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from metasiren import RecipeError
from metasiren_physics.arrays import A, Real, exp


@dataclass(frozen=True)
class Gaussian:
    """s g(x), with g of unit integral: g = exp(-r²/2σ²) / 2πσ².

    Args:
        position: its centre.
        variance: σ² along each axis.
        strength: s.
    """

    position: tuple[float, float] = (0.0, 0.0)
    variance: float = 1e-4
    strength: complex = 1 + 1j

    def __post_init__(self) -> None:
        if not (self.variance > 0 and math.isfinite(self.variance)):
            raise RecipeError("source: variance", f"{self.variance}.", "Give a positive number; the paper has 1e-4.")
        if not np.isfinite([*self.position, self.strength]).all():
            raise RecipeError("source", f"not finite: {self.position}, {self.strength}.", "Give finite numbers.")

    def density(self, points: A) -> A:
        """The unit Gaussian g (...) at points (..., 2), real."""
        squares = self.distance_squared(points)
        return exp(squares * (-0.5 / self.variance)) / (2 * math.pi * self.variance)

    def __call__(self, points: A) -> A:
        """The source s g (...) at points (..., 2), complex."""
        return self.density(points) * self.strength

    def distance_squared(self, points: A) -> A:
        """r² (...) of points (..., 2) from the centre."""
        found: A = (points[..., 0] - self.position[0]) ** 2 + (points[..., 1] - self.position[1]) ** 2
        return found

    def radius(self, least: float = 1e-5) -> float:
        """Where g has fallen to `least`; the paper's code takes it as zero beyond (0.061 for a variance of 1e-4)."""
        peak = 1 / (2 * math.pi * self.variance)
        return math.sqrt(2 * self.variance * math.log(max(peak / least, 1.0)))


def paper_sources() -> tuple[tuple[float, float], ...]:
    """The five sources of the paper's inversion: a line along the lower side."""
    return tuple((x, -0.347) for x in (0.347, 0.174, 0.0, -0.174, -0.347))


def paper_receivers() -> Real:
    """The thirty receivers (30, 2) of the paper's inversion: ten along each of the three other sides."""
    along, up = np.linspace(-0.347, 0.347, 10), np.linspace(-0.253, 0.402, 10)
    far = np.full(10, 0.402)
    return np.concatenate([np.stack(pair, -1) for pair in ((along, far), (far, up), (-far, up))])
