"""Full-waveform inversion as data: several sources, what receivers hear of them, and no word about the medium."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from metasiren import Batch, Context, Dataset, Domain, Points, RecipeError
from metasiren_physics.arrays import Complex
from metasiren_physics.datasets.curriculum import check_curriculum, geometric, vanishing
from metasiren_physics.datasets.helmholtz import (
    SQUARE,
    check_count,
    equation_points,
    physics_box,
    physics_grid,
)
from metasiren_physics.datasets.sampling import Discs, Region, check_shares, draw_mixture
from metasiren_physics.media import Uniform
from metasiren_physics.problems import InversionProblem, fwi_problem
from metasiren_physics.reference.receivers import receiver_data
from metasiren_physics.sources import Gaussian


class InversionDataset(Dataset):
    """Waves of several sources in an unknown medium, heard at receivers; channels (Re, Im) of each wave, then m - 1.

    The point set `interior` is as that of `helmholtz`, with a `source` for each wave; its `slowness` is that of the
    start, never the truth. The set `receivers` knows the `values` (1, receivers, 2 * sources) that were heard: the
    exact series of a disc, or a 9-point grid solution for other media.

    Args:
        medium: the truth, which makes the data; as for `helmholtz`.
        frequency: in hertz, where the background's speed is 1.
        wavenumber: k = 2π frequency, given directly.
        sources: positions; the paper's five by default.
        receivers: positions; the paper's thirty by default.
        variance: of the Gaussian sources.
        strength: real and imaginary part of each source.
        pml_width: width of the absorbing layer.
        pml_strength: how much the layer damps, a0.
        start: speed that the inversion starts from.
        free: m is sought where |x_i| is below this.
        points: drawn at each step.
        near: share of the points that is drawn about the sources.
        near_radius: how far from a source these lie, in its standard deviations.
        physics: share of the points that is drawn where nothing absorbs.
        weighted: weigh points by the area that they stand for; if not, each counts as much, as in the paper.
        start_variance: variance of the sources at the first step, from which it shrinks geometrically.
        shrink_from: share of the training after which it begins to shrink.
        shrink_until: share of the training after which the sources have their own variance.
        start_damping: alpha of the first step, where k² (1 - j alpha) stands for k², as for `helmholtz`.
        damping_until: share of the training after which nothing damps but the layer.
        noise: standard deviation of Gaussian noise on the data, as a share of their root mean square.
    """

    def __init__(
        self,
        *,
        medium: str | float | dict[str, Any] = "disc",
        frequency: float = 3.2,
        wavenumber: float | None = None,
        sources: list[tuple[float, float]] | None = None,
        receivers: list[tuple[float, float]] | None = None,
        variance: float = 1e-4,
        strength: tuple[float, float] = (1.0, 1.0),
        pml_width: float = 0.5,
        pml_strength: float = 5.0,
        start: float = 1.0,
        free: float = 0.75,
        points: int = 300,
        near: float = 0.4,
        near_radius: float = 5.0,
        physics: float = 0.2,
        weighted: bool = True,
        start_variance: float | None = None,
        shrink_from: float = 0.0,
        shrink_until: float = 0.3,
        start_damping: float = 0.0,
        damping_until: float = 0.3,
        noise: float = 0.0,
    ) -> None:
        self.problem: InversionProblem = fwi_problem(
            medium=medium, frequency=frequency, wavenumber=wavenumber, sources=sources, receivers=receivers,
            variance=variance, strength=strength, pml_width=pml_width, pml_strength=pml_strength, start=start,
            free=free,
        )  # fmt: skip
        self.points, self.weighted = check_count("data: fwi: points", points), weighted
        self.elsewhere = check_shares("data: fwi", near=near, physics=physics)
        self.near, self.near_radius, self.physics = near, near_radius, physics
        if not (near_radius > 0 and noise >= 0 and (start_variance is None or start_variance > 0)):
            found = f"near_radius {near_radius}, noise {noise}, start_variance {start_variance}."
            raise RecipeError("data: fwi", found, "A radius and a variance are positive, noise is not negative.")
        check_curriculum("data: fwi: shrink", shrink_from, shrink_until)
        if not start_damping >= 0:
            raise RecipeError("data: fwi: start_damping", f"{start_damping}.", "Give zero or more; 1 is much.")
        check_curriculum("data: fwi: damping", 0.0, damping_until)
        self.start_variance, self.shrink = start_variance, (shrink_from, shrink_until)
        self.start_damping, self.damping_until = start_damping, damping_until
        count = len(self.problem.sources)
        self.title = f"Full-waveform inversion, {count} sources, {len(self.problem.receivers)} receivers"
        self.splits, self.domain = {"train": 1, "test": 1}, Domain(2, 2 * count + 1)
        self.facts = {"wavenumber": self.problem.wavenumber, "sources": count, "start": start}
        self.heard = torch.from_numpy(_channels(heard_with_noise(self.problem, noise)))
        self.start_medium = Uniform(start)
        self.now, self.damping = self._sources(0.0), start_damping

    def _sources(self, progress: float) -> tuple[Gaussian, ...]:
        return tuple(
            replace(s, variance=geometric(progress, *self.shrink, self.start_variance, s.variance))
            for s in self.problem.sources
        )

    def at_progress(self, progress: float) -> InversionDataset:
        """The same with the sources' variance and the damping of this moment of training."""
        if self.start_variance is None and not self.start_damping:
            return self
        moved = copy.copy(self)
        moved.now = self._sources(progress)
        moved.damping = vanishing(progress, 0.0, self.damping_until, self.start_damping)
        return moved

    def batch(
        self,
        split: str,
        items: Tensor,
        *,
        context: tuple[int, int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Batch:
        """`train` draws points; `test` has the nodes of a grid over the physics and the final sources."""
        place, problem = items.device, self.problem
        if split == "train":
            sources, damping = self.now, self.damping
            radius = self.near_radius * math.sqrt(sources[0].variance)
            regions: list[tuple[float, Region]] = [(self.elsewhere, SQUARE)]
            regions += [(self.physics, physics_box(problem.pml))] if self.physics else []
            regions += [(self.near, Discs(tuple(s.position for s in sources), radius))] if self.near else []
            coords, weight = draw_mixture(regions, SQUARE, self.points, generator, place)
            weight = weight if self.weighted else torch.ones_like(weight)
        else:
            sources, damping, coords = problem.sources, 0.0, physics_grid(problem.pml, 64, place)
            weight = coords.new_ones(len(coords))
        interior = equation_points(coords, weight, replace(problem, medium=self.start_medium), sources, damping)
        at = torch.from_numpy(problem.receivers).to(place)
        receivers = Points(at.unsqueeze(0), {"values": self.heard.to(place, copy=True).unsqueeze(0)})
        return Batch(Context.empty(items, self.domain), {"interior": interior, "receivers": receivers})


def heard_with_noise(problem: InversionProblem, noise: float = 0.0) -> Complex:
    """The waves of all sources at the receivers in the true medium, (receivers, sources), complex.

    Args:
        problem: with its true medium.
        start_damping: alpha of the first step, where k² (1 - j alpha) stands for k², as for `helmholtz`.
        damping_until: share of the training after which nothing damps but the layer.
        noise: standard deviation of what is added, as a share of the root mean square; always the same draw.
    """
    heard: Complex = receiver_data(problem).T
    if noise:
        draws = np.random.default_rng(0).normal(size=(2, *heard.shape)) / math.sqrt(2)
        heard = heard + noise * math.sqrt((abs(heard) ** 2).mean()) * (draws[0] + 1j * draws[1])
    return heard


def _channels(waves: Complex) -> Any:
    """(points, waves) complex -> (points, 2 * waves), real and imaginary parts in turn."""
    return np.stack([waves.real, waves.imag], -1).reshape(len(waves), -1)
