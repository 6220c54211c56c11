"""The wave equation at constant speed: exact on a grid by transforms, and at any point by one integral.

Every Fourier mode oscillates independently, û(k, t) = û(k, 0) cos(c|k|t). Cosines and sines take the part of the
exponentials
where the border is fixed or free; an open border is a periodic box so wide that no wave comes round in time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import fft
from scipy.special import jv

from metasiren import DataError, RecipeError
from metasiren_physics.arrays import Real
from metasiren_physics.media import Uniform
from metasiren_physics.problems import WaveProblem
from metasiren_physics.reference.helmholtz_grid import grid_points


@dataclass(frozen=True)
class Movie:
    """A wave on a regular grid over [-1, 1]², end points included, at several times.

    Attributes:
        times: (times,).
        values: u (times, nodes, nodes).
        rates: u_t (times, nodes, nodes).
    """

    times: Real
    values: Real
    rates: Real


def times_of(problem: WaveProblem, frames: int) -> Real:
    """Times from 0 to the problem's duration, both included; (frames,).

    Raises:
        RecipeError: fewer than two.
    """
    if frames < 2:
        raise RecipeError("wave: frames", f"{frames}.", "Take at least 2: the start and the end.")
    return np.linspace(0, problem.duration, frames)


def check_pulse(where: str, problem: WaveProblem, nodes: int) -> None:
    """Refuse a grid that does not resolve the Gaussian's waves.

    Raises:
        DataError: its spectrum is above 1e-3 of its peak at the grid's shortest wave; the message names the number
            of points that is needed.
    """
    width = problem.variance**0.5
    least = math.ceil(2 * math.sqrt(2 * math.log(1e3)) / (math.pi * width)) + 1
    if nodes < least:
        found = f"{nodes} points per axis do not resolve a pulse of standard deviation {width:.3g}."
        raise DataError(where, found, f"Take at least {least} points per axis, better {2 * least}.")


def check_times(where: str, times: Real) -> None:
    """Refuse times that a solver cannot reach in turn.

    Raises:
        RecipeError: none, one below 0, or times that do not ascend.
    """
    if len(times) == 0 or times[0] < 0 or (np.diff(times) <= 0).any():
        raise RecipeError(f"{where}: times", f"{times}.", "Give ascending times, the first not below 0.")


def transform_wave(problem: WaveProblem, times: Real, nodes: int = 257) -> Movie:
    """The exact wave of the sampled start, in a medium of one speed, for every kind of border.

    Args:
        problem: its medium must be uniform.
        times: (times,), in any order.
        nodes: points along each axis.

    Raises:
        RecipeError: another medium.
        DataError: too few points for the start.
    """
    speed = _constant(problem, "fft")
    check_pulse("fft", problem, nodes)
    if problem.border in ("dirichlet", "neumann"):
        return _standing(problem, speed, times, nodes)
    return _travelling(problem, speed, times, nodes)


def pulse(problem: WaveProblem, points: Real, times: Real) -> Real:
    """The exact wave in the whole plane at points (n, 2) and times (n,) of their own; (n,).

    u(r, t) = P σ² ∫ κ exp(-σ²κ²/2) cos(cκt) J0(κr) dκ, by Gauss's rule. It is the problem's own as long as the
    border is open, or the wave has not reached it.

    Raises:
        RecipeError: the medium is not uniform.
    """
    speed = _constant(problem, "closed form")
    radius = np.hypot(*(points - np.asarray(problem.centre)).T)
    width = problem.variance**0.5
    farthest = radius.max(initial=0) + speed * times.max(initial=0)
    count = 60 + math.ceil(9 / width * farthest / 2)
    nodes, weights = np.polynomial.legendre.leggauss(count)
    kappa = (nodes + 1) / 2 * (9 / width)
    spectrum = weights / 2 * (9 / width) * kappa * np.exp(-((width * kappa) ** 2) / 2)
    found = np.empty(len(radius))
    for chunk in np.array_split(np.arange(len(radius)), len(radius) // 4096 + 1):
        waves = jv(0, np.multiply.outer(radius[chunk], kappa)) * np.cos(speed * np.multiply.outer(times[chunk], kappa))
        found[chunk] = waves @ spectrum
    return problem.peak * problem.variance * found


def _constant(problem: WaveProblem, where: str) -> float:
    if not isinstance(problem.medium, Uniform):
        found = f"the medium is {type(problem.medium).__name__.lower()}, not uniform."
        raise RecipeError(where, found, "Use the solver leapfrog.")
    return problem.medium.value


def _travelling(problem: WaveProblem, speed: float, times: Real, nodes: int) -> Movie:
    cells, widths = nodes - 1, 1
    if problem.border == "open":
        # Copies sit 2 widths apart; the nearest one's front must stay outside the square.
        front = speed * float(np.abs(times).max()) + 9 * problem.variance**0.5
        widths = math.ceil((front + 1 + max(map(abs, problem.centre))) / 2)
    count = fft.next_fast_len(cells * widths, real=True) if problem.border == "open" else cells
    h, first = 2 / cells, (count - cells) // 2
    axis: Real = -1 + h * (np.arange(count, dtype=np.float64) - first)
    start = problem.initial(np.stack(np.meshgrid(axis, axis, indexing="ij"), -1))
    if problem.border == "periodic":
        start = _periodic_start(problem, axis)
    k = np.hypot(2 * np.pi * fft.fftfreq(count, h)[:, None], 2 * np.pi * fft.rfftfreq(count, h))
    mode = fft.rfft2(start)
    at = np.arange(first, first + nodes) % count
    cut = np.ix_(at, at)
    values = [fft.irfft2(mode * np.cos(speed * k * t), s=start.shape)[cut] for t in times]
    rates = [fft.irfft2(-speed * k * mode * np.sin(speed * k * t), s=start.shape)[cut] for t in times]
    return Movie(times, np.stack(values), np.stack(rates))


def _periodic_start(problem: WaveProblem, axis: Real) -> Real:
    """The Gaussian and its eight neighbouring copies: its periodic continuation."""
    total = np.zeros((len(axis), len(axis)))
    for dx in (-2.0, 0.0, 2.0):
        for dy in (-2.0, 0.0, 2.0):
            total += problem.initial(np.stack(np.meshgrid(axis + dx, axis + dy, indexing="ij"), -1))
    return total


def _standing(problem: WaveProblem, speed: float, times: Real, nodes: int) -> Movie:
    free = problem.border == "neumann"
    start = problem.initial(grid_points(nodes))
    inner = start if free else start[1:-1, 1:-1]
    number = np.arange(nodes) if free else np.arange(1, nodes - 1)
    k = np.hypot(*np.meshgrid(number * np.pi / 2, number * np.pi / 2, indexing="ij"))
    forward, backward = (fft.dctn, fft.idctn) if free else (fft.dstn, fft.idstn)
    mode, border = forward(inner, type=1), 0 if free else 1
    values = [np.pad(backward(mode * np.cos(speed * k * t), type=1), border) for t in times]
    rates = [np.pad(backward(-speed * k * mode * np.sin(speed * k * t), type=1), border) for t in times]
    return Movie(times, np.stack(values), np.stack(rates))
