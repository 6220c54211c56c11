"""The modified Shepp-Logan phantom: ten ellipses, whose line integrals have a closed form.

Shepp and Logan 1974, "The Fourier reconstruction of a head section"; intensities of Toft 1996, "The Radon transform:
theory and implementation", which have more contrast.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]

PHANTOM = np.array([
    # intensity, half-axes a and b, centre x and y, angle in degrees; y upwards
    (1.0, 0.69, 0.92, 0.0, 0.0, 0.0),
    (-0.8, 0.6624, 0.874, 0.0, -0.0184, 0.0),
    (-0.2, 0.11, 0.31, 0.22, 0.0, -18.0),
    (-0.2, 0.16, 0.41, -0.22, 0.0, 18.0),
    (0.1, 0.21, 0.25, 0.0, 0.35, 0.0),
    (0.1, 0.046, 0.046, 0.0, 0.1, 0.0),
    (0.1, 0.046, 0.046, 0.0, -0.1, 0.0),
    (0.1, 0.046, 0.023, -0.08, -0.605, 0.0),
    (0.1, 0.023, 0.023, 0.0, -0.606, 0.0),
    (0.1, 0.023, 0.046, 0.06, -0.605, 0.0),
])  # fmt: skip
"""Rows of ellipses in the unit disc; their sum lies in [0, 1]."""


def inside(ellipses: Array, x: Array, y: Array) -> Array:
    """The sum of the intensities at points (x, y), y upwards."""
    total = np.zeros(np.broadcast(x, y).shape)
    for intensity, a, b, x0, y0, degrees in ellipses:
        c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        u, v = (x - x0) * c + (y - y0) * s, -(x - x0) * s + (y - y0) * c
        total += intensity * ((u / a) ** 2 + (v / b) ** 2 <= 1)
    return total


def line_integrals(ellipses: Array, angles: Array, offsets: Array) -> Array:
    """Exact integrals along the lines x cos(angle) + y sin(angle) = offset, y upwards.

    An ellipse turned by phi contributes 2 intensity a b sqrt(w^2 - p^2) / w^2, where p is the line's distance from its
    centre and w^2 = a^2 cos^2(angle - phi) + b^2 sin^2(angle - phi).

    Args:
        ellipses: rows as in `PHANTOM`.
        angles: (m,) in radians.
        offsets: (n,).

    Returns:
        (n, m).
    """
    total = np.zeros((len(offsets), len(angles)))
    for intensity, a, b, x0, y0, degrees in ellipses:
        turned = angles - np.deg2rad(degrees)
        squared = (a * np.cos(turned)) ** 2 + (b * np.sin(turned)) ** 2
        p = offsets[:, None] - x0 * np.cos(angles) - y0 * np.sin(angles)
        total += 2 * intensity * a * b * np.sqrt(np.clip(squared - p**2, 0, None)) / squared
    return total
