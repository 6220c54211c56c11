"""Relative L2 errors of solutions, outside sources and absorbing layers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metasiren_physics.arrays import Complex, Real
from metasiren_physics.problems import HelmholtzProblem


def relative_l2(found: Real | Complex, truth: Real | Complex) -> float:
    """|found - truth| / |truth|."""
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


def evaluated_points(problem: HelmholtzProblem, points: Real) -> NDArray[np.bool_]:
    """Points at which a wave is evaluated, bool (...) of points (..., 2): in the physics, outside the source."""
    away: NDArray[np.bool_] = problem.source.distance_squared(points) > problem.source.radius() ** 2
    return problem.pml.physical(points) & away
