"""A disc of another speed beside a point source: the plane's Mie series.

About the disc's centre, the source's wave is (j/4) Σ Jn(kr) Hn(kR) e^{jnθ} for r < R (Graf's addition theorem; all H
are of the second kind). The disc scatters (j/4) Σ bn Hn(kr) Hn(kR) e^{jnθ} outside and (j/4) Σ cn Jn(k'r) Hn(kR)
e^{jnθ} inside, where u and ∂u/∂r go through r = a without a jump:

    bn = (k' J'n(k'a) Jn(ka) - k J'n(ka) Jn(k'a)) / D,   cn = -2j / (π a D),
    D  =  k H'n(ka) Jn(k'a) - k' J'n(k'a) Hn(ka).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy.special import h2vp, hankel2, jv, jvp

from metasiren import RecipeError
from metasiren_physics.arrays import Complex, Real
from metasiren_physics.media import Disc

MOST_ORDERS = 120
"""Beyond this Bessel functions of small arguments leave the range of doubles."""


def scattered(disc: Disc, source: tuple[float, float], k: float, points: Complex) -> Complex:
    """The wave that the disc scatters (points,) outside it, for a unit point source.

    Args:
        disc: the disc.
        source: position of the point source, outside the disc.
        k: wavenumber outside.
        points: (points, 2) outside the disc, complex where an absorbing layer stretches them.
    """
    far, orders = _geometry(disc, source, k)
    inner = k * disc.background / disc.inside
    n = np.arange(orders, dtype=np.float64)
    numerator = inner * jvp(n, inner * disc.radius) * jv(n, k * disc.radius)
    numerator -= k * jvp(n, k * disc.radius) * jv(n, inner * disc.radius)
    series = numerator / _denominator(disc, k, inner, n) * hankel2(n, k * far)
    r, cosine = _polar(disc, source, points)
    total = np.zeros(len(points), dtype=np.complex128)
    for order, h, angle in zip(range(orders), _hankels(k * r, orders), _cosines(cosine), strict=False):
        total += (1 if order == 0 else 2) * series[order] * h * angle
    return 0.25j * total


def transmitted(disc: Disc, source: tuple[float, float], k: float, points: Real) -> Complex:
    """The wave (points,) at points (points, 2) in the disc, for a unit point source outside."""
    far, orders = _geometry(disc, source, k)
    inner = k * disc.background / disc.inside
    n = np.arange(orders, dtype=np.float64)
    series = -2j / (math.pi * disc.radius) / _denominator(disc, k, inner, n) * hankel2(n, k * far)
    r, cosine = _polar(disc, source, points.astype(np.complex128))
    total = np.zeros(len(points), dtype=np.complex128)
    for order, angle in zip(range(orders), _cosines(cosine), strict=False):
        total += (1 if order == 0 else 2) * series[order] * jv(order, inner * r.real) * angle
    return 0.25j * total


def _denominator(disc: Disc, k: float, inner: float, n: Real) -> Complex:
    a = disc.radius
    found: Complex = k * h2vp(n, k * a) * jv(n, inner * a) - inner * jvp(n, inner * a) * hankel2(n, k * a)
    return found


def _geometry(disc: Disc, source: tuple[float, float], k: float) -> tuple[float, int]:
    """The source's distance from the centre, and the number of orders beyond which terms are below 1e-16."""
    far = math.dist(source, disc.centre)
    if far <= disc.radius:
        raise RecipeError("disc series", f"the source {source} lies in the disc.", "Move it out, or use the grid.")
    fastest = k * disc.radius * max(1.0, disc.background / disc.inside)
    orders = math.ceil(fastest + 37 / math.log(far / disc.radius)) + 5
    if orders > MOST_ORDERS:
        found = f"{orders} orders are needed with the source so near to the disc ({far:.3g}; radius {disc.radius:.3g})."
        raise RecipeError("disc series", found, "Move the source away, or use the grid.")
    return far, orders


def _polar(disc: Disc, source: tuple[float, float], points: Complex) -> tuple[Complex, Complex]:
    """Distance from the centre and cosine of the angle to the source, complex where the points are."""
    shifts = points - np.asarray(disc.centre)
    towards = np.subtract(source, disc.centre) / math.dist(source, disc.centre)
    r = np.sqrt((shifts**2).sum(-1))
    return r, (shifts @ towards) / np.where(r == 0, 1, r)


def _hankels(z: Complex, orders: int) -> Iterator[Complex]:
    """H0(z), H1(z), ...; going up is stable, because H grows with its order."""
    last, this = hankel2(0, z), hankel2(1, z)
    yield last
    for n in range(1, orders):
        yield this
        last, this = this, 2 * n / z * this - last


def _cosines(cosine: Complex) -> Iterator[Complex]:
    """The cosines of 0, θ, 2θ, ... of a complex angle, from its cosine."""
    last, this = np.ones_like(cosine), cosine
    while True:
        yield last
        last, this = this, 2 * cosine * this - last
