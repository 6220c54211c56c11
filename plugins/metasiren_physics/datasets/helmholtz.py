"""One time-harmonic wave (Eq. 11 of the paper's supplement) as data: points, medium, layer and source there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from metasiren import Batch, Context, Domain, Points
from metasiren_physics.datasets.edges import edge_region
from metasiren_physics.datasets.sampling import unused_widths
from metasiren_physics.datasets.sourced import SourcedWaves
from metasiren_physics.media import Uniform
from metasiren_physics.problems import helmholtz_problem
from metasiren_physics.sources import Gaussian


class HelmholtzDataset(SourcedWaves):
    """A wave of one frequency in [-1, 1]², its real and imaginary part as channels; the border absorbs.

    The point set `interior` covers the square, absorbing layer included. Its targets are the equation's `operator`
    (1, points, 5, 2), the `source` (1, points, 1, 2) and `slowness` (1, points, 1), and each point's `weight`.

    Args:
        medium: `uniform`, `disc` or `square`; a mapping such as {name: disc, inside: 2, radius: 0.1}; a picture as
            {name: picture, path: speeds.png}; or a speed.
        wavenumber: k at unit speed, in radians per unit of length.
        source: its position; the middle of a uniform medium, (-0.35, 0) beside others.
        variance: of the Gaussian source.
        strength: real and imaginary part of the source.
        pml_width: width of the absorbing layer.
        pml_strength: how much the layer damps, a0.
        points: drawn at each step.
        near: share of the points that is drawn about the source.
        near_radius: how far from the source these lie, in its standard deviations.
        physics: share of the points that is drawn where nothing absorbs; the others cover the whole square.
        edges: share of the points that is drawn along the edge of a disc or square medium.
        edge_width: how far from the edge these lie.
        weighted: weigh points by the area that they stand for; if not, each counts as much, as in the paper.
        fade: residuals in the absorbing layer are multiplied by its attenuation to this power, 0 to 1. A wave that
            leaves an error deep in the layer is damped on its way back, so these residuals can count less than others;
            0 weighs all alike.
        start_variance: variance of the source at the first step, from which it shrinks geometrically; by default
            `variance` throughout.
        shrink_from: share of the training after which it begins to shrink.
        shrink_until: share of the training after which the source has its own variance.
        start_damping: alpha of the first step, where k² (1 - j alpha) stands for k² everywhere, so that the wave decays
            within about 2 / (alpha k); it falls linearly to zero, and the wave spreads as it does. This way training
            finds the undamped wave much sooner.
        damping_until: share of the training after which nothing damps but the layer.
    """

    def __init__(
        self,
        *,
        medium: str | float | dict[str, Any] = "uniform",
        wavenumber: float = 20.0,
        source: tuple[float, float] | None = None,
        variance: float = 1e-4,
        strength: tuple[float, float] = (1.0, 1.0),
        pml_width: float = 0.5,
        pml_strength: float = 5.0,
        points: int = 500,
        near: float = 0.2,
        near_radius: float = 5.0,
        physics: float = 0.0,
        edges: float = 0.0,
        edge_width: float = 0.05,
        weighted: bool = True,
        fade: float = 0.0,
        start_variance: float | None = None,
        shrink_from: float = 0.0,
        shrink_until: float = 0.5,
        start_damping: float = 0.0,
        damping_until: float = 0.5,
    ) -> None:
        self.problem = helmholtz_problem(
            medium=medium, wavenumber=wavenumber, source=source, variance=variance, strength=strength,
            pml_width=pml_width, pml_strength=pml_strength,
        )  # fmt: skip
        super().__init__(
            "data: helmholtz", self.problem.pml, [self.problem.source],
            points=points, near=near, near_radius=near_radius, physics=physics, weighted=weighted,
            fade=fade, wavenumber=wavenumber,
            start_variance=start_variance, shrink=(shrink_from, shrink_until),
            start_damping=start_damping, damping_until=damping_until,
            along=(edges, edge_region("data: helmholtz: edges", self.problem.medium, edge_width)) if edges else None,
        )  # fmt: skip
        self.title = f"Helmholtz, {type(self.problem.medium).__name__.lower()} medium, k = {wavenumber:g}"
        self.splits, self.domain = {"train": 1, "test": 1}, Domain(2, 2)
        self.metadata = {
            "wavenumber": wavenumber,
            "channels": ["real", "imaginary"],
            "physics": self.problem.pml.start,
            "axes": {"x": [-1.0, 1.0], "y": [-1.0, 1.0]},
        }

    @classmethod
    def unused(cls, *, near: float = 0.2, edges: float = 0.0, **options: Any) -> Mapping[str, str]:
        """The widths of shares that are zero."""
        return unused_widths(near=near, edges=edges)

    def batch(
        self,
        split: str,
        items: Tensor,
        *,
        context: tuple[int, int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Batch:
        """`train` draws points; `test` has the nodes of a grid over the physics and the final source."""
        coords, weight, sources, damping = self.drawn(split, items.device, generator)
        points = equation_points(coords, weight, self.problem, sources, damping)
        return Batch(Context.empty(items, self.domain), {"interior": points})


def equation_points(
    coords: Tensor, weight: Tensor, problem: Any, sources: Sequence[Gaussian], damping: float = 0.0
) -> Points:
    """Points (points, 2) with what Eq. 11 needs there, complex numbers as (real, imaginary).

    Args:
        coords: in [-1, 1]².
        weight: (points,), the area that each stands for, over the mean.
        problem: with `medium`, `pml` and `wavenumber`.
        sources: one for each wave.
        damping: alpha, where k² (1 - j alpha) stands for k².
    """
    medium, pml, k = problem.medium, problem.pml, problem.wavenumber
    # Uniform media need no table.
    slowness = medium(coords) if not isinstance(medium, Uniform) else torch.full_like(weight, medium.value**-2.0)
    c = pml.coefficients(coords)
    operator = torch.stack([c.a, c.a_1, c.b, c.b_2, k**2 * (1 - 1j * damping) * c.c], -1)
    source = torch.stack([truncated(s, coords) for s in sources], -1)
    known = {
        "operator": torch.view_as_real(operator),
        "source": torch.view_as_real(source.resolve_conj()),
        "slowness": slowness.unsqueeze(-1),
        "weight": weight.unsqueeze(-1),
    }
    return Points(coords.unsqueeze(0), {name: value.unsqueeze(0) for name, value in known.items()})


def truncated(source: Gaussian, coords: Tensor) -> Tensor:
    """The source (points,), complex, zero where its unit Gaussian is below 1e-5, as in the paper's code."""
    density = source.density(coords)
    return torch.where(density < 1e-5, torch.zeros_like(density), density) * source.strength
