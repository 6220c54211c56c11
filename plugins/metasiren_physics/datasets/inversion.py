"""Full-waveform inversion as data: several sources and the receiver data, without the medium."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from metasiren import Batch, Context, Domain, Points, RecipeError
from metasiren_physics.arrays import Complex
from metasiren_physics.datasets.helmholtz import equation_points
from metasiren_physics.datasets.sampling import unused_widths
from metasiren_physics.datasets.sourced import SourcedWaves
from metasiren_physics.media import Uniform
from metasiren_physics.problems import InversionProblem, fwi_problem
from metasiren_physics.reference.receivers import receiver_data


class InversionDataset(SourcedWaves):
    """Waves of several sources in an unknown medium, recorded at receivers; channels (Re, Im) of each wave, then m - 1.

    The point set `interior` is as that of `helmholtz`, with a `source` for each wave; its `slowness` is that of the
    start, never the truth, and `range` (1, 1, 2) holds the least and greatest that a solution may have. The set
    `receivers` has the `values` (1, receivers, 2 * sources) received there: the exact series of a disc, or a 9-point
    grid solution for other media.

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
        speeds: slowest and fastest speed that a solution may have.
        two_speeds: the medium has that of the start and one other, which is found: the field has a channel more, see
            `metasiren_physics.two_speeds`.
        redraw: draw new points at each step; if not, each step has the first one's.
        points: drawn at each step.
        near: share of the points that is drawn about the sources.
        near_radius: how far from a source these lie, in its standard deviations.
        physics: share of the points that is drawn where nothing absorbs.
        weighted: weigh points by the area that they stand for; if not, each counts as much, as in the paper.
        fade: power of the layer's attenuation by which residuals in it are multiplied, as for `helmholtz`.
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
        speeds: tuple[float, float] = (0.7, 2.5),
        two_speeds: bool = False,
        redraw: bool = True,
        points: int = 300,
        near: float = 0.4,
        near_radius: float = 5.0,
        physics: float = 0.2,
        weighted: bool = True,
        fade: float = 0.0,
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
            free=free, speeds=speeds,
        )  # fmt: skip
        if not noise >= 0:
            raise RecipeError("data: fwi", f"noise {noise}.", "Give zero or more, a share of the receiver data.")
        super().__init__(
            "data: fwi", self.problem.pml, self.problem.sources,
            points=points, near=near, near_radius=near_radius, physics=physics, weighted=weighted,
            fade=fade, wavenumber=self.problem.wavenumber,
            start_variance=start_variance, shrink=(shrink_from, shrink_until),
            start_damping=start_damping, damping_until=damping_until,
        )  # fmt: skip
        count = len(self.problem.sources)
        self.title = f"Full-waveform inversion, {count} sources, {len(self.problem.receivers)} receivers"
        self.splits, self.domain = {"train": 1, "test": 1}, Domain(2, 2 * count + 1 + two_speeds)
        self.metadata = {
            "wavenumber": self.problem.wavenumber,
            "sources": count,
            "start": start,
            "channels": [
                *(f"wave {k + 1} {part}" for k in range(count) for part in ("real", "imaginary")),
                *(["level", "contrast"] if two_speeds else ["squared slowness - 1"]),
            ],
            "axes": {"x": [-1.0, 1.0], "y": [-1.0, 1.0]},
        }
        self.received = torch.from_numpy(_channels(receiver_data_with_noise(self.problem, noise)))
        self.start_medium, self.redraw = Uniform(start), redraw

    @classmethod
    def unused(cls, *, near: float = 0.4, **options: Any) -> Mapping[str, str]:
        """The width of a share that is zero."""
        return unused_widths(near=near)

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
        if not self.redraw:
            generator = torch.Generator(place).manual_seed(0)
        coords, weight, sources, damping = self.drawn(split, place, generator)
        interior = equation_points(coords, weight, replace(problem, medium=self.start_medium), sources, damping)
        limits = coords.new_tensor(problem.slownesses).view(1, 1, 2)
        interior = replace(interior, targets={**interior.targets, "range": limits})
        at = torch.from_numpy(problem.receivers).to(place)
        receivers = Points(at.unsqueeze(0), {"values": self.received.to(place, copy=True).unsqueeze(0)})
        return Batch(Context.empty(items, self.domain), {"interior": interior, "receivers": receivers})


def receiver_data_with_noise(problem: InversionProblem, noise: float = 0.0) -> Complex:
    """The waves of all sources at the receivers in the true medium, (receivers, sources), complex.

    Args:
        problem: with its true medium.
        start_damping: alpha of the first step, where k² (1 - j alpha) stands for k², as for `helmholtz`.
        damping_until: share of the training after which nothing damps but the layer.
        noise: standard deviation of what is added, as a share of the root mean square; always the same draw.
    """
    received: Complex = receiver_data(problem).T
    if noise:
        draws = np.random.default_rng(0).normal(size=(2, *received.shape)) / math.sqrt(2)
        received = received + noise * math.sqrt((abs(received) ** 2).mean()) * (draws[0] + 1j * draws[1])
    return received


def _channels(waves: Complex) -> Any:
    """(points, waves) complex -> (points, 2 * waves), real and imaginary parts in turn."""
    return np.stack([waves.real, waves.imag], -1).reshape(len(waves), -1)
