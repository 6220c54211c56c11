"""The perfectly matched layer of the paper's supplement, Eq. 11.

    ∂1(e2/e1 ∂1 u) + ∂2(e1/e2 ∂2 u) + e1 e2 k² m u = f,    e_i = 1 - j a0 (d_i / L)²,

where d_i is the distance that x_i has gone into the layer |x_i| > start, and L its width. Inside, e = 1 and the
equation is the Helmholtz equation. A wave is damped by exp(-k a0 L / 3) on its way through: 6e-8 at k = 20.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Generic

from torch import Tensor

from metasiren import RecipeError
from metasiren_physics.arrays import A


@dataclass(frozen=True)
class Coefficients(Generic[A]):
    """Complex factors of Eq. 11 at points (...), for the form without outer derivatives.

    a u_11 + a_1 u_1 + b u_22 + b_2 u_2 + c k² m u = f, with a = e2/e1, b = e1/e2, c = e1 e2,
    a_1 = ∂a/∂x1 and b_2 = ∂b/∂x2.
    """

    a: A
    a_1: A
    b: A
    b_2: A
    c: A


@dataclass(frozen=True)
class Pml:
    """An absorbing layer along the border of [-1, 1]².

    Args:
        width: L, its width; the physics is |x| < 1 - width.
        strength: a0, how much it damps.
    """

    width: float = 0.5
    strength: float = 5.0

    def __post_init__(self) -> None:
        if not 0 < self.width < 1:
            raise RecipeError("pml: width", f"{self.width} leaves no room for it and the physics.", "0 < width < 1.")
        if not (self.strength > 0 and math.isfinite(self.strength)):
            raise RecipeError("pml: strength", f"{self.strength} does not damp.", "Give a positive number; 5 is usual.")

    @property
    def start(self) -> float:
        """Where the layer begins: the physics is |x_i| < start."""
        return 1 - self.width

    def stretch(self, x: A) -> A:
        """e(x), complex, of one coordinate x (...)."""
        depth: A = (abs(x) - self.start).clip(min=0.0) / self.width
        found: A = 1 - 1j * self.strength * depth**2
        return found

    def stretch_slope(self, x: A) -> A:
        """de/dx, imaginary, of one coordinate x (...)."""
        depth: A = (abs(x) - self.start).clip(min=0.0) / self.width
        side: A = (x > 0) * 2.0 - 1.0
        found: A = -2j * self.strength / self.width * depth * side
        return found

    def coefficients(self, points: A) -> Coefficients[A]:
        """The factors of Eq. 11 at points (..., 2)."""
        x, y = points[..., 0], points[..., 1]
        e1, e2 = self.stretch(x), self.stretch(y)
        a, b = e2 / e1, e1 / e2
        return Coefficients(a, -a * self.stretch_slope(x) / e1, b, -b * self.stretch_slope(y) / e2, e1 * e2)

    def attenuation(self, points: Tensor, wavenumber: float) -> Tensor:
        """How much weaker a wave of speed 1 is at points (..., 2) than where it entered the layer: 1 in the physics.

        exp(-k a0 (d1³ + d2³) / 3L²), which is exact for waves along an axis; (...).
        """
        depth = (points.abs() - self.start).clamp(min=0.0)
        found: Tensor = (depth**3).sum(-1).mul(-wavenumber * self.strength / (3 * self.width**2)).exp()
        return found

    def physical(self, points: A) -> A:
        """Which of the points (..., 2) lie where nothing is damped; bool (...)."""
        x, y = abs(points[..., 0]), abs(points[..., 1])
        inside: A = (x < self.start) & (y < self.start)
        return inside
