"""The sign convention, stated once: everything in this package follows it.

**Time dependence e^{+jωt}.** A real wave is Re(u e^{jωt}). A wave that leaves the origin has phase ωt - kr, so
u ~ e^{-jkr}/√r: the Hankel function of the **second** kind, H0⁽²⁾ = J0 - jY0.

**Equation Δu + k² m u = +f**, with m = 1/c² the squared slowness and k = ω at unit speed. The paper's Eqs. 7 and 10
print -f; the authors' code, and the receiver data that they publish, have +f.

**Point source.** Near r = 0, G of ΔG + k²G = +δ must behave as ln(r)/2π, because Δ ln(r)/2π = δ. Of H0⁽²⁾(kr) the
singular part is -jY0 ~ -j (2/π) ln r, so

    G(r) = (j/4) H0⁽²⁾(kr).

With -f in place of +f the sign of G flips; with e^{-jωt} it is conjugated. In either case, or in both, the closed form
of this file leaves a residual as large as the source.

**Gaussian source.** f = s g with g of unit integral and variance σ² per axis. Outside its support u = s ĝ(k) G(r), for
the mean of a solution of Δu + k²u = 0 over a circle is J0(kr) times its value at the centre, and
∫ g J0(kr) = exp(-k²σ²/2).

**Absorbing layer.** Distances are stretched by e = 1 - jσ/ω, with σ >= 0: e^{-jk∫e dx} = e^{-jkx} e^{-k∫σ/ω dx} decays
for e^{+jωt}. With e^{-jωt} the sign of j would flip here too.

**Axes.** Points are (..., 2) in [-1, 1]², arrays over them are indexed [i, j] with coordinate 0 along rows.
Lengths are those of the box; speeds are in lengths per second where the background has c = 1; a frequency of
f hertz is k = 2πf.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import hankel2

from metasiren_physics.arrays import Complex, Real


def green(radius: Real, wavenumber: float) -> Complex:
    """The outgoing G(r) of ΔG + k²G = δ in the plane: (j/4) H0⁽²⁾(kr); complex, of the shape of `radius` > 0."""
    found: Complex = np.asarray(0.25j * hankel2(0, wavenumber * radius), dtype=np.complex128)
    return found


def gaussian_factor(wavenumber: float, variance: float) -> float:
    """exp(-k²σ²/2): how much weaker a unit Gaussian radiates than a unit point."""
    return math.exp(-(wavenumber**2) * variance / 2)


def wavenumber_of(frequency: float) -> float:
    """The k = 2πf of a frequency in hertz, where the background has c = 1."""
    return 2 * math.pi * frequency
