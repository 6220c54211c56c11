"""Closed curves in space as finite Fourier series: circles, ellipses and torus knots among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from metasiren_shapes.triangles import Array

SAMPLES, NEWTON_STEPS = 4096, 6


@dataclass(frozen=True)
class Curve:
    """c(t) = sum over k of cosines[k] cos(k t) + sines[k] sin(k t), t from 0 to 2 pi.

    Attributes:
        harmonics: (terms,) the integers k.
        cosines: (terms, 3).
        sines: (terms, 3).
    """

    harmonics: Array
    cosines: Array
    sines: Array

    def at(self, t: Array, derivative: int = 0) -> Array:
        """c(t), or its derivative of that order; (points,) -> (points, 3)."""
        # Each derivative multiplies by k and turns the phase on by a quarter.
        angle = t[:, None] * self.harmonics + derivative * np.pi / 2
        power = self.harmonics**derivative
        found: Array = (np.cos(angle) * power) @ self.cosines + (np.sin(angle) * power) @ self.sines
        return found

    def nearest(self, points: Array) -> Array:
        """The parameters (points,) of the nearest curve points: the best of 4,096, then Newton's method."""
        grid = np.linspace(0, 2 * np.pi, SAMPLES, endpoint=False)
        step = grid[1]
        t = start = grid[cKDTree(self.at(grid)).query(points)[1]]
        for _ in range(NEWTON_STEPS):
            away, speed, bend = self.at(t) - points, self.at(t, 1), self.at(t, 2)
            slope = (away * speed).sum(1)
            curvature = (speed * speed).sum(1) + (away * bend).sum(1)
            # Near the centre of curvature Newton's step runs wild: it may not leave the samples beside the best.
            move = np.where(curvature > 0, slope / np.where(curvature > 0, curvature, 1), 0)
            t = np.clip(t - move, start - step, start + step)
        return t


def ellipse(centre: Array, first: Array, second: Array) -> Curve:
    """The ellipse with these two half axes."""
    zero = np.zeros(3)
    return Curve(np.array([0.0, 1.0]), np.stack([centre, first]), np.stack([zero, second]))


def torus_knot(turns: int, winds: int, radius: float, wind_radius: float) -> Curve:
    """Around the z axis `turns` times at `radius`, meanwhile around that circle `winds` times at `wind_radius`."""
    # (R + a cos wt) cos pt = R cos pt + a/2 cos (w+p)t + a/2 cos (w-p)t, and so on.
    half, x, y, z = wind_radius / 2, *np.eye(3)
    harmonics = np.array([turns, winds + turns, winds - turns, winds], np.float64)
    cosines = np.stack([radius * x, half * x, half * x, 0 * x])
    sines = np.stack([radius * y, half * y, -half * y, wind_radius * z])
    return Curve(harmonics, cosines, sines)
