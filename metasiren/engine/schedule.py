"""Functions of the number of a training step: its learning rate, and the training items in its batch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from metasiren.recipe import Schedule


def learning_rate(schedule: Schedule, step: int, steps: int) -> float:
    """The factor on the recipe's learning rate at a step (counted from 0): a pure function, nothing to save."""
    if step < schedule.warmup:
        return (step + 1) / schedule.warmup
    if schedule.name == "constant":
        return 1.0
    done = (step - schedule.warmup) / max(1, steps - schedule.warmup)
    return schedule.final + (1 - schedule.final) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def set_learning_rates(optimizer: torch.optim.Optimizer, rates: Sequence[float]) -> None:
    """Set the learning rate of each parameter group: a number, or a tensor that a captured step reads."""
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


class Items:
    """The training items of each step: a new seeded permutation every epoch, computed from the step alone."""

    def __init__(self, count: int, batch: int, seed: int, device: torch.device | str = "cpu") -> None:
        self.count, self.batch, self.seed, self.device = count, min(batch, count), seed, device
        self.steps_per_epoch = -(-count // self.batch)
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.long)

    def at(self, step: int) -> Tensor:
        """(batch,) indices; the last batch of an epoch may be smaller."""
        if self.count == 1 and len(self._order):
            return self._order
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            order = torch.randperm(self.count, generator=generator)
            # One copy to the device for a whole epoch.
            self._order = order.to(self.device)
            self._epoch = epoch
        return self._order[position * self.batch : (position + 1) * self.batch]
