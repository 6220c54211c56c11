"""The three wave problems, validated: the input of networks and of solvers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import signature
from typing import Any, Literal, get_args

import numpy as np

from metasiren import DataError, RecipeError, did_you_mean
from metasiren_physics.arrays import Real
from metasiren_physics.conventions import wavenumber_of
from metasiren_physics.media import Medium, Uniform, check_medium, make_medium
from metasiren_physics.pml import Pml
from metasiren_physics.sources import Gaussian, paper_receivers, paper_sources

Border = Literal["open", "periodic", "dirichlet", "neumann"]
LEAST_PER_WAVELENGTH = 6.0
"""Fewer points than this per wavelength do not resolve the wave."""


@dataclass(frozen=True)
class HelmholtzProblem:
    """Eq. 11 with one Gaussian source: find u, complex, in [-1, 1]².

    Args:
        medium: its speeds; waves slow down and shorten where c is small.
        wavenumber: k = ω, at unit speed.
        source: the right-hand side.
        pml: the absorbing layer.
    """

    medium: Medium = field(default_factory=Uniform)
    wavenumber: float = 20.0
    source: Gaussian = field(default_factory=Gaussian)
    pml: Pml = field(default_factory=Pml)

    def __post_init__(self) -> None:
        _positive("helmholtz: wavenumber", self.wavenumber)
        check_medium(self.medium)
        check_inside("helmholtz: source", self.source, self.pml)


@dataclass(frozen=True)
class InversionProblem:
    """Full-waveform inversion: find m from the receiver data of several sources.

    Args:
        medium: the true medium, which gives the data and the errors; solvers do not use it.
        wavenumber: k = ω, at unit speed.
        sources: each is active in an experiment of its own.
        receivers: (receivers, 2).
        pml: the absorbing layer.
        start: the speed that the inversion starts from.
        free: m is sought where |x_i| < free and is that of `start` elsewhere.
        speeds: the slowest and fastest that a solution may have.
    """

    medium: Medium
    wavenumber: float
    sources: tuple[Gaussian, ...]
    receivers: Real
    pml: Pml = field(default_factory=Pml)
    start: float = 1.0
    free: float = 0.75
    speeds: tuple[float, float] = (0.7, 2.5)

    @property
    def slownesses(self) -> tuple[float, float]:
        """The least and greatest squared slowness that a solution may have."""
        return self.speeds[1] ** -2.0, self.speeds[0] ** -2.0

    def __post_init__(self) -> None:
        _positive("fwi: wavenumber", self.wavenumber)
        _positive("fwi: start", self.start)
        _positive("fwi: free", self.free)
        if not 0 < self.speeds[0] <= self.start <= self.speeds[1] < math.inf:
            found = f"{self.speeds} do not hold the start, {self.start}."
            raise RecipeError("fwi: speeds", found, "Give [slowest, fastest] around it.")
        check_medium(self.medium)
        if not self.sources:
            raise RecipeError("fwi: sources", "there is none.", "Give at least one position.")
        for source in self.sources:
            check_inside("fwi: sources", source, self.pml)
        object.__setattr__(self, "receivers", check_receivers(self.receivers, self.pml))

    def single(self, number: int, medium: Medium | None = None) -> HelmholtzProblem:
        """The wave of one source alone, in the true medium or another."""
        chosen = self.medium if medium is None else medium
        return HelmholtzProblem(chosen, self.wavenumber, self.sources[number], self.pml)


@dataclass(frozen=True)
class WaveProblem:
    """u_tt = c² Δu, at rest at t = 0: find u, real, in [0, duration] x [-1, 1]².

    Args:
        medium: its speeds.
        centre: of the Gaussian that u starts as.
        variance: of that Gaussian along each axis.
        peak: its highest value.
        duration: the last time.
        border: what the border does: `open` lets waves leave, `periodic`, `dirichlet` (u = 0), `neumann` (u_n = 0).
    """

    medium: Medium = field(default_factory=Uniform)
    centre: tuple[float, float] = (0.0, 0.0)
    variance: float = 5e-4
    peak: float = 0.02
    duration: float = 0.4
    border: Border = "open"

    def __post_init__(self) -> None:
        _positive("wave: variance", self.variance)
        _positive("wave: duration", self.duration)
        if self.peak == 0 or not math.isfinite(self.peak):
            raise RecipeError("wave: peak", f"{self.peak}.", "Give a finite number other than zero.")
        if self.border not in get_args(Border):
            advice = f"{did_you_mean(str(self.border), get_args(Border))} known: {', '.join(get_args(Border))}".strip()
            raise RecipeError("wave: border", f"no border is called {self.border!r}.", advice)
        check_medium(self.medium)
        if not max(map(abs, self.centre)) < 1:
            raise RecipeError("wave: centre", f"{self.centre} lies outside [-1, 1]².", "Move it inside.")

    def initial(self, points: Any) -> Any:
        """The start u (...) at points (..., 2) of either library."""
        unit = Gaussian(self.centre, self.variance)
        return unit.density(points) * (2 * math.pi * self.variance * self.peak)


Problem = HelmholtzProblem | InversionProblem | WaveProblem


def helmholtz_problem(
    *,
    medium: Any = "uniform",
    wavenumber: float = 20.0,
    source: tuple[float, float] | None = None,
    variance: float = 1e-4,
    strength: tuple[float, float] = (1.0, 1.0),
    pml_width: float = 0.5,
    pml_strength: float = 5.0,
) -> HelmholtzProblem:
    """A Helmholtz problem from a recipe's options; the source is at (0, 0), or (-0.35, 0) if m is not uniform."""
    made = make_medium(medium)
    place = source if source is not None else (0.0, 0.0) if isinstance(made, Uniform) else (-0.35, 0.0)
    return HelmholtzProblem(
        made,
        float(wavenumber),
        Gaussian(_pair(place), float(variance), complex(*strength)),
        Pml(pml_width, pml_strength),
    )


def fwi_problem(
    *,
    medium: Any = "disc",
    frequency: float = 3.2,
    wavenumber: float | None = None,
    sources: Any = None,
    receivers: Any = None,
    variance: float = 1e-4,
    strength: tuple[float, float] = (1.0, 1.0),
    pml_width: float = 0.5,
    pml_strength: float = 5.0,
    start: float = 1.0,
    free: float = 0.75,
    speeds: tuple[float, float] = (0.7, 2.5),
) -> InversionProblem:
    """An inversion from a recipe's options; by default the paper's positions, and k = 2π frequency."""
    places = paper_sources() if sources is None else sources
    sounding = tuple(Gaussian(_pair(place), float(variance), complex(*strength)) for place in places)
    return InversionProblem(
        make_medium(medium),
        wavenumber_of(frequency) if wavenumber is None else float(wavenumber),
        sounding,
        paper_receivers() if receivers is None else np.asarray(receivers, dtype=np.float64),
        Pml(pml_width, pml_strength), float(start), float(free), _pair(speeds),
    )  # fmt: skip


def wave_problem(
    *,
    medium: Any = "uniform",
    centre: tuple[float, float] | None = None,
    variance: float = 5e-4,
    peak: float = 0.02,
    duration: float = 0.4,
    border: Border = "open",
) -> WaveProblem:
    """A wave problem from a recipe's options; it starts at (0, 0) by default."""
    place = (0.0, 0.0) if centre is None else _pair(centre)
    return WaveProblem(make_medium(medium), place, float(variance), float(peak), float(duration), border)


MAKERS: dict[str, Callable[..., Problem]] = {"helmholtz": helmholtz_problem, "fwi": fwi_problem, "wave": wave_problem}
"""The problem of a recipe's `data`, by its name."""


def problem_of(name: str, options: Mapping[str, Any]) -> Problem:
    """The problem that a recipe's `data` states; options that only concern sampling are passed over.

    Raises:
        RecipeError: no problem has that name, or an option is wrong.
        DataError: the medium is.
    """
    if name not in MAKERS:
        advice = f"{did_you_mean(name, MAKERS)} known: {', '.join(MAKERS)}".strip()
        raise RecipeError("data: name", f"{name!r} is not a wave problem.", advice)
    make: Callable[..., Problem] = MAKERS[name]
    known = signature(make).parameters
    return make(**{key: value for key, value in options.items() if key in known})


def check_inside(where: str, source: Gaussian, pml: Pml) -> None:
    """Refuse a source that the layer would damp: its centre and three standard deviations lie in the physics.

    Raises:
        RecipeError: they do not.
    """
    reach = 3 * math.sqrt(source.variance)
    if max(map(abs, source.position)) + reach > pml.start:
        found = f"the source at {source.position} (and {reach:.3g} around it) reaches into the absorbing layer."
        advice = f"Keep |x_i| below {pml.start - reach:.3g}: the layer begins at {pml.start:.3g}."
        raise RecipeError(where, found, advice)


def check_receivers(receivers: Real, pml: Pml) -> Real:
    """Receivers as float64 (receivers, 2), all of them where nothing is damped.

    Raises:
        RecipeError: another shape, none at all, or one outside.
    """
    places = np.asarray(receivers, dtype=np.float64)
    if places.ndim != 2 or places.shape[1] != 2 or len(places) == 0:
        raise RecipeError("fwi: receivers", f"shape {places.shape}.", "Give a list of [x, y], at least one.")
    outside = ~(np.abs(places) <= pml.start).all(-1)
    if outside.any():
        first = tuple(map(float, places[outside][0]))
        found = f"{outside.sum()} of {len(places)} lie outside the physics, such as {first}."
        raise RecipeError("fwi: receivers", found, f"Keep |x_i| at or below {pml.start:.3g}.")
    return places


def points_needed(problem: HelmholtzProblem | InversionProblem, per_wavelength: float = 10.0) -> int:
    """Points per axis of [-1, 1] that give so many to the shortest wave."""
    slowest = check_medium(problem.medium)[0]
    return math.ceil(2 * per_wavelength * problem.wavenumber / (2 * math.pi * slowest)) + 1


def check_resolution(where: str, problem: HelmholtzProblem | InversionProblem, nodes: int) -> float:
    """Points per shortest wavelength of a grid of `nodes` per axis of [-1, 1].

    Raises:
        DataError: fewer than `LEAST_PER_WAVELENGTH`; the message names the number that is needed.
    """
    slowest = check_medium(problem.medium)[0]
    found = (2 * math.pi * slowest / problem.wavenumber) / (2 / (nodes - 1))
    if found < LEAST_PER_WAVELENGTH:
        least, good = points_needed(problem, LEAST_PER_WAVELENGTH), points_needed(problem)
        advice = f"Take at least {least}, better {good}, points per axis, or a smaller wavenumber."
        raise DataError(where, f"{nodes} points per axis are {found:.2g} per wavelength.", advice)
    return found


def _positive(where: str, value: float) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise RecipeError(where, f"{value}.", "Give a positive number.")


def _pair(place: Any) -> tuple[float, float]:
    values = tuple(float(x) for x in place)
    if len(values) != 2:
        raise RecipeError("position", f"{place!r}.", "Give two numbers, [x, y].")
    return values[0], values[1]
