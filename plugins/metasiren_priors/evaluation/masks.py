"""Masks of observed pixels: seeded, and dependent on the image's index only.

The masks of one image do not change with the batch size, the number of images evaluated, or the device; and within one
seed they are nested, so that 100 pixels show what 10 showed, and more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from torch import Tensor

from metasiren import RecipeError


def scores(items: Sequence[int], size: int, seed: int) -> Tensor:
    """(items, size) float64, uniform in [0, 1): the pixels that score lowest are seen."""
    drawn = [np.random.default_rng([seed, item]).random(size) for item in items]
    return torch.from_numpy(np.stack(drawn)) if drawn else torch.zeros(0, size, dtype=torch.float64)


def exact(items: Sequence[int], size: int, count: int, seed: int) -> Tensor:
    """Masks (items, size) of exactly `count` pixels, drawn without replacement."""
    return scores(items, size, seed).argsort(dim=1).argsort(dim=1) < count


def bernoulli(items: Sequence[int], size: int, count: int, seed: int) -> Tensor:
    """Masks (items, size) in which every pixel is seen with probability count / size."""
    return scores(items, size, seed) < count / size


Draw = Callable[[Sequence[int], int, int, int], Tensor]
DRAWS: dict[str, Draw] = {"exact": exact, "bernoulli": bernoulli}


@dataclass(frozen=True)
class View:
    """One column of the table: how much of each image is seen.

    Attributes:
        key: number of seen pixels, as text.
        label: the column's heading.
        count: number of seen pixels (its expectation, for Bernoulli masks).
        size: number of pixels.
        half: the first half of the rows is seen, and nothing is random.
    """

    key: str
    label: str
    count: int
    size: int
    half: bool = False

    @property
    def fixed(self) -> bool:
        """Every image is seen through the same mask."""
        return self.half or self.count == self.size

    def mask(self, items: Sequence[int], seed: int, draw: Draw = exact) -> Tensor:
        """Masks (items, pixels) bool."""
        if self.fixed:
            return (torch.arange(self.size) < self.count).expand(len(items), -1)
        return draw(items, self.size, self.count, seed)


def views(contexts: Sequence[int | str], grid: tuple[int, ...]) -> list[View]:
    """The columns that a recipe asks for: numbers of pixels, `half` (the first rows), `full`.

    Raises:
        RecipeError: an unknown word, more pixels than an image has, or two columns of one number.
    """
    size, half = prod(grid), grid[0] // 2 * prod(grid[1:])
    where, found = "evaluate: contexts", {}
    for context in contexts:
        if context == "half":
            view = View(str(half), f"{half} (half)", half, size, half=True)
        elif context == "full":
            view = View(str(size), str(size), size, size)
        elif str(context).isdecimal() and int(context) <= size:
            view = View(str(int(context)), str(int(context)), int(context), size)
        else:
            shape = "x".join(map(str, grid))
            raise RecipeError(where, f"{context!r} of {shape} pixels.", f"Give numbers from 0 to {size}, half or full.")
        if view.key in found:
            raise RecipeError(where, f"{view.key} pixels are asked for twice.", "Every column needs its own number.")
        found[view.key] = view
    if not found:
        raise RecipeError(where, "there are none.", f"Give numbers from 0 to {size}, half or full.")
    return list(found.values())


def cells_of(mask: Tensor) -> tuple[Tensor, Tensor]:
    """The cells that masks (batch, pixels) show: cells (batch, most) long, and (batch, most) bool, which are real."""
    most = max(1, int(mask.sum(dim=1).max())) if len(mask) else 1
    real, cells = mask.int().sort(dim=1, descending=True, stable=True)
    return cells[:, :most], real[:, :most].bool()
