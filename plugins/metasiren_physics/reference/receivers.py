"""Receiver data: waves read between the nodes of a grid, and data for an inversion."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from metasiren_physics.arrays import Complex, Real
from metasiren_physics.problems import InversionProblem, points_needed
from metasiren_physics.reference.closed_form import closed_form, has_closed_form
from metasiren_physics.reference.helmholtz_grid import solve_helmholtz
from metasiren_physics.reference.sparse_lu import Sparse


def receiver_data(problem: InversionProblem) -> Complex:
    """The true wave of each source at each receiver, (sources, receivers).

    A disc's series where there is one; else a 9-point grid of 15 points per wavelength or more, finer
    than any inversion's here: data made on an inversion's own grid would hide that grid's errors.
    """
    nodes = max(401, points_needed(problem, 15.0) | 1)
    rows = []
    for number in range(len(problem.sources)):
        single = problem.single(number)
        if has_closed_form(single):
            rows.append(closed_form(single, problem.receivers))
        else:
            wave = solve_helmholtz(single, nodes)
            rows.append(sampling(nodes, problem.receivers) @ wave[1:-1, 1:-1].reshape(-1))
    return np.stack(rows)


def sampling(nodes: int, points: Real) -> Sparse:
    """Reads values of inner nodes (of `nodes` per axis over [-1, 1]²) at points (n, 2); sparse (n, inner nodes).

    Cubic in each coordinate, through four nodes: exact to (kh)⁴ 3/128.
    """
    side, h = nodes - 2, 2 / (nodes - 1)
    place = (points + 1) / h - 1
    base = np.clip(np.floor(place).astype(np.int64) - 1, 0, side - 4)
    weights = _cubic(place - base)
    i = base[:, 0, None, None] + np.arange(4)[:, None]
    j = base[:, 1, None, None] + np.arange(4)
    values = weights[:, 0, :, None] * weights[:, 1, None, :]
    row = np.broadcast_to(np.arange(len(points))[:, None, None], values.shape)
    entries = (values.reshape(-1), (row.reshape(-1), (i * side + j).reshape(-1)))
    return sparse.csr_array(sparse.coo_array(entries, shape=(len(points), side**2)))


def _cubic(t: Real) -> Real:
    """Lagrange's weights of nodes 0, 1, 2, 3 at t; a last axis of 4."""
    p0, p1, p2, p3 = t, t - 1, t - 2, t - 3
    return np.stack([-p1 * p2 * p3 / 6, p0 * p2 * p3 / 2, -p0 * p1 * p3 / 2, p0 * p1 * p2 / 6], -1)
