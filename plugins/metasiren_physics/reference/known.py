"""Solutions that fitted fields of a box are compared with, by name: closed forms and spectral solvers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from metasiren import RecipeError, did_you_mean
from metasiren_physics.arrays import Real
from metasiren_physics.reference.cole_hopf import burgers_wave
from metasiren_physics.reference.etdrk4 import allen_cahn, kdv, solve


@dataclass(frozen=True)
class Solution:
    """A known solution.

    Attributes:
        title: where it is from.
        axes: names of its coordinates in order.
        on_grid: coordinates of each axis -> values (n0, n1, ...) on their tensor grid.
    """

    title: str
    axes: tuple[str, ...]
    on_grid: Callable[[Sequence[Real]], Real]


def _cole_hopf(axes: Sequence[Real], nodes: int = 256) -> Real:
    t, x = np.meshgrid(*axes, indexing="ij")
    return burgers_wave(t, x, nodes=nodes)


def _allen_cahn(axes: Sequence[Real]) -> Real:
    t, x = axes
    found = solve(allen_cahn(), t, x)
    # The series of the kinked start converges slowly: at t = 0 its formula is taken.
    found[np.asarray(t) == 0] = x**2 * np.cos(np.pi * x)
    return found


def _kdv(axes: Sequence[Real]) -> Real:
    return solve(kdv(), *axes)


SOLUTIONS: dict[str, Callable[[], Solution]] = {
    "burgers": partial(Solution, "Cole-Hopf, 256 quadrature nodes", ("t", "x"), _cole_hopf),
    "allen_cahn": partial(Solution, "Fourier series and ETDRK4, 2048 points", ("t", "x"), _allen_cahn),
    "kdv": partial(Solution, "Fourier series and ETDRK4, 512 points", ("t", "x"), _kdv),
}


def known_solution(name: str, axes: Sequence[str], where: str) -> Solution:
    """A solution by its name.

    Raises:
        RecipeError: no such solution, or one in other coordinates.
    """
    if name not in SOLUTIONS:
        advice = (
            f"{did_you_mean(name, SOLUTIONS)}\nknown: {', '.join(SOLUTIONS)}; or give a formula as `exact`.".strip()
        )
        raise RecipeError(where, f"no solution is called {name!r}.", advice)
    found = SOLUTIONS[name]()
    if tuple(axes) != found.axes:
        advice = f"Name the axes {', '.join(found.axes)}, in this order."
        raise RecipeError(where, f"{name!r} is a function of {found.axes}, the data of {tuple(axes)}.", advice)
    return found
