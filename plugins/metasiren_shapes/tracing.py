"""Where rays meet the level set: sphere tracing (Hart 1996), with the field evaluated only near the surface.

Where the value is v, the level set is at least v / G away, G being the greatest gradient norm. A coarse grid of values
gives the same bound everywhere in space; most steps use it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from metasiren_shapes.bound import MARGIN, measure_gradient
from metasiren_shapes.probe import Probe

CELLS = 40
FLIGHTS = 40
STEPS = 400
REFINEMENTS = 6


class Space:
    """A field in a cube, with a coarse grid of its values.

    Args:
        probe: of the field.
        level: whose set is sought.
        bounds: least and greatest coordinate of the cube.
        gradient: the greatest gradient norm; measured where left out.
    """

    def __init__(
        self, probe: Probe, level: float, bounds: tuple[float, float] = (-1.0, 1.0), gradient: float | None = None
    ) -> None:
        self.probe, self.level, self.bounds = probe, level, bounds
        self.steepest = MARGIN * (gradient or measure_gradient(probe, *bounds))
        low, high = bounds
        axis = low + (torch.arange(CELLS, device=probe.device, dtype=torch.float64) + 0.5) * (high - low) / CELLS
        self.centres = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3).to(probe.dtype)
        self.coarse = self.values(self.centres)

    def values(self, points: Tensor) -> Tensor:
        """(n,) distances to the level at points (n, 3), in the field's unit."""
        return self.probe.tensor_values(points) - self.level

    def safe(self, points: Tensor) -> Tensor:
        """(n,) lengths within which the level set is known not to be, negative where it is known to be inside.

        Zero where nothing is known.
        """
        low, high = self.bounds
        cell = ((points - low) * (CELLS / (high - low))).long().clamp(0, CELLS - 1)
        index = (cell[:, 0] * CELLS + cell[:, 1]) * CELLS + cell[:, 2]
        value = self.coarse[index]
        length = value.abs() / self.steepest - (points - self.centres[index]).norm(dim=1)
        signed: Tensor = length.clamp(min=0) * value.sign()
        return signed

    def extent(self) -> tuple[Tensor, float]:
        """Centre (3,) and radius of a ball around the part of space where the level set seems to be."""
        low, high = self.bounds
        size = (high - low) / CELLS
        grid = self.coarse.view(CELLS, CELLS, CELLS) < 0
        mixed = torch.zeros_like(grid)
        for axis in range(3):
            near, far = grid.narrow(axis, 0, CELLS - 1), grid.narrow(axis, 1, CELLS - 1)
            mixed.narrow(axis, 0, CELLS - 1).logical_or_(near != far)
            mixed.narrow(axis, 1, CELLS - 1).logical_or_(near != far)
        # The rim of the cube cuts an open solid: it is part of what is seen.
        rim = torch.ones_like(grid)
        rim[1:-1, 1:-1, 1:-1] = False
        chosen = self.centres[(mixed | (rim & grid)).reshape(-1)]
        if not len(chosen):
            chosen = self.centres
        middle = (chosen.amin(0) + chosen.amax(0)) / 2
        return middle, float((chosen - middle).norm(dim=1).max()) + size


@dataclass(frozen=True)
class Hits:
    """Where rays end.

    Attributes:
        rays: (n,) indices of the rays that meet the solid.
        points: (n, 3) where they do.
        cut: (n, 3) the outward normal where a ray meets the solid at the cube's wall, which cuts it; else zero.
    """

    rays: Tensor
    points: Tensor
    cut: Tensor


def trace(space: Space, origins: Tensor, directions: Tensor, least: float) -> Hits:
    """Follow rays to the first point of the solid, where the field is below the level.

    Args:
        space: the field.
        origins: (n, 3).
        directions: (n, 3) of length one.
        least: length of the shortest step: what is thinner may be missed.
    """
    enter, leave, wall = _through_cube(origins, directions, space.bounds)
    rays = torch.nonzero(leave > enter).squeeze(1)
    if not len(rays):
        return Hits(rays, origins[rays], origins[rays])
    o, d, t, end = origins[rays], directions[rays], enter[rays], leave[rays]
    v = _known(space, o + t[:, None] * d)
    at_wall = v < 0
    done = [(rays[at_wall], (o + t[:, None] * d)[at_wall], wall[rays][at_wall])]
    go = torch.nonzero(~at_wall).squeeze(1)
    brackets = []
    for _ in range(STEPS):
        if not len(go):
            break
        before, seen = t[go], v[go]
        ahead = before + (seen / space.steepest).clamp(min=least)
        ahead = _fly(space, o[go], d[go], ahead, end[go], least)
        inside = ahead < end[go]
        go, before, seen, ahead = go[inside], before[inside], seen[inside], ahead[inside]
        found = space.values(o[go] + ahead[:, None] * d[go])
        t[go], v[go] = ahead, found
        met = found < 0
        brackets.append((go[met], before[met], seen[met], ahead[met], found[met]))
        go = go[~met]
    if brackets:
        which, a, va, b, vb = (torch.cat(parts) for parts in zip(*brackets, strict=True))
        points = _refine(space, o[which], d[which], a, va, b, vb)
        done.append((rays[which], points, torch.zeros_like(points)))
    return Hits(*(torch.cat(parts) for parts in zip(*done, strict=True)))


def _through_cube(origins: Tensor, directions: Tensor, bounds: tuple[float, float]) -> tuple[Tensor, Tensor, Tensor]:
    """Where rays enter and leave the cube, and the outward normal (n, 3) of the wall through which they enter."""
    # A ray along a wall divides by zero; a tiny slope moves it by less than rounding does.
    slope = torch.where(directions.abs() < 1e-9, torch.full_like(directions, 1e-9), directions)
    first, second = (bounds[0] - origins) / slope, (bounds[1] - origins) / slope
    enter, axis = torch.minimum(first, second).max(dim=1)
    leave = torch.maximum(first, second).amin(dim=1)
    normal = torch.zeros_like(directions)
    normal.scatter_(1, axis.unsqueeze(1), -slope.gather(1, axis.unsqueeze(1)).sign())
    return enter.clamp(min=0), leave, normal


def _known(space: Space, points: Tensor) -> Tensor:
    """Distances to the level where rays begin: the coarse grid's bound where it says enough, else the field's value."""
    values = space.safe(points) * space.steepest
    unknown = torch.nonzero(values == 0).squeeze(1)
    values[unknown] = space.values(points[unknown])
    return values


def _fly(space: Space, o: Tensor, d: Tensor, t: Tensor, end: Tensor, least: float) -> Tensor:
    """Go on through space that is empty by the coarse grid."""
    t = t.clone()
    flying = torch.arange(len(t), device=t.device)
    for _ in range(FLIGHTS):
        flying = flying[t[flying] < end[flying]]
        if not len(flying):
            break
        safe = space.safe(o[flying] + t[flying, None] * d[flying])
        flying, safe = flying[safe > least], safe[safe > least]
        t[flying] += safe
    return t


def _refine(space: Space, o: Tensor, d: Tensor, a: Tensor, va: Tensor, b: Tensor, vb: Tensor) -> Tensor:
    """The crossing between a (outside) and b (inside), by false position in the Illinois variant."""
    a, va, b, vb = a.clone(), va.clone(), b.clone(), vb.clone()
    last = torch.zeros_like(a)
    for _ in range(REFINEMENTS):
        c = (a * vb - b * va) / (vb - va)
        vc = space.values(o + c[:, None] * d)
        out = vc >= 0
        va = torch.where(out, vc, torch.where(last < 0, va / 2, va))
        vb = torch.where(out, torch.where(last > 0, vb / 2, vb), vc)
        a, b = torch.where(out, c, a), torch.where(out, b, c)
        last = torch.where(out, 1.0, -1.0).to(a)
    return o + ((a * vb - b * va) / (vb - va))[:, None] * d
