"""The front of a wave that starts at a point, and points drawn near it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from metasiren.nn.constants import constant
from metasiren_physics.datasets.sampling import Region, even, polar
from metasiren_physics.media import Medium, Uniform, check_medium


@dataclass(frozen=True)
class Arrival:
    """The distance that a wave has travelled from a centre along straight rays, by time and direction; linear between
    nodes.

    Attributes:
        duration: of the last time.
        radii: (times, directions), times evenly from 0 to `duration`, directions evenly from 0 to 2π, both ends in.
    """

    duration: float
    radii: Tensor

    @classmethod
    def through(
        cls, medium: Medium, centre: tuple[float, float], duration: float, *, times: int = 257, directions: int = 181
    ) -> Arrival:
        """The distances r with ∫ ds / c = t over the ray from 0 to r. Beyond the square the medium goes on."""
        angle = np.linspace(0, 2 * math.pi, directions)
        edges = np.linspace(0, duration * check_medium(medium)[1], 1025)
        middle = (edges[1:] + edges[:-1]) / 2
        ray = np.stack([np.cos(angle), np.sin(angle)], -1)[:, None] * middle[:, None] + np.asarray(centre)
        passed = np.cumsum(np.diff(edges) / medium.speed(ray.clip(-1, 1)), 1)
        wanted = np.linspace(0, duration, times)
        radii = [np.interp(wanted, np.append(0.0, arrived), edges) for arrived in passed]
        return cls(duration, torch.from_numpy(np.stack(radii, 1)))

    def __call__(self, t: Tensor, angle: Tensor) -> Tensor:
        """Distances (n,) at times (n,) in directions (n,) in radians."""
        rows, columns = self.radii.shape
        row = (t / self.duration).clamp(0, 1) * (rows - 1)
        column = torch.remainder(angle / (2 * math.pi), 1) * (columns - 1)
        i, j = row.long().clamp(max=rows - 2), column.long().clamp(max=columns - 2)
        down, right, table = row - i, column - j, self.radii.to(t)
        upper = table[i, j] * (1 - right) + table[i, j + 1] * right
        lower = table[i + 1, j] * (1 - right) + table[i + 1, j + 1] * right
        return upper * (1 - down) + lower * down


@dataclass(frozen=True)
class Front(Region):
    """Times uniform in [0, until]; in space a ring about the centre, normal in its distance from the front's radius.

    A distance that comes out negative is reflected, so the density has two normal parts.

    Attributes:
        centre: where the wave starts.
        arrival: the front's radius by time and direction, or its speed where that is the same everywhere.
        until: the last time.
        width: standard deviation of distances.
    """

    centre: tuple[float, float]
    arrival: Arrival | float
    until: float
    width: float

    def radius(self, t: Tensor, angle: Tensor) -> Tensor:
        """How far the front is at times (n,) in directions (n,)."""
        return self.arrival(t, angle) if isinstance(self.arrival, Arrival) else self.arrival * t

    def draw(self, count: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """See `Region.draw`."""
        t, turn, quantile = even(count, 3, generator, device).unbind(-1)
        t, angle = self.until * t, 2 * math.pi * turn
        spread = torch.special.ndtri(quantile.clamp(min=1e-12))
        r = (self.radius(t, angle) + self.width * spread).abs()
        space = polar(r, angle) + constant(self.centre, t)
        return torch.cat([t.unsqueeze(-1), space], -1)

    def density(self, points: Tensor) -> Tensor:
        """See `Region.density`."""
        t, ray = points[:, 0], points[:, 1:] - constant(self.centre, points)
        r, front = ray.norm(dim=-1).clamp(min=1e-12), self.radius(t, torch.atan2(ray[:, 1], ray[:, 0]))
        normal = sum(torch.exp(-((s * r - front) ** 2) / (2 * self.width**2)) for s in (1, -1))
        along = normal / (self.width * math.sqrt(2 * math.pi) * 2 * math.pi * r)
        return torch.where((t >= 0) & (t <= self.until), along / self.until, torch.zeros_like(t))


def travel(medium: Medium, centre: tuple[float, float], duration: float) -> Arrival | float:
    """Where a wave from `centre` arrives in a medium; its speed where that is the same everywhere."""
    return medium.value if isinstance(medium, Uniform) else Arrival.through(medium, centre, duration)
