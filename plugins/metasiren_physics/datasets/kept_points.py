"""Points that stay for some steps of training, and are kept in checkpoints meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from metasiren import Points, RecipeError


@dataclass(frozen=True)
class Settle:
    """Late in training, more points that stay longer.

    Early, new points at each step cover the most. Late, the error that each draw leaves is what limits the fit.

    Attributes:
        after: share of the training after which it begins, from 0 to below 1.
        redraw: number of steps for which points stay from then on.
        factor: how many times as many points every set has from then on; readings (`noise`) stay as many as they are.

    Raises:
        RecipeError: an option outside its range.
    """

    after: float = 0.6
    redraw: int = 100
    factor: int = 2

    def __post_init__(self) -> None:
        if not (0 <= self.after < 1 and self.redraw >= 1 and self.factor >= 1):
            found = f"after {self.after}, redraw {self.redraw}, factor {self.factor}."
            raise RecipeError("data: box: settle", found, "0 <= after < 1, redraw >= 1, factor >= 1.")


class KeptPoints:
    """Point sets that serve a number of steps before new ones are drawn.

    New points at each step leave an error of their own in what an optimiser finds; points that stay for some steps
    let a Gauss-Newton or quasi-Newton method converge on them.

    Args:
        steps: for which points stay, at least 1.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._served = 0
        self._sets: dict[str, Points] = {}

    def serve(self, draw: Callable[[], dict[str, Points]], device: torch.device) -> dict[str, Points]:
        """The point sets of the next step on a device, drawn anew where those at hand have served their steps."""
        if not self._sets or self._served >= self.steps:
            self._sets, self._served = draw(), 0
        self._served += 1
        return {at: points.to(device) for at, points in self._sets.items()}

    def state(self) -> dict[str, Tensor]:
        """Coordinates, targets and the number of steps served, for `Dataset.state`."""
        if not self._sets:
            return {}
        tensors = {"served": torch.tensor(self._served)}
        for at, points in self._sets.items():
            tensors[f"coords.{at}"] = points.coords.clone()
            tensors |= {f"targets.{at}.{name}": value.clone() for name, value in points.targets.items()}
        return tensors

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        self._served = int(state.get("served", torch.tensor(0)))
        self._sets = {
            at.removeprefix("coords."): Points(
                coords.clone(),
                {
                    name.removeprefix(prefix): value.clone()
                    for name, value in state.items()
                    if name.startswith(prefix := f"targets.{at.removeprefix('coords.')}.")
                },
            )
            for at, coords in state.items()
            if at.startswith("coords.")
        }
