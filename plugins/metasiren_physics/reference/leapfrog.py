"""The wave equation in any medium: leapfrog in time, central differences in space.

With A = c² Δ_h, the fourth-order step is u(t+τ) = 2u(t) - u(t-τ) + τ² A u + τ⁴/12 A² u: the last term cancels the
leading error of the second difference in time, since u_tttt = A² u. The first step uses u_t = 0. A jump of the speed
brings the order down to two near it; m there is the mean over a cell.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from metasiren import RecipeError
from metasiren_physics.arrays import Real
from metasiren_physics.media import check_medium
from metasiren_physics.problems import WaveProblem
from metasiren_physics.reference.wave_exact import Movie, check_pulse, check_times

STENCILS = {2: (-2.0, 1.0), 4: (-5 / 2, 4 / 3, -1 / 12)}
"""Second differences of order two and four: weight of the centre, of its neighbours, of theirs."""


def leapfrog_wave(
    problem: WaveProblem, times: Real, nodes: int = 257, *, order: int = 4, courant: float = 0.5
) -> Movie:
    """The wave on a regular grid over [-1, 1]², end points included.

    For an open border the box is made so large that no wave comes back from its end in time; there the medium continues
    with its values at the border.

    Args:
        problem: any medium and border.
        times: (times,), ascending, from 0 or later; the steps are cut so that each is met.
        nodes: points along each axis.
        order: 2 or 4, in space and time.
        courant: fastest speed times step over spacing; at most 0.7 for order 2 and 0.85 for order 4.

    Raises:
        RecipeError: another order; steps so long that they would not be stable; times that do not ascend.
        DataError: too few points for the start.
    """
    check_pulse("leapfrog", problem, nodes)
    if order not in STENCILS:
        raise RecipeError("leapfrog: order", f"{order}.", "Choose 2 or 4.")
    most = 0.7 if order == 2 else 0.85
    if not 0 < courant <= most:
        raise RecipeError("leapfrog: courant", f"{courant}.", f"Steps are stable for 0 < courant <= {most}.")
    check_times("leapfrog", times)
    fastest = check_medium(problem.medium)[1]
    h = 2 / (nodes - 1)
    beyond = math.ceil(fastest * times[-1] / 2 / h) + 2 * order if problem.border == "open" else 0
    axis = -1 + h * (np.arange(nodes + 2 * beyond) - beyond)
    if problem.border == "periodic":
        axis = axis[:-1]
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1)
    slowness = problem.medium.averaged(points.clip(-1, 1), (h, h))
    operator = _Operator(1 / slowness, h, order, problem.border)
    frames = _march(operator, operator.held(problem.initial(points)), times, courant * h / fastest)
    at = np.arange(beyond, beyond + nodes) % len(axis)
    cut = np.ix_(at, at)
    return Movie(times, np.stack([u[cut] for u, _ in frames]), np.stack([v[cut] for _, v in frames]))


class _Operator:
    """A = c² Δ_h and the border's rule."""

    def __init__(self, squared_speed: Real, h: float, order: int, border: str) -> None:
        self.squared_speed, self.h, self.order, self.border = squared_speed, h, order, border

    def held(self, u: Real) -> Real:
        """`u` with zeros on the border where it is held at zero."""
        return np.pad(u[1:-1, 1:-1], 1) if self.border == "dirichlet" else u

    def __call__(self, u: Real) -> Real:
        centre, *sides = STENCILS[self.order]
        reach, (rows, columns) = len(sides), u.shape
        wide = self._continued(u, reach)
        total = 2 * centre * u
        for far, weight in enumerate(sides, 1):
            for shift in (-far, far):
                total += weight * wide[reach + shift : reach + shift + rows, reach:-reach]
                total += weight * wide[reach:-reach, reach + shift : reach + shift + columns]
        return self.held(total * self.squared_speed / self.h**2)

    def _continued(self, u: Real, reach: int) -> Real:
        if self.border == "periodic":
            return np.pad(u, reach, mode="wrap")
        # Even about a free border, odd about a fixed one, as the standing wave's mirror image is.
        kind: Literal["even", "odd"] = "odd" if self.border == "dirichlet" else "even"
        return np.pad(u, reach, mode="reflect", reflect_type=kind)

    def force(self, u: Real, step: float) -> Real:
        """The second difference in time, (u(t+τ) - 2u(t) + u(t-τ)) / τ²."""
        first = self(u)
        return first if self.order == 2 else first + step**2 / 12 * self(first)


def _march(operator: _Operator, start: Real, times: Real, longest: float) -> list[tuple[Real, Real]]:
    """(u, u_t) at each time; between two times the steps are equal."""
    frames, now, u, rate = [], 0.0, start, np.zeros_like(start)
    for time in times:
        steps = math.ceil((time - now) / longest - 1e-9)
        if steps > 0:
            u, rate = _leap(operator, u, rate, (time - now) / steps, steps)
        now = float(time)
        frames.append((u, rate))
    return frames


def _leap(operator: _Operator, u: Real, rate: Real, step: float, steps: int) -> tuple[Real, Real]:
    """Leapfrog between two times, written with the momentum at half steps so that it may start from any rate.

    p(t+τ/2) = (u(t+τ) - u(t)) / τ obeys p += τ force, u += τ p. It starts and ends at the centred difference of u over
    2τ, which is u_t + τ²/6 u_ttt: that term is put in before and taken out after where order four needs it.
    """
    half = rate + step**2 / 6 * operator(rate) if operator.order == 4 else rate
    half = half + step / 2 * operator.force(u, step)
    for number in range(steps):
        u = u + step * half
        half = half + step * operator.force(u, step) * (0.5 if number == steps - 1 else 1.0)
    return u, half - step**2 / 6 * operator(half) if operator.order == 4 else half
