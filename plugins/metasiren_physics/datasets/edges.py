"""Points along the edges of media, where a wave's second derivatives jump."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from metasiren import RecipeError
from metasiren.nn.constants import constant
from metasiren_physics.datasets.sampling import Region, even, polar
from metasiren_physics.media import Disc, Medium, Square


@dataclass(frozen=True)
class Ring(Region):
    """Uniform over the area within `width` of a circle."""

    centre: tuple[float, float]
    radius: float
    width: float

    @property
    def bounds(self) -> tuple[float, float]:
        """The squared inner and outer radius."""
        return max(self.radius - self.width, 0.0) ** 2, (self.radius + self.width) ** 2

    def draw(self, count: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """See `Region.draw`."""
        inner, outer = self.bounds
        share, angle = even(count, 2, generator, device).unbind(-1)
        r = (inner + (outer - inner) * share).sqrt()
        return polar(r, 2 * math.pi * angle) + constant(self.centre, r)

    def density(self, points: Tensor) -> Tensor:
        """See `Region.density`."""
        inner, outer = self.bounds
        q = (points - constant(self.centre, points)).square().sum(-1)
        return ((q >= inner) & (q <= outer)).to(points.dtype) / (math.pi * (outer - inner))


@dataclass(frozen=True)
class Frame(Region):
    """Uniform over the area within `width` of the square |x_i| = half, its corners square too."""

    half: float
    width: float

    @property
    def bounds(self) -> tuple[float, float]:
        """The inner and outer half-width."""
        return max(self.half - self.width, 0.0), self.half + self.width

    def draw(self, count: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """See `Region.draw`; four strips of one size, turned about the middle."""
        inner, outer = self.bounds
        across, along = even(count, 2, generator, device).unbind(-1)
        x, y = inner + (outer - inner) * across, -inner + (outer + inner) * along
        turns = torch.arange(count, device=device) % 4
        sides = [(x, y), (-y, x), (-x, -y), (y, -x)]
        strips = torch.stack([torch.stack(side, -1) for side in sides])
        return strips[turns, torch.arange(count, device=device)]

    def density(self, points: Tensor) -> Tensor:
        """See `Region.density`."""
        inner, outer = self.bounds
        far = points.abs().amax(-1)
        return ((far >= inner) & (far <= outer)).to(points.dtype) / (4 * (outer**2 - inner**2))


@dataclass(frozen=True)
class Lasting(Region):
    """A region of the plane at times uniform in [0, until]; points are (t, x, y)."""

    region: Region
    until: float

    def draw(self, count: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """See `Region.draw`; times in a random order, so that times and places are independent."""
        order = torch.randperm(count, generator=generator, device=device)
        t = self.until * even(count, 1, generator, device)[order]
        return torch.cat([t, self.region.draw(count, generator, device)], -1)

    def density(self, points: Tensor) -> Tensor:
        """See `Region.density`."""
        t = points[:, 0]
        return self.region.density(points[:, 1:]) * ((t >= 0) & (t <= self.until)) / self.until


def draw_border(
    count: int, until: float, generator: torch.Generator | None, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Points (count, 3) on the four sides at times in [0, until], and outward normals (count, 2)."""
    t, along = even(count, 2, generator, device).unbind(-1)
    side = torch.arange(count, device=device) % 4
    sign, axis = 2 * (side % 2).to(t) - 1, side // 2
    normals = torch.zeros(count, 2, dtype=torch.float64, device=device)
    normals[torch.arange(count, device=device), axis] = sign
    along = 2 * along - 1
    space = torch.stack([torch.where(axis == 0, sign, along), torch.where(axis == 0, along, sign)], -1)
    return torch.cat([(until * t).unsqueeze(-1), space], -1), normals


APART = 1e-6
"""How far from an edge the points on its two sides are."""


def edge_pairs(
    medium: Medium,
    count: int,
    until: float,
    generator: torch.Generator | None,
    device: torch.device,
    *,
    diagonals: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Points of an edge at times in [0, until]: each just inside, then each again just outside.

    Args:
        medium: a disc or a square.
        count: of pairs.
        until: the last time.
        generator: of the draw.
        device: of the points.
        diagonals: whether the diagonals of [-1, 1]² outside a square belong to its edge. Points are even along it.

    Returns:
        (2 count, 3); the normals that point outward, (2 count, 2); and -1 for points inside, 1 outside, (2 count,).
    """
    if isinstance(medium, Disc):
        t, turn = even(count, 2, generator, device).unbind(-1)
        normals = polar(torch.ones_like(turn), 2 * math.pi * turn)
        at = constant(medium.centre, turn) + medium.radius * normals
    else:
        assert isinstance(medium, Square)
        half = medium.half_width
        length = 8 * half, 4 * math.sqrt(2) * max(1 - half, 0.0)
        beyond = round(count * length[1] / sum(length)) if diagonals else 0
        border, normals = draw_border(count - beyond, 1.0, generator, device)
        t, at = border[:, 0], half * border[:, 1:]
        if beyond:
            more, along, across = _diagonal_points(half, beyond, generator, device)
            t, at, normals = torch.cat([t, more]), torch.cat([at, along]), torch.cat([normals, across])
    times = (until * t).unsqueeze(-1)
    made = [torch.cat([times, at + side * APART * normals], -1) for side in (-1, 1)]
    sides = torch.cat([-torch.ones_like(t), torch.ones_like(t)])
    return torch.cat(made), normals.repeat(2, 1), sides


def _diagonal_points(
    half: float, count: int, generator: torch.Generator | None, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Times in [0, 1] (count,), points (count, 2) of the diagonals outside |x_i| < half, and normals (count, 2)."""
    t, along = even(count, 2, generator, device).unbind(-1)
    turns = torch.arange(count, device=device) % 4
    signs = torch.stack([1 - 2 * (turns % 2), 1 - 2 * (turns // 2)], -1).to(t)
    normals = torch.stack([signs[:, 1], -signs[:, 0]], -1) / math.sqrt(2)
    return t, (half + (1 - half) * along).unsqueeze(-1) * signs, normals


def edge_region(where: str, medium: Medium, width: float) -> Region:
    """Where a medium jumps.

    Raises:
        RecipeError: a medium without an edge, or a width that is not positive.
    """
    if not width > 0:
        raise RecipeError(where, f"edge_width {width}.", "Give a positive length.")
    if isinstance(medium, Disc):
        return Ring(medium.centre, medium.radius, width)
    if isinstance(medium, Square):
        return Frame(medium.half_width, width)
    raise RecipeError(
        where,
        f"a medium of type {type(medium).__name__.lower()} has no edge.",
        "Choose a disc or a square, or leave it out.",
    )
