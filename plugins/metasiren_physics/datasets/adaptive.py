"""Points that follow the error: residual-based adaptive distribution (RAD)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from metasiren import Points, RecipeError


@dataclass(frozen=True)
class Adaptive:
    """Points are drawn with a probability that grows with the residual r there: |r|^power / mean(|r|^power) + offset.

    Wu, Zhu, Tan, Kartha and Lu 2023, "A comprehensive study of non-adaptive and residual-based adaptive sampling for
    physics-informed neural networks", Eq. 2. Points are chosen anew at each step, from fresh candidates: nothing is
    kept between steps, so that a resumed run draws the same.

    Attributes:
        power: k, above 0; 1 and 2 are usual.
        offset: c, at least 0; the larger, the more uniform the points.
        candidates: number of candidates for each point that is chosen, at least 2.
        sets: the point sets that follow the error; the others stay as they are.

    Raises:
        RecipeError: an option outside its range.
    """

    power: float = 1.0
    offset: float = 1.0
    candidates: int = 8
    sets: tuple[str, ...] = ("interior",)

    def __post_init__(self) -> None:
        if not (self.power > 0 and self.offset >= 0 and self.candidates >= 2):
            found = f"power {self.power}, offset {self.offset}, candidates {self.candidates}."
            raise RecipeError("data: box: adaptive", found, "power > 0, offset >= 0, candidates >= 2.")

    def choose(
        self, pool: Points, errors: Callable[[Points], Tensor], count: int, generator: torch.Generator | None
    ) -> Points:
        """`count` points of the pool, each at most once.

        Args:
            pool: candidates, (1, candidates, ...).
            errors: the size of the residual (1, candidates) at them.
            count: number of points.
            generator: source of randomness.
        """
        size = errors(pool)[0].double() ** self.power
        chance = size / size.mean().clamp(min=torch.finfo(size.dtype).tiny) + self.offset
        # A model that has diverged gives no distribution; the step's own check then reports its loss.
        chance = torch.where(torch.isfinite(chance), chance, torch.ones_like(chance))
        # Of exponential times with these rates, the `count` smallest are a weighted sample without replacement.
        clock = torch.empty_like(chance).exponential_(generator=generator) / chance.clamp(min=1e-12)
        chosen = clock.topk(count, largest=False).indices
        return Points(pool.coords[:, chosen], {name: value[:, chosen] for name, value in pool.targets.items()})
