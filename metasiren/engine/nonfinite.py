"""What training does about a number that is not finite: stop, skip the step, or return to the last checkpoint.

skip       the weights stay as they were before the step, and training goes on with the next batch
rollback   training goes back to its last checkpoint with half the learning rate, at most `MOST_ROLLBACKS` times
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from metasiren.contracts import Batch
from metasiren.contracts.optimizer import Losses
from metasiren.errors import TrainingError
from metasiren.runs.checkpoints import Checkpoint

MOST_ROLLBACKS = 10
ADVICE = (
    "Lower train.optimizer.lr, set train.clip, or look for broken values in the data.\n"
    "Checkpoints of earlier steps, if there are any, are kept; --resume goes on from the last."
)
Notify = Callable[[int, Batch, str], None]


class NonFiniteError(TrainingError):
    """A loss, a gradient or a weight that is not finite."""


def demand_finite(step: int, losses: Losses) -> None:
    """Raise where the loss of a step is not finite, naming the constraints that are not."""
    if bool(torch.isfinite(losses["loss"])):
        return
    bad = [name for name, value in losses.items() if name != "loss" and not bool(torch.isfinite(value))]
    found = f"the loss is {float(losses['loss'].detach())}; not finite: {', '.join(bad) or 'only the sum'}."
    raise NonFiniteError(f"step {step}", found, ADVICE)


def demand_finite_gradients(step: int, parameters: Iterable[Tensor]) -> None:
    """Raise where a gradient is not finite."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    if gradients and not all(bool(torch.isfinite(g).all()) for g in gradients):
        raise NonFiniteError(f"step {step}", "a gradient is not finite.", ADVICE)


@dataclass
class Recovery:
    """Carries out `train.on_nonfinite`.

    Attributes:
        policy: `stop`, `skip` or `rollback`.
        rate: the factor on the learning rate, halved by every rollback; part of a checkpoint.
        rollbacks: how often training went back; part of a checkpoint.
        good: the checkpoint that a rollback returns to.
    """

    policy: str
    rate: float = 1.0
    rollbacks: int = 0
    good: Checkpoint | None = field(default=None, repr=False)

    def keep(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint in memory where the policy may return to it."""
        if self.policy == "rollback":
            tensors = {name: tensor.detach().cpu().clone() for name, tensor in checkpoint.tensors.items()}
            self.good = replace(checkpoint, tensors=tensors)

    def back(self, error: NonFiniteError) -> Checkpoint:
        """The checkpoint to go on from.

        Raises:
            NonFiniteError: the rollbacks are used up.
        """
        assert self.good is not None
        if self.rollbacks >= MOST_ROLLBACKS:
            found = f"{error.found} It came back after {self.rollbacks} rollbacks."
            raise NonFiniteError(error.where, found, error.advice) from error
        self.rollbacks, self.rate = self.rollbacks + 1, self.rate / 2
        return self.good


def keep_batch(folder: Path, step: int, batch: Batch, model: torch.nn.Module, reason: str, *, most: int = 3) -> Path:
    """Write a step's batch and weights, so that the step can be repeated; only the newest few files are kept."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"batch.{name}": value for name, value in batch.named_tensors().items()}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{step:08d}.safetensors"
    save_file({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}, path, metadata={"reason": reason})
    for old in sorted(folder.glob("step-*.safetensors"), key=lambda p: p.stat().st_mtime_ns)[:-most]:
        old.unlink(missing_ok=True)
    return path
