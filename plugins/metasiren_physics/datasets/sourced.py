"""Waves of one frequency from Gaussian sources as data: points, and the curricula of source and damping."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import torch
from torch import Tensor

from metasiren import Dataset, RecipeError
from metasiren_physics.datasets.curriculum import check_curriculum, geometric, vanishing
from metasiren_physics.datasets.sampling import Box, Discs, Region, check_shares, draw_mixture
from metasiren_physics.pml import Pml
from metasiren_physics.sources import Gaussian

SQUARE = Box((-1.0, -1.0), (1.0, 1.0))
TEST_NODES = 64
A_FEW = "Give one or more; a few hundred suit gauss_newton."


class SourcedWaves(Dataset):
    """Base of problems of one source and of several; options are those of `HelmholtzDataset`.

    Args:
        where: as errors name the place, such as `data: helmholtz`.
        pml: the absorbing layer.
        sources: as they are in the end.
        points: drawn at each step.
        near: share of them about the sources.
        near_radius: how far from a source these lie, in its standard deviations.
        physics: share of them where nothing absorbs.
        weighted: weigh points by the area that they stand for.
        fade: power of the layer's attenuation by which residuals in it are multiplied.
        wavenumber: k, on which the attenuation depends.
        start_variance: of the sources at the first step, or None.
        shrink: shares of the training between which they shrink.
        start_damping: alpha at the first step.
        damping_until: share of the training after which it is zero.
        along: another share of the points, and their distribution.

    Raises:
        RecipeError: an option out of its range.
    """

    renderer = "equation"

    def __init__(
        self,
        where: str,
        pml: Pml,
        sources: Sequence[Gaussian],
        *,
        points: int,
        near: float,
        near_radius: float,
        physics: float,
        weighted: bool,
        fade: float,
        wavenumber: float,
        start_variance: float | None,
        shrink: tuple[float, float],
        start_damping: float,
        damping_until: float,
        along: tuple[float, Region] | None = None,
    ) -> None:
        self.points, self.weighted = check_count(f"{where}: points", points, A_FEW), weighted
        self.along = along
        self.elsewhere = check_shares(where, near=near, physics=physics, edges=along[0] if along else 0.0)
        self.near, self.near_radius, self.physics = near, near_radius, physics
        self.fade, self.wavenumber = fade, wavenumber
        if start_variance is not None and not start_variance > 0:
            raise RecipeError(f"{where}: start_variance", f"{start_variance}.", "Give a positive number.")
        if not near_radius > 0:
            raise RecipeError(f"{where}: near_radius", f"{near_radius}.", "Give a positive number.")
        if not 0 <= fade <= 1:
            raise RecipeError(f"{where}: fade", f"{fade}.", "Give 0 to 1; a half suits least squares.")
        check_curriculum(f"{where}: shrink", *shrink)
        if not start_damping >= 0:
            raise RecipeError(f"{where}: start_damping", f"{start_damping}.", "Give zero or more; 1 damps strongly.")
        check_curriculum(f"{where}: damping", 0.0, damping_until)
        self.start_variance, self.shrink = start_variance, shrink
        self.start_damping, self.damping_until = start_damping, damping_until
        self.pml, self.final = pml, tuple(sources)
        self.now, self.damping = self._sources(0.0), start_damping

    def _sources(self, progress: float) -> tuple[Gaussian, ...]:
        return tuple(
            replace(s, variance=geometric(progress, *self.shrink, self.start_variance, s.variance)) for s in self.final
        )

    def at_progress(self, progress: float) -> Self:
        """The same with the sources' variance and the damping of this moment of training."""
        if self.start_variance is None and not self.start_damping:
            return self
        moved = copy.copy(self)
        moved.now = self._sources(progress)
        moved.damping = vanishing(progress, 0.0, self.damping_until, self.start_damping)
        return moved

    def drawn(
        self, split: str, device: torch.device, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor, tuple[Gaussian, ...], float]:
        """`train` draws points; `test` has the nodes of a grid over the physics, the final sources and no damping.

        Returns:
            coordinates (points, 2), the weight of each (points,), the sources and the damping there.
        """
        if split != "train":
            coords = physics_grid(self.pml, TEST_NODES, device)
            return coords, coords.new_ones(len(coords)), self.final, 0.0
        regions: list[tuple[float, Region]] = [(self.elsewhere, SQUARE)]
        if self.physics:
            regions.append((self.physics, physics_box(self.pml)))
        if self.along:
            regions.append(self.along)
        if self.near:
            radius = self.near_radius * math.sqrt(self.now[0].variance)
            regions.append((self.near, Discs(tuple(s.position for s in self.now), radius)))
        coords, weight = draw_mixture(regions, SQUARE, self.points, generator, device)
        weight = weight if self.weighted else (weight > 0).to(weight)
        if self.fade:
            # The weight is that of a squared residual.
            weight = weight * self.pml.attenuation(coords, self.wavenumber) ** (2 * self.fade)
        return coords, weight, self.now, self.damping


def physics_box(pml: Pml) -> Box:
    """Where nothing absorbs."""
    return Box((-pml.start, -pml.start), (pml.start, pml.start))


def physics_grid(pml: Pml, nodes: int, device: torch.device | str) -> Tensor:
    """Centres of nodes x nodes cells over the physics, (points, 2), coordinate 0 along rows; float64."""
    axis = pml.start * ((torch.arange(nodes, dtype=torch.float64, device=device) + 0.5) * (2 / nodes) - 1)
    return torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)


def check_count(where: str, count: int, advice: str = "Give a positive integer.") -> int:
    """A number of points, waves or channels.

    Raises:
        RecipeError: fewer than one.
    """
    if count < 1:
        raise RecipeError(where, f"{count} is below one.", advice)
    return count
