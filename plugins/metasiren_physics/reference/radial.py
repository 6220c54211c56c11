"""The wave equation about the middle of a disc: a wave of time and distance alone, by finite volumes.

With slowness m that depends on the distance r alone, m u_tt = (r u_r)_r / r. Cells are rings of one width, and the
edge of the disc lies between two of them, so that the scheme keeps its second order where the speed jumps.
"""

from __future__ import annotations

import math

import numpy as np

from metasiren import RecipeError
from metasiren_physics.arrays import Real
from metasiren_physics.media import Disc
from metasiren_physics.problems import WaveProblem
from metasiren_physics.reference.helmholtz_grid import grid_points
from metasiren_physics.reference.wave_exact import check_times


def is_radial(problem: WaveProblem) -> bool:
    """Whether the wave starts in the middle of a disc, and no border sends it back."""
    medium = problem.medium
    return isinstance(medium, Disc) and medium.centre == problem.centre and problem.border == "open"


def radial_wave(problem: WaveProblem, times: Real, nodes: int = 257, *, cells: int = 60, courant: float = 0.6) -> Real:
    """The wave (times, nodes, nodes) on a regular grid over [-1, 1]², end points included.

    Args:
        problem: a disc with the start in its middle, and an open border.
        times: (times,), ascending, from 0 or later.
        nodes: points along each axis.
        cells: rings per standard deviation of the shortest pulse; rounded up, so that the radius of the disc is a whole
            number of rings.
        courant: fastest speed times step over width of a ring; below 1.

    Raises:
        RecipeError: another medium, start or border; times that do not ascend from 0 or later; a number out of range.
    """
    if not is_radial(problem):
        found = f"medium {type(problem.medium).__name__.lower()}, centre {problem.centre}, border {problem.border}."
        raise RecipeError("radial", found, "It takes a disc, the start in its middle, border: open. Use leapfrog.")
    check_times("radial", times)
    if not (0 < courant < 1 and cells >= 1):
        found = f"cells {cells}, courant {courant}."
        raise RecipeError("radial", found, "Give one cell or more, and a courant number between 0 and 1.")
    disc = problem.medium
    assert isinstance(disc, Disc)
    fastest = max(disc.inside, disc.background)
    width = math.sqrt(problem.variance) * min(disc.inside, disc.background) / fastest
    h = disc.radius / max(math.ceil(disc.radius * cells / width), 8)
    reached = disc.radius + fastest * float(times[-1]) + 8 * math.sqrt(problem.variance)
    r = h * (np.arange(math.ceil(reached / h)) + 0.5)
    step = courant * h / fastest
    faces = (r[1:] + r[:-1]) / (2 * h)
    factor = np.where(r < disc.radius, disc.inside, disc.background) ** 2 * step**2 / (r * h)
    flow = np.zeros(len(r) + 1)

    def change(u: Real) -> Real:
        flow[1:-1] = faces * np.diff(u)
        changed: Real = factor * np.diff(flow)
        return changed

    start = problem.initial(np.stack([r, 0 * r], -1) + np.asarray(problem.centre))
    before, now = start, start + change(start) / 2
    distance = np.hypot(*(grid_points(nodes) - np.asarray(problem.centre)).transpose(2, 0, 1))
    waves: list[Real] = []
    done = 0
    for time in times:
        # Between two steps, which are much shorter than the wave's periods, values are linear in time.
        whole, rest = divmod(float(time) / step, 1)
        for _ in range(int(whole) - done):
            before, now = now, 2 * now - before + change(now)
        done = int(whole)
        waves.append(np.interp(distance, r, (1 - rest) * before + rest * now, right=0.0))
    return np.stack(waves)
