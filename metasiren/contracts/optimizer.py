"""The interface of optimisers that need more than gradients: repeated losses, or single constraints."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from metasiren.contracts.data import Batch
from metasiren.contracts.model import Model
from metasiren.contracts.objective import Constraint

Losses = dict[str, Tensor]


@dataclass(frozen=True)
class Weighted:
    """A constraint with its name and weight in the recipe."""

    name: str
    weight: float
    constraint: Constraint


@dataclass(frozen=True)
class Problem:
    """One step's task: this batch, these constraints, the model's present parameters.

    Attributes:
        model: whose parameters the optimiser holds.
        constraints: those that are active.
        batch: on the model's device, in its dtype.
        generator: the trainer's source of randomness.
        evaluate: the weighted sum `loss` and each constraint's unweighted loss by name; see `losses`.
    """

    model: Model
    constraints: tuple[Weighted, ...]
    batch: Batch
    generator: torch.Generator | None
    evaluate: Callable[[], Losses]

    def losses(self) -> Losses:
        """The losses on this batch at the parameters as they are now; `loss` is their weighted sum."""
        return self.evaluate()


class BatchOptimizer(torch.optim.Optimizer):
    """An optimiser that receives the whole problem of a step: it may evaluate losses repeatedly, or compute residuals.

    The trainer calls `step_on` instead of `backward` and `step`, and multiplies each group's `lr` by the schedule.

    Attributes:
        output_alone: whether it linearises residuals by the output layer's weights alone; estimates of memory use it.
    """

    output_alone: ClassVar[bool] = False

    @abstractmethod
    def step_on(self, problem: Problem) -> Losses:
        """Change the parameters; return the losses as they were before."""

    def drop_state(self) -> bool:
        """Drop state that only further steps need; called after the last step of a training, before its checkpoint.

        Returns:
            whether state was dropped: this training cannot go on beyond its last step then.
        """
        return False
