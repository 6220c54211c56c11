"""Points of one signal, all of them or a fresh draw for every step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from metasiren import Points, RecipeError


@dataclass(frozen=True)
class Sample:
    """All points of a set, from which steps draw.

    Attributes:
        coords: (points, 2) in [-1, 1].
        targets: named tensors (points, ...).
    """

    coords: Tensor
    targets: Mapping[str, Tensor]

    def all(self) -> Points:
        """Every point, as a batch of one; the tensors are the caller's own."""
        return Points(self.coords.unsqueeze(0), {name: t.unsqueeze(0).clone() for name, t in self.targets.items()})

    def draw(self, number: int | None, generator: torch.Generator | None) -> Points:
        """So many points, drawn uniformly with replacement; all of them for None, or where there are no more."""
        total = self.coords.shape[0]
        if number is None or number >= total:
            return self.all()
        chosen = torch.randint(total, (number,), generator=generator, device=self.coords.device)
        return Points(self.coords[chosen].unsqueeze(0), {n: t[chosen].unsqueeze(0) for n, t in self.targets.items()})

    def to(self, device: torch.device | str) -> Self:
        """A copy on `device`."""
        return type(self)(self.coords.to(device), {name: t.to(device) for name, t in self.targets.items()})


def check_points(points: int | None, option: str = "points") -> None:
    """Refuse a draw of nothing.

    Raises:
        RecipeError: a number below one.
    """
    if points is not None and points < 1:
        raise RecipeError(f"data: {option}", f"{points} is below one.", "Give a positive integer, or null for all.")
