"""Several processes that train one model, started by torchrun: `torchrun --nproc_per_node=N -m metasiren run RECIPE`.

Every process draws the same batch and takes its part; DistributedDataParallel averages the gradients. The first process
alone writes. Processes communicate by NCCL on GPUs and by gloo on CPUs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn

from metasiren.contracts.optimizer import Losses
from metasiren.errors import TrainingError

WAIT = timedelta(minutes=30)
"""How long a process waits for another, such as for one that prepares data."""
_LOST = re.compile("gloo|nccl|connect|socket|store|peer|broken pipe|timed? ?out|rank", re.IGNORECASE)


@dataclass(frozen=True)
class Ranks:
    """Which process of a job runs this.

    Attributes:
        rank: its number, from 0; the first writes files and shows progress.
        count: number of processes.
    """

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0

    def leave(self) -> None:
        """Leave the process group; all processes do so at the end of training."""
        if self.count > 1 and dist.is_initialized():
            dist.destroy_process_group()

    def wrap(self, objective: nn.Module, device: torch.device) -> nn.Module:
        """The objective, its gradients averaged over all processes at each backward pass."""
        if self.count == 1 or not any(p.requires_grad for p in objective.parameters()):
            return objective
        with _explained():
            # The same parameters are used in each step of a stage; those that are not are found in its first.
            places = [device.index] if device.type == "cuda" else None
            return nn.parallel.DistributedDataParallel(objective, device_ids=places, static_graph=True)

    def explained(self) -> AbstractContextManager[None]:
        """Around a step of several processes: where one is lost, a `TrainingError` says so."""
        return _explained() if self.count > 1 else nullcontext()

    def mean(self, losses: Losses) -> Losses:
        """The mean of each loss over all processes, in double precision."""
        if self.count == 1:
            return losses
        stacked = torch.stack([value.detach().double() for value in losses.values()])
        with _explained():
            dist.all_reduce(stacked)
        return dict(zip(losses, (stacked / self.count).unbind(), strict=True))

    def agreed(self, word: str | None) -> str | None:
        """The word of the first process that has one; every process calls this at the same step."""
        if self.count == 1:
            return word
        words: list[str | None] = [None] * self.count
        with _explained():
            dist.all_gather_object(words, word)
        return next((each for each in words if each is not None), None)

    def shared(self, word: str) -> str:
        """The first process's word, in every process."""
        if self.count == 1:
            return word
        words = [word]
        with _explained():
            dist.broadcast_object_list(words, src=0)
        return words[0]


@contextmanager
def joined(device: torch.device) -> Iterator[Ranks]:
    """Join the job that torchrun started, for the time of a `with` block; alone where there is none.

    A process that is a member already stays one.

    Raises:
        TrainingError: the other processes cannot be reached.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1 or "RANK" not in os.environ:
        yield Ranks()
        return
    made = not dist.is_initialized()
    if made:
        if device.type == "cuda":
            torch.cuda.set_device(device)
        with _explained():
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=WAIT)
    try:
        yield Ranks(dist.get_rank(), dist.get_world_size())
    finally:
        if made and dist.is_initialized():
            dist.destroy_process_group()


def local_rank() -> int | None:
    """The number of this process on its machine, where torchrun started it."""
    return int(os.environ["LOCAL_RANK"]) if "LOCAL_RANK" in os.environ else None


@contextmanager
def _explained() -> Iterator[None]:
    """Torch's errors about lost processes, in plain words; other errors stay as they are."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).strip().partition("\n")[0]
        if not isinstance(error, dist.DistError) and not _LOST.search(reason):
            raise
        found = f"another process of this job cannot be reached: {reason}"
        advice = "Read what the process that ended first has written; then go on with metasiren run --resume RUN."
        raise TrainingError("torchrun", found, advice) from error
