"""A family of solids: boxes with round edges, of random sides, place and turn, whose distances are known exactly."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from metasiren import Batch, Context, Dataset, Domain, Points, RecipeError, grid

STREAMS = {"train": 0, "test": 1}
OFFSET = 0.05
"""How far from the surface the context's other points lie, along the normals."""


class RoundedBoxes(Dataset):
    """Boxes with round edges in [-1, 1]³, turned about the third axis; the SDF is positive outside.

    The context is made of oriented surface points, as pairs of a position and a distance: a third on the surface, of
    distance 0, and a third each at 0.05 outside and inside along the normals (as in Carr et al. 2001, "Reconstruction
    and Representation of 3D Objects with Radial Basis Functions", section 3). The point sets are `space` with exact
    distances as `values`, `observed` (the context's points with their distances), and in `test` `reference`, which
    covers the cube evenly, and `section`, a grid of 48 x 48 at height 0.

    Args:
        train: number of training solids; any two differ.
        test: number of test solids, which differ from these.
        points: drawn in space for each solid, half of them near the surface.
        observed: surface points in a context; a multiple of three is best.
        seed: of the solids.

    Raises:
        RecipeError: a number below one.
    """

    def __init__(
        self, *, train: int = 4096, test: int = 64, points: int = 256, observed: int = 192, seed: int = 0
    ) -> None:
        for option, value in (("train", train), ("test", test), ("points", points), ("observed", observed)):
            if value < 1:
                raise RecipeError(f"data: solid_family: {option}", f"{value} is below one.", "Give a positive integer.")
        self.title, self.splits, self.domain = (
            "rounded boxes",
            {"train": train, "test": test},
            Domain(3, 1, None, train),
        )
        self.points, self.observed, self.seed = points, observed, seed
        self._solids = {split: _draw(count, 1000 * seed + STREAMS[split]) for split, count in self.splits.items()}

    def batch(
        self,
        split: str,
        items: Tensor,
        *,
        context: tuple[int, int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Batch:
        """Fresh points in `train`; in `test` always the same for a solid."""
        solids = self._solids[split].to(items.device)[items]
        if split != "train":
            pairs_of = zip(items.tolist(), solids, strict=True)
            parts = [self._points(one[None], _fixed(item, items.device)) for item, one in pairs_of]
            space, seen = (torch.cat(each) for each in zip(*parts, strict=True))
        else:
            space, seen = self._points(solids, generator)
        known = {"space": _with_distances(space, solids), "observed": Points(*self._pairs(seen, solids))}
        if split != "train":
            coords = torch.rand(1, 4000, 3, generator=_fixed(-1, items.device), device=items.device) * 2 - 1
            known["reference"] = _with_distances(coords.expand(len(items), -1, -1), solids)
            section = torch.cat([grid((48, 48), device=items.device), coords.new_zeros(48 * 48, 1)], dim=1)
            known["section"] = _with_distances(section.expand(len(items), -1, -1), solids)
        pairs, values = known["observed"].coords, known["observed"].values
        mask = torch.ones(pairs.shape[:2], dtype=torch.bool, device=items.device)
        if context is not None:
            least, most = (min(number, self.observed) for number in context)
            number = torch.randint(least, most + 1, (len(items), 1), generator=generator, device=items.device)
            mask = (torch.arange(self.observed, device=items.device) < number)[:, :most]
            pairs, values = pairs[:, :most] * mask.unsqueeze(2), values[:, :most] * mask.unsqueeze(2)
        return Batch(Context(items, pairs, values, mask), known)

    def to(self, device: torch.device | str) -> RoundedBoxes:
        """Move the solids, and return the data set."""
        self._solids = {split: solids.to(device) for split, solids in self._solids.items()}
        return self

    def _points(self, solids: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Points in space, half of them near the surface, and points on the surface."""
        count, device = len(solids), solids.device
        free = torch.rand(count, self.points + self.observed, 3, generator=generator, device=device) * 2 - 1
        half = self.points // 2
        near = free[:, :half] - _gap(free[:, :half], solids)
        near = near + 0.1 * torch.randn(near.shape, generator=generator, device=device)
        start = free[:, self.points :] * 0.8
        return torch.cat([near, free[:, half : self.points]], dim=1), start - _gap(start, solids)

    def _pairs(self, surface: Tensor, solids: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Context positions, and their distances as the target `values`."""
        # 0, outside, inside, and so on: any part of the pairs has all three kinds.
        kind = torch.arange(self.observed, device=surface.device) % 3
        sign = (kind == 1).to(surface.dtype) - (kind == 2).to(surface.dtype)
        distance = (OFFSET * sign).view(1, -1, 1).expand(len(surface), -1, -1)
        _, normals = rounded_box(surface, solids)
        return surface + distance * normals, {"values": distance}


def rounded_box(points: Tensor, solids: Tensor) -> tuple[Tensor, Tensor]:
    """Signed distances (batch, points, 1) and their gradients (batch, points, 3).

    Args:
        points: (batch, points, 3).
        solids: (batch, 8): half sides (3) with the rounding, centre (3), the rounding's radius, and the angle.
    """
    sides, centre, radius, angle = solids[:, None, :3], solids[:, None, 3:6], solids[:, None, 6:7], solids[:, 7]
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    turn = torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], dim=1).view(-1, 3, 3)
    local = (points - centre) @ turn  # rows times R: the coordinates in the box's own frame
    over = local.abs() - (sides - radius)
    outside = over.clamp_min(0)
    length = outside.norm(dim=2, keepdim=True)
    deepest = torch.nn.functional.one_hot(over.argmax(dim=2), 3).to(over)
    direction = torch.where(length > 0, outside / length.clamp_min(1e-9), deepest) * local.sign()
    distance = length + over.amax(dim=2, keepdim=True).clamp_max(0) - radius
    return distance, direction @ turn.mT


def _gap(points: Tensor, solids: Tensor) -> Tensor:
    """From the nearest points of the surface to these points."""
    distance, normals = rounded_box(points, solids)
    return distance * normals


def _with_distances(coords: Tensor, solids: Tensor) -> Points:
    return Points(coords, {"values": rounded_box(coords, solids)[0]})


def _draw(count: int, seed: int) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    u: Any = torch.rand(count, 8, generator=g)
    sides, centre = 0.25 + 0.35 * u[:, :3], 0.4 * u[:, 3:6] - 0.2
    radius, angle = 0.08 + 0.1 * u[:, 6:7], u[:, 7:8] * (torch.pi / 2)
    return torch.cat([sides, centre, radius, angle], dim=1)


def _fixed(item: int, device: torch.device) -> torch.Generator:
    return torch.Generator(device).manual_seed(7919 + item)
