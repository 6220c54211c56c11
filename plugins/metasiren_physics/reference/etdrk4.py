"""Semilinear equations on a periodic interval by Fourier series and exponential time differencing of order four.

    û_t = L û + N(û)    for Fourier coefficients û of a function on [-1, 1].

(Cox and Matthews 2002; coefficients by contour means as in Kassam and Trefethen 2005, "Fourth-order time-stepping for
stiff PDEs", section 3.) The defaults are accurate to 1e-10, which tests check against finer grids and shorter steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from metasiren_physics.arrays import Complex, Real

CONTOUR = 64


@dataclass(frozen=True)
class Semilinear:
    """An equation, its start and its discretisation.

    Attributes:
        linear: L of each mode (modes,).
        nonlinear: û -> N(û), both (modes,).
        start: û at t = 0, scaled as `numpy.fft.rfft` does over `points` points from x = -1 on.
        points: number of grid points; there are points / 2 + 1 modes.
        step: the longest time step.
    """

    linear: Complex
    nonlinear: Callable[[Complex], Complex]
    start: Complex
    points: int
    step: float


def solve(equation: Semilinear, times: Real, x: Real) -> Real:
    """The solution (times, places).

    Args:
        equation: what to solve.
        times: (times,), ascending from 0 or later on.
        x: places (places,) in [-1, 1]; the series is summed there, not interpolated.
    """
    modes = np.arange(len(equation.linear))
    weight = np.where((modes == 0) | (2 * modes == equation.points), 1.0, 2.0) / equation.points
    basis = weight[:, None] * np.exp(1j * np.pi * np.outer(modes, x + 1))
    now, state, made = 0.0, equation.start, []
    coefficients: dict[float, tuple[Complex, ...]] = {}
    for t in times:
        steps = max(1, int(np.ceil((t - now) / equation.step - 1e-9))) if t > now else 0
        h = float(np.round((t - now) / max(steps, 1), 15))
        if steps and h not in coefficients:
            coefficients = {h: _coefficients(equation.linear, h)}
        for _ in range(steps):
            state = _advance(state, equation.nonlinear, *coefficients[h])
        now = float(t)
        made.append((state @ basis).real)
    return np.stack(made)


def _coefficients(linear: Complex, h: float) -> tuple[Complex, ...]:
    """E, E2, Q, f1, f2, f3 of Kassam and Trefethen, each (modes,)."""
    circle = np.exp(2j * np.pi * (np.arange(CONTOUR) + 0.5) / CONTOUR)
    z = h * linear[:, None] + circle
    e = np.exp(z)
    q = h * ((np.exp(z / 2) - 1) / z).mean(1)
    f1 = h * ((-4 - z + e * (4 - 3 * z + z**2)) / z**3).mean(1)
    f2 = h * ((2 + z + e * (z - 2)) / z**3).mean(1)
    f3 = h * ((-4 - 3 * z - z**2 + e * (4 - z)) / z**3).mean(1)
    return np.exp(h * linear), np.exp(h * linear / 2), q, f1, f2, f3


def _advance(
    u: Complex,
    nonlinear: Callable[[Complex], Complex],
    whole: Complex,
    half: Complex,
    q: Complex,
    f1: Complex,
    f2: Complex,
    f3: Complex,
) -> Complex:
    n_u = nonlinear(u)
    a = half * u + q * n_u
    n_a = nonlinear(a)
    b = half * u + q * n_a
    n_b = nonlinear(b)
    n_c = nonlinear(half * a + q * (2 * n_b - n_u))
    found: Complex = whole * u + n_u * f1 + 2 * (n_a + n_b) * f2 + n_c * f3
    return found


def allen_cahn(points: int = 2048, step: float = 1e-3, diffusivity: float = 1e-4, rate: float = 5.0) -> Semilinear:
    """u_t = κ u_xx + 5 (u - u³) from x² cos(πx), periodic in [-1, 1].

    The start has a kink at ±1, whose series converges slowly: its coefficients are exact, not those of its samples.
    """
    k = np.arange(points // 2 + 1, dtype=np.float64)

    def moment(n: Real) -> Real:
        """The integral of x² cos(nπx) over [-1, 1]."""
        return np.where(n == 0, 2 / 3, 4 * (-1.0) ** n / (np.pi * np.where(n == 0, 1, n)) ** 2)

    cosine = (moment(k - 1) + moment(k + 1)) / 2
    # Samples start at x = -1, where cos(kπx) is (-1)^k; rfft carries half of each amplitude, and `points`.
    start = points * cosine * (-1.0) ** k / 2
    start[-1] *= 2
    wanted = rate - diffusivity * (np.pi * k) ** 2

    def nonlinear(u: Complex) -> Complex:
        return -rate * np.fft.rfft(np.fft.irfft(u, points) ** 3)

    return Semilinear(wanted.astype(complex), nonlinear, start.astype(complex), points, step)


def kdv(points: int = 512, step: float = 5e-5, dispersion: float = 0.022) -> Semilinear:
    """u_t + u u_x + δ² u_xxx = 0 from cos(πx), periodic in [-1, 1] (Zabusky and Kruskal 1965, half their period)."""
    k = np.arange(points // 2 + 1)
    x = -1 + 2 * np.arange(points) / points
    ik = 1j * np.pi * k
    kept = k < points / 3

    def nonlinear(u: Complex) -> Complex:
        return -0.5 * ik * np.fft.rfft(np.fft.irfft(u * kept, points) ** 2) * kept

    start: Complex = np.fft.rfft(np.cos(np.pi * x)).astype(np.complex128)
    return Semilinear((-(dispersion**2) * ik**3).astype(np.complex128), nonlinear, start, points, step)
