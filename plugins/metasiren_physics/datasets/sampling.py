"""Points drawn more densely where the solution is hard, with weights that keep means over the area unbiased.

Points come from a mixture of distributions: some over the whole domain, some where the solution is hard. With q the
mixture's density and p that of the domain, the mean of p/q · r² over the points is an unbiased mean of r² over the
domain, whatever the shares (importance sampling).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from metasiren import RecipeError
from metasiren.nn.constants import constant, constants


class Region(ABC):
    """A distribution of points."""

    @abstractmethod
    def draw(self, count: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """(count, d) points, float64."""

    @abstractmethod
    def density(self, points: Tensor) -> Tensor:
        """The probability density (points,) at points (points, d)."""


def even(count: int, d: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
    """Points (count, d) of the unit cube, float64: each uniform, together without clumps and holes.

    A lattice of irrational steps, moved as a whole by a random shift (Cranley and Patterson 1976). The steps are powers
    of 1/φ with φ^(d+1) = φ + 1. Least-squares steps on few points suffer from the holes of independent ones.
    """
    phi = 2.0
    for _ in range(60):
        phi = (1 + phi) ** (1 / (d + 1))
    shift = torch.rand(d, generator=generator, device=device, dtype=torch.float64)
    steps = constant([phi ** -(i + 1) for i in range(d)], shift)
    return (shift + torch.arange(count, dtype=torch.float64, device=device).unsqueeze(-1) * steps) % 1


@dataclass(frozen=True)
class Box(Region):
    """Uniform between two corners."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    def draw(self, count: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """See `Region.draw`."""
        unit = even(count, len(self.low), generator, device)
        # A curriculum moves corners at every step: numbers for each axis, not tensors, which would be copied.
        low, high = self.low, self.high
        return torch.stack([a + (b - a) * x for a, b, x in zip(low, high, unit.unbind(-1), strict=True)], -1)

    def density(self, points: Tensor) -> Tensor:
        """See `Region.density`."""
        sides = zip(self.low, self.high, points.unbind(-1), strict=True)
        within = torch.stack([(x >= a) & (x <= b) for a, b, x in sides]).all(0)
        volume = math.prod(b - a for a, b in zip(self.low, self.high, strict=True))
        return within.to(points.dtype) / volume


@dataclass(frozen=True)
class Discs(Region):
    """Uniform over the area of discs of one radius, each as likely as the others."""

    centres: tuple[tuple[float, float], ...]
    radius: float

    def draw(self, count: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """See `Region.draw`; the discs take turns."""
        turns = torch.arange(count, device=device) % len(self.centres)
        r, angle = even(count, 2, generator, device).unbind(-1)
        centres = constants(self.centres, r)
        return centres[turns] + polar(self.radius * r.sqrt(), 2 * math.pi * angle)

    def density(self, points: Tensor) -> Tensor:
        """See `Region.density`."""
        centres = constants(self.centres, points)
        within = (points.unsqueeze(-2) - centres).square().sum(-1) < self.radius**2
        return within.sum(-1).to(points.dtype) / (len(self.centres) * math.pi * self.radius**2)


def polar(radius: Tensor, angle: Tensor) -> Tensor:
    """(..., 2) from r (...) and an angle (...)."""
    return torch.stack([radius * angle.cos(), radius * angle.sin()], -1)


def draw_mixture(
    regions: Sequence[tuple[float, Region]],
    domain: Region,
    count: int,
    generator: torch.Generator | None,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Points of a mixture inside the domain, and their weights.

    Args:
        regions: shares, which add up to one, and distributions. Each has its exact number of points, up to rounding;
            the first takes what rounding leaves.
        domain: over which means are to be taken; drawn points outside it get weight zero.
        count: number of points.
        generator: source of randomness.
        device: where the points shall lie.

    Returns:
        points (count, d), and p/q (count,), whose expectation is one.
    """
    counts = [round(share * count) for share, _ in regions]
    counts[0] += count - sum(counts)
    points = torch.cat([region.draw(n, generator, device) for n, (_, region) in zip(counts, regions, strict=True)])
    q = torch.stack([n / count * region.density(points) for n, (_, region) in zip(counts, regions, strict=True)]).sum(0)
    return points, domain.density(points) / q


WIDTHS = {"front": "front_width", "edges": "edge_width", "around": "around_radius", "near": "near_radius"}
"""The option that says how far the points of a share lie from where the solution is hard."""


def unused_widths(**shares: object) -> dict[str, str]:
    """For `Dataset.unused`: the widths of shares that are zero, and these shares."""
    return {WIDTHS[name]: name for name, share in shares.items() if not share}


def check_shares(where: str, **shares: float) -> float:
    """One minus the sum of the shares.

    Raises:
        RecipeError: a negative share, or nothing left for the whole domain.
    """
    left = 1 - sum(shares.values())
    if min(shares.values()) < 0 or left <= 0:
        found = f"{', '.join(f'{name} {share:g}' for name, share in shares.items())}."
        raise RecipeError(where, found, "Shares are not negative, and leave some points for the whole domain.")
    return left
