"""From a problem to files: the solvers of each problem, and what each writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np

from metasiren import DataError, RecipeError, did_you_mean
from metasiren_physics.arrays import Complex, Real
from metasiren_physics.media import Uniform
from metasiren_physics.panels import Panel
from metasiren_physics.problems import HelmholtzProblem, InversionProblem, Problem, WaveProblem, check_resolution
from metasiren_physics.reference.admm import invert
from metasiren_physics.reference.closed_form import closed_form, has_closed_form
from metasiren_physics.reference.errors import evaluated_points, relative_l2
from metasiren_physics.reference.helmholtz_grid import grid_points, solve_helmholtz
from metasiren_physics.reference.leapfrog import leapfrog_wave
from metasiren_physics.reference.radial import radial_wave
from metasiren_physics.reference.receivers import receiver_data, sampling
from metasiren_physics.reference.wave_exact import Movie, pulse, times_of, transform_wave


@dataclass(frozen=True)
class Settings:
    """What a person may choose of a solver; None is the solver's own choice.

    Attributes:
        nodes: grid points along each axis of [-1, 1]².
        scheme: 5 or 9 points, for the Helmholtz grid.
        frames: times, for the wave equation.
        iterations: of the inversion.
        data: the receiver data (sources, receivers), for the inversion; by default made from the true medium.
        watch: called with an iteration and the data's relative error.
        say: called with the name of the solver before it begins.
    """

    nodes: int | None = None
    scheme: int = 9
    frames: int = 5
    iterations: int = 40
    data: Complex | None = None
    watch: Callable[[int, float], None] | None = None
    say: Callable[[str], None] | None = None


@dataclass(frozen=True)
class Solved:
    """A solution: arrays for a file, numbers, and panels of a picture (`columns` to a row)."""

    arrays: Mapping[str, Any]
    metrics: dict[str, float]
    panels: list[Panel] = field(default_factory=list)
    columns: int | None = None


def solve(problem: Problem, solver: str | None = None, settings: Settings | None = None) -> Solved:
    """Solve a problem without a network; `seconds` in the metrics is the solver's time alone.

    Args:
        problem: one of the three.
        solver: a name of `SOLVERS` that fits it; by default the first that does.
        settings: the solver's options.

    Raises:
        RecipeError: no such solver, or one for another problem or medium; the message names what fits.
        DataError: a grid too coarse.
    """
    fitting = {name: run for (name, kind), run in SOLVERS.items() if isinstance(problem, kind)}
    if solver is None:
        slow = isinstance(problem, WaveProblem) and not isinstance(problem.medium, Uniform)
        solver = "leapfrog" if slow else next(iter(fitting))
    if solver not in fitting:
        every = dict.fromkeys(name for name, _ in SOLVERS)
        word = type(problem).__name__.removesuffix("Problem").lower()
        known = f"the solver {solver!r} does not fit" if solver in every else f"no solver {solver!r} is known"
        guess = did_you_mean(solver, fitting) if solver not in every else ""
        raise RecipeError(
            "solve: solver", f"{known}: the problem is {word}. {guess}".rstrip(), f"fits: {', '.join(fitting)}"
        )
    settings = settings or Settings()
    if settings.say is not None:
        settings.say(solver)
    return fitting[solver](problem, settings)


def _grid(problem: HelmholtzProblem, settings: Settings) -> Solved:
    nodes = settings.nodes or 257
    began = perf_counter()
    u = solve_helmholtz(problem, nodes, settings.scheme)
    metrics = {"seconds": perf_counter() - began, "nodes": float(nodes), "scheme_points": float(settings.scheme)}
    metrics["points_per_wavelength"] = check_resolution("grid", problem, nodes)
    points = grid_points(nodes)
    keep = evaluated_points(problem, points)
    if has_closed_form(problem):
        exact = closed_form(problem, points)
        metrics["relative_l2"] = relative_l2(u[keep], exact[keep])
        return _wave_picture(problem, u, metrics, exact)
    if nodes % 2:
        try:
            coarse = solve_helmholtz(problem, nodes // 2 + 1, settings.scheme)
        except DataError:
            return _wave_picture(problem, u, metrics)  # half as many points do not resolve this wave
        metrics["relative_l2_to_half_grid"] = relative_l2(coarse[keep[::2, ::2]], u[::2, ::2][keep[::2, ::2]])
    return _wave_picture(problem, u, metrics)


def _helmholtz_exact(problem: HelmholtzProblem, settings: Settings) -> Solved:
    nodes = settings.nodes or 257
    began = perf_counter()
    u = closed_form(problem, grid_points(nodes))
    return _wave_picture(problem, u, {"seconds": perf_counter() - began, "nodes": float(nodes)})


def _wave_picture(
    problem: HelmholtzProblem, u: Complex, metrics: dict[str, float], exact: Complex | None = None
) -> Solved:
    points = grid_points(len(u))
    speed = problem.medium.speed(points)
    arrays = {"axis": points[:, 0, 0], "u": u, "speed": speed}
    # Only inside the absorbing layer: the wave in the layer itself has no physical meaning.
    inside = np.ix_(*[np.abs(arrays["axis"]) < problem.pml.start] * 2)
    panels = [Panel("real part", u.real[inside], signed=True), Panel("velocity", speed[inside])]
    panels.append(Panel("magnitude", np.abs(u)[inside]))
    if exact is not None:
        arrays["exact"] = exact
        error = np.where(evaluated_points(problem, points), np.abs(u - exact), np.nan)[inside]
        panels[-1] = Panel("error: |u - exact|", error)
    return Solved(arrays, metrics, panels)


def _fft(problem: WaveProblem, settings: Settings) -> Solved:
    nodes, times = settings.nodes or 257, times_of(problem, settings.frames)
    began = perf_counter()
    movie = transform_wave(problem, times, nodes)
    metrics = {"seconds": perf_counter() - began, "nodes": float(nodes)}
    if problem.border == "open":
        metrics["relative_l2"] = relative_l2(movie.values, _pulses(problem, times, nodes))
    return _movie(problem, movie, metrics)


def _leapfrog(problem: WaveProblem, settings: Settings) -> Solved:
    nodes, times = settings.nodes or 385, times_of(problem, settings.frames)
    began = perf_counter()
    movie = leapfrog_wave(problem, times, nodes)
    metrics = {"seconds": perf_counter() - began, "nodes": float(nodes)}
    if isinstance(problem.medium, Uniform):
        metrics["relative_l2"] = relative_l2(movie.values, transform_wave(problem, times, nodes).values)
    elif nodes % 2:
        try:
            coarse = leapfrog_wave(problem, times, nodes // 2 + 1).values
        except DataError:
            return _movie(problem, movie, metrics)
        metrics["relative_l2_to_half_grid"] = relative_l2(coarse, movie.values[:, ::2, ::2])
    return _movie(problem, movie, metrics)


def _radial(problem: WaveProblem, settings: Settings) -> Solved:
    nodes, times = settings.nodes or 257, times_of(problem, settings.frames)
    began = perf_counter()
    values = radial_wave(problem, times, nodes)
    metrics = {"seconds": perf_counter() - began, "nodes": float(nodes)}
    metrics["relative_l2_to_half_grid"] = relative_l2(radial_wave(problem, times, nodes, cells=30), values)
    return _movie(problem, Movie(times, values, np.full_like(values, np.nan)), metrics)


def _wave_exact(problem: WaveProblem, settings: Settings) -> Solved:
    if problem.border != "open":
        found = f"none is known for the border {problem.border!r}."
        raise RecipeError("closed form", found, "It is the wave in the whole plane, border: open. Use fft.")
    nodes, times = settings.nodes or 129, times_of(problem, settings.frames)
    began = perf_counter()
    values = _pulses(problem, times, nodes)
    metrics = {"seconds": perf_counter() - began, "nodes": float(nodes)}
    return _movie(problem, Movie(times, values, np.full_like(values, np.nan)), metrics)


def _pulses(problem: WaveProblem, times: Real, nodes: int) -> Real:
    """The exact pulse on a grid: it depends on the radius alone, so each radius is done once."""
    points = grid_points(nodes).reshape(-1, 2)
    radius = np.hypot(*(points - np.asarray(problem.centre)).T).round(12)
    radii, back = np.unique(radius, return_inverse=True)
    along = np.stack([radii + problem.centre[0], np.full(len(radii), problem.centre[1])], -1)
    frames = [pulse(problem, along, np.full(len(radii), time))[back].reshape(nodes, nodes) for time in times]
    return np.stack(frames)


def _movie(problem: WaveProblem, movie: Movie, metrics: dict[str, float]) -> Solved:
    points = grid_points(movie.values.shape[1])
    speed = problem.medium.speed(points)
    arrays = {"axis": points[:, 0, 0], "times": movie.times, "u": movie.values, "speed": speed}
    if np.isfinite(movie.rates).all():
        arrays["u_t"] = movie.rates
    # Five moments at most, so that the picture stays readable.
    shown = np.unique(np.linspace(0, len(movie.times) - 1, min(5, len(movie.times))).round().astype(int))
    panels = [Panel(f"t = {movie.times[k]:.3g}", movie.values[k], signed=True) for k in shown]
    return Solved(arrays, metrics, [*panels, Panel("velocity", speed)], columns=3)


def _admm(problem: InversionProblem, settings: Settings) -> Solved:
    nodes = settings.nodes or 129
    data = receiver_data(problem) if settings.data is None else settings.data
    began = perf_counter()
    found = invert(problem, data, nodes=nodes, iterations=settings.iterations, watch=settings.watch)
    seconds = perf_counter() - began
    points = grid_points(nodes)
    inside = np.ix_(*[np.abs(points[:, 0, 0]) < problem.pml.start] * 2)
    truth, speed = problem.medium.speed(points)[inside], found.speed[inside]
    exact = true_waves(problem, nodes)
    keep = np.stack([evaluated_points(problem.single(k), points) for k in range(len(problem.sources))])
    received = sampling(nodes, problem.receivers) @ found.waves[:, 1:-1, 1:-1].reshape(len(exact), -1).T
    metrics = {
        "seconds": seconds,
        "nodes": float(nodes),
        "relative_l2": relative_l2(speed, truth),
        "velocity_mse": float(np.mean((speed - truth) ** 2)),
        "start_relative_l2": relative_l2(np.full_like(truth, problem.start), truth),
        "wavefields_relative_l2": relative_l2(found.waves[keep], exact[keep]),
        "wavefields_mse": float(np.mean(np.abs(found.waves - exact)[keep] ** 2)),
        "data_relative_l2": relative_l2(received.T, data),
    }
    arrays = {
        "axis": points[:, 0, 0], "speed": found.speed, "true_speed": problem.medium.speed(points),
        "u": found.waves, "data": data, "data_errors": found.data_errors,
    }  # fmt: skip
    scale = (min(truth.min(), speed.min()), max(truth.max(), speed.max()))
    first = found.waves[0].real[inside]
    error = np.where(keep[0], np.abs(found.waves[0] - exact[0]), np.nan)[inside]
    panels = [
        Panel("velocity", speed, limits=scale), Panel("true velocity", truth, limits=scale),
        Panel("real part, source 1", first, signed=True), Panel("error, source 1", error),
    ]  # fmt: skip
    return Solved(arrays, metrics, panels)


def true_waves(problem: InversionProblem, nodes: int) -> Complex:
    """The waves (sources, nodes, nodes) in the true medium: closed forms, or a 9-point grid of twice the points."""
    rows = []
    for number in range(len(problem.sources)):
        single = problem.single(number)
        if has_closed_form(single):
            rows.append(closed_form(single, grid_points(nodes)))
        else:
            rows.append(solve_helmholtz(single, 2 * nodes - 1)[::2, ::2])
    return np.stack(rows)


SOLVERS: dict[tuple[str, type], Callable[[Any, Settings], Solved]] = {
    ("grid", HelmholtzProblem): _grid,
    ("closed_form", HelmholtzProblem): _helmholtz_exact,
    ("fft", WaveProblem): _fft,
    ("leapfrog", WaveProblem): _leapfrog,
    ("closed_form", WaveProblem): _wave_exact,
    ("radial", WaveProblem): _radial,
    ("admm", InversionProblem): _admm,
}
"""Solvers by name and problem; the first that fits a problem is its default."""
