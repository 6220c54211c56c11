"""The viscous Burgers equation in closed form, by the transform of Cole and Hopf.

With u(0, x) = -sin(πx) and period 2, φ(y) = exp(-cos(πy) / 2πν):

    u(t, x) = -∫ sin π(x-η) φ(x-η) exp(-η²/4νt) dη / ∫ φ(x-η) exp(-η²/4νt) dη.

(Basdevant et al. 1986, "Spectral and finite difference solutions of the Burgers equation", Eq. 2.5.) Both integrals are
Gauss-Hermite sums. Their integrand is periodic and smooth, but narrow where ν is small: the default number of nodes
serves ν = 0.01/π and t up to 1 to 1e-11, as the tests check against more nodes.
"""

from __future__ import annotations

import numpy as np

from metasiren_physics.arrays import Real


def burgers_wave(t: Real, x: Real, viscosity: float = 0.01 / np.pi, nodes: int = 256) -> Real:
    """The solution at times t (...) from 0 on and places x (...), broadcast together.

    Args:
        t: times.
        x: places.
        viscosity: ν.
        nodes: of the quadrature.
    """
    t, x = np.broadcast_arrays(np.asarray(t, float), np.asarray(x, float))
    # scipy's nodes: numpy's weights underflow above some hundred nodes.
    from scipy.special import roots_hermite

    z, w = roots_hermite(nodes)
    y = x[..., None] - 2 * np.sqrt(viscosity * t)[..., None] * z
    exponent = -np.cos(np.pi * y) / (2 * np.pi * viscosity)
    kernel = w * np.exp(exponent - exponent.max(-1, keepdims=True))
    found: Real = -(np.sin(np.pi * y) * kernel).sum(-1) / kernel.sum(-1)
    return found
