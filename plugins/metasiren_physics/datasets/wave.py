"""An initial value problem of the wave equation as data: points in time and space, and the wave's start."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from metasiren import Batch, Context, Dataset, Domain, ExactConditions, Points, RecipeError
from metasiren.nn.constants import constant
from metasiren_physics.datasets.curriculum import check_curriculum, share
from metasiren_physics.datasets.edges import Lasting, draw_border, edge_pairs, edge_region
from metasiren_physics.datasets.front import Front, travel
from metasiren_physics.datasets.held_border import HeldBorder
from metasiren_physics.datasets.sampling import Box, Region, check_shares, draw_mixture, even, polar, unused_widths
from metasiren_physics.datasets.sourced import A_FEW, check_count
from metasiren_physics.media import Square, Uniform
from metasiren_physics.problems import Border, wave_problem


class WaveDataset(Dataset):
    """A wave u(t, x, y) in [0, duration] x [-1, 1]² that starts as a Gaussian at rest.

    Coordinate 0 is the time. The point set `interior` has the `slowness` (1, points, 1), `initial` (t = 0) the
    `values` that the wave starts with, `boundary` (for borders `dirichlet` and `neumann`) the outward `normals`
    (1, points, 2), and so has `interface`, whose points come in pairs and have their `sides`, -1 or 1. Each point has
    its `weight`, so that means are taken over the volume (area, length) of the set.

    Args:
        medium: `uniform`, `disc` or `square`; a mapping such as {name: disc, inside: 2, radius: 0.1}; a picture as
            {name: picture, path: speeds.png}; or a speed.
        centre: of the Gaussian; the middle by default.
        variance: of the Gaussian.
        peak: its height; 0.02 in the paper, 1 suits a network better.
        duration: the last time.
        border: `open`, where waves leave and there is no boundary condition; `dirichlet` (u = 0) or `neumann`
            (no slope across it).
        points: drawn in the interior at each step.
        initial: points drawn at t = 0.
        boundary: points drawn on the border, where it has a condition.
        front: share of the interior points that is drawn near the front: where straight rays from the centre arrive.
        front_width: how far from the front these lie (standard deviation), in the Gaussian's standard deviations.
        edges: share of the interior points that is drawn along the edge of a disc or square medium, at all times: waves
            that are thrown back there are behind the front.
        edge_width: how far from the edge these lie.
        around: share of the interior points whose distance from the centre is even up to `around_radius`, at all times:
            as many on a small circle as on a large one.
        around_radius: the greatest of these distances.
        interface: points on the edge of a disc or square medium, each taken twice, just inside and just outside: the
            set `interface` of the constraints `continuous_value` and `continuous_slope`.
        diagonals: whether the interface of a square contains the diagonals outside it, where the input layer
            `convex_pieces` lets a field jump, too.
        near: share of the initial points that is drawn in a disc about the centre.
        near_radius: the disc's radius, in the Gaussian's standard deviations.
        weighted: weigh points by the volume that they stand for; if not, each inside the domain counts as
            much, as in the paper.
        start_duration: the interval of times at the first step, from which it grows linearly; by default `duration`
            throughout.
        grow_from: share of the training after which it begins to grow.
        grow_until: share of the training after which the interval has its whole length.
        exact: `[border]`, where the border is `dirichlet`: the field is zero there by its form, and needs neither
            points nor a constraint for it.
    """

    renderer = "equation"
    points_of: ClassVar[Mapping[str, str]] = {"interface": "interface", "boundary": "boundary"}

    def __init__(
        self,
        *,
        medium: str | float | dict[str, Any] = "uniform",
        centre: tuple[float, float] | None = None,
        variance: float = 5e-4,
        peak: float = 0.02,
        duration: float = 0.4,
        border: Border = "open",
        points: int = 700,
        initial: int = 350,
        boundary: int = 100,
        front: float = 0.5,
        front_width: float = 2.0,
        edges: float = 0.0,
        edge_width: float = 0.05,
        around: float = 0.0,
        around_radius: float = 0.6,
        interface: int = 0,
        diagonals: bool = False,
        near: float = 0.5,
        near_radius: float = 5.0,
        weighted: bool = True,
        start_duration: float | None = None,
        grow_from: float = 0.0,
        grow_until: float = 1.0,
        exact: tuple[Literal["border"], ...] = (),
    ) -> None:
        if border == "periodic":
            advice = "Choose open, dirichlet or neumann; the solver fft has periodic ones."
            raise RecipeError("data: wave: border", "networks are not trained with periodic borders.", advice)
        self.problem = wave_problem(
            medium=medium, centre=centre, variance=variance, peak=peak, duration=duration, border=border
        )
        if exact:
            HeldBorder(border)
        for name, count in (("points", points), ("initial", initial), ("boundary", boundary)):
            check_count(f"data: wave: {name}", count, A_FEW)
        self.counts = {"interior": points, "initial": initial, "boundary": boundary}
        self.elsewhere = (
            check_shares("data: wave", front=front, edges=edges, around=around),
            check_shares("data: wave", near=near),
        )
        self.front, self.near, self.weighted = front, near, weighted
        if not (front_width > 0 and near_radius > 0 and around_radius > 0):
            found = f"front_width {front_width}, near_radius {near_radius}, around_radius {around_radius}."
            raise RecipeError("data: wave", found, "All are positive.")
        check_curriculum("data: wave: grow", grow_from, grow_until)
        if start_duration is not None and not 0 < start_duration <= duration:
            found = f"{start_duration} is no part of 0 to {duration}."
            raise RecipeError("data: wave: start_duration", found, "Give a positive time.")
        sigma = math.sqrt(variance)
        self.front_width, self.near_radius = front_width * sigma, near_radius * sigma
        self.start_duration, self.grow = start_duration, (grow_from, grow_until)
        self.title = f"Wave equation, {type(self.problem.medium).__name__.lower()} medium, t up to {duration:g}"
        self.splits, self.domain = {"train": 1, "test": 1}, Domain(3, 1)
        self.metadata = {
            "duration": duration,
            "peak": peak,
            "channels": ["pressure"],
            "time": "t",
            "axes": {"t": [0.0, duration], "x": [-1.0, 1.0], "y": [-1.0, 1.0]},
        }
        if isinstance(self.problem.medium, Uniform):
            self.metadata["speed"] = self.problem.medium.value
        self.until = self._until(0.0)
        self.around = (around, Around(self.problem.centre, around_radius)) if around else None
        self.along = (edges, edge_region("data: wave: edges", self.problem.medium, edge_width)) if edges else None
        if diagonals and not (interface and isinstance(self.problem.medium, Square)):
            found = f"the interface has {interface} points, the medium is {type(self.problem.medium).__name__.lower()}."
            advice = "They belong to the interface of a square; give it points, or leave them out."
            raise RecipeError("data: wave: diagonals", found, advice)
        self.diagonals = diagonals
        if interface:
            check_count("data: wave: interface", interface, A_FEW)
            edge_region("data: wave: interface", self.problem.medium, 1.0)
            fixed = torch.Generator().manual_seed(0)
            at = edge_pairs(self.problem.medium, 256, duration, fixed, torch.device("cpu"))[0]
            if not bool((at[:, 1:].abs() < 1).all(-1).any()):
                found = "the edge of the medium lies outside [-1, 1]²."
                raise RecipeError("data: wave: interface", found, "Make the medium smaller, or leave it out.")
            self.counts["interface"] = interface
        self.arrival = travel(self.problem.medium, self.problem.centre, duration)

    @classmethod
    def unused(
        cls, *, front: float = 0.5, near: float = 0.5, edges: float = 0.0, around: float = 0.0, **options: Any
    ) -> Mapping[str, str]:
        """The widths of shares that are zero."""
        return unused_widths(front=front, near=near, edges=edges, around=around)

    @classmethod
    def exact_conditions(cls, **options: Any) -> ExactConditions | None:
        """The border of `exact`; see `Dataset.exact_conditions`.

        Raises:
            RecipeError: a border that is not `dirichlet`.
        """
        return HeldBorder(options.get("border", "open")) if options.get("exact") else None

    def _until(self, progress: float) -> float:
        done, last = share(progress, *self.grow), self.problem.duration
        return last if self.start_duration is None or done == 1 else (1 - done) * self.start_duration + done * last

    def at_progress(self, progress: float) -> WaveDataset:
        """The same with the interval of times of this moment of training."""
        if self.start_duration is None:
            return self
        moved = copy.copy(self)
        moved.until = self._until(progress)
        return moved

    def batch(
        self,
        split: str,
        items: Tensor,
        *,
        context: tuple[int, int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Batch:
        """`train` draws points; `test` draws others of the whole interval, the same at every call."""
        place, until = items.device, self.until
        if split != "train":
            generator, until = torch.Generator(place).manual_seed(0), self.problem.duration
        problem, sets = self.problem, {}
        whole = Box((0.0, -1.0, -1.0), (until, 1.0, 1.0))
        regions: list[tuple[float, Region]] = [(self.elsewhere[0], whole)]
        if self.front:
            regions.append((self.front, Front(problem.centre, self.arrival, until, self.front_width)))
        regions += [(part, Lasting(region, until)) for part, region in filter(None, (self.along, self.around))]
        coords, weight = draw_mixture(regions, whole, self.counts["interior"], generator, place)
        known = {"slowness": problem.medium(coords[:, 1:]).unsqueeze(-1)}
        sets["interior"] = self._points(coords, weight, known)
        plane = Box((-1.0, -1.0), (1.0, 1.0))
        regions = [(self.elsewhere[1], plane)]
        if self.near:
            regions.append((self.near, Near(problem.centre, self.near_radius)))
        coords, weight = draw_mixture(regions, plane, self.counts["initial"], generator, place)
        known = {"values": problem.initial(coords).unsqueeze(-1)}
        sets["initial"] = self._points(torch.nn.functional.pad(coords, (1, 0)), weight, known)
        if problem.border in ("dirichlet", "neumann"):
            coords, normals = draw_border(self.counts["boundary"], until, generator, place)
            sets["boundary"] = self._points(coords, torch.ones_like(coords[:, 0]), {"normals": normals})
        if "interface" in self.counts:
            count, diagonals = self.counts["interface"], self.diagonals
            coords, normals, sides = edge_pairs(problem.medium, count, until, generator, place, diagonals=diagonals)
            inside = whole.density(coords) > 0
            both = inside.view(2, -1).all(0).repeat(2).to(coords)
            sets["interface"] = self._points(coords, both, {"normals": normals, "sides": sides.unsqueeze(-1)})
        return Batch(Context.empty(items, self.domain), sets)

    def _points(self, coords: Tensor, weight: Tensor, known: dict[str, Tensor]) -> Points:
        known["weight"] = (weight if self.weighted else (weight > 0).to(weight)).unsqueeze(-1)
        return Points(coords.unsqueeze(0), {name: value.unsqueeze(0) for name, value in known.items()})


@dataclass(frozen=True)
class Around(Region):
    """Distances from a centre uniform in [0, radius], in all directions."""

    centre: tuple[float, float]
    radius: float

    def draw(self, count: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """See `Region.draw`."""
        r, turn = even(count, 2, generator, device).unbind(-1)
        return polar(self.radius * r, 2 * math.pi * turn) + constant(self.centre, r)

    def density(self, points: Tensor) -> Tensor:
        """See `Region.density`."""
        r: Tensor = (points - constant(self.centre, points)).square().sum(-1).sqrt()
        return (r < self.radius).to(points.dtype) / (2 * math.pi * self.radius * r.clamp(min=1e-12))


@dataclass(frozen=True)
class Near(Region):
    """Uniform over a disc."""

    centre: tuple[float, float]
    radius: float

    def draw(self, count: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """See `Region.draw`."""
        r, angle = even(count, 2, generator, device).unbind(-1)
        return polar(self.radius * r.sqrt(), 2 * math.pi * angle) + constant(self.centre, r)

    def density(self, points: Tensor) -> Tensor:
        """See `Region.density`."""
        within = (points - constant(self.centre, points)).square().sum(-1) < self.radius**2
        return within.to(points.dtype) / (math.pi * self.radius**2)
