"""A training step as a CUDA graph: recorded, then launched as one piece of work.

The first steps of a stage are taken one operation at a time: they make what later steps keep, such as moments. Then a
step is captured; where the numbers of points change in mid-training, all this is done anew. What changes from step to
step lies in the graph's own memory: the items or the batch, the learning rates, and the state of the generator. The
number of steps and the count of the average stay on the host.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from metasiren.contracts import Batch
from metasiren.contracts.optimizer import Losses
from metasiren.errors import RecipeError
from metasiren.nn.constants import constants_held

WARM_UP = 3
"""Steps before the capture, as torch's documentation of CUDA graphs advises."""
RECAPTURES = 3
"""How often the shapes of a batch may change in a stage: where they do so all the time, a graph is of no use."""


class CapturedStep:
    """Steps that are launched as one graph each, once it is captured.

    Where every step draws alike, the draw is part of the graph. Otherwise the batch is drawn before each launch and
    copied into the graph's memory.

    Args:
        draw: items (batch,) -> the batch of this step, on the device.
        advance: takes a step on a batch: its losses; nothing in it reads from the device.
        alike: whether `draw` belongs into the graph; see `Dataset.draws_alike`.
        size: number of items of a batch; smaller ones are not captured.
        optimizer: its learning rates become tensors, which the graph reads.
        generator: the source of all random numbers of `draw` and `advance`.
    """

    def __init__(
        self,
        draw: Callable[[Tensor], Batch],
        advance: Callable[[Batch], Losses],
        *,
        alike: bool,
        size: int,
        optimizer: torch.optim.Optimizer,
        generator: torch.Generator,
    ) -> None:
        self.draw, self.advance, self.alike, self.size, self.generator = draw, advance, alike, size, generator
        for group in optimizer.param_groups:
            group["lr"] = torch.full((), float(group["lr"]), device=generator.device)
        self.side: torch.cuda.Stream = torch.cuda.Stream(generator.device)  # type: ignore[no-untyped-call]
        self.warmed = self.recaptures = 0
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, items: Tensor) -> tuple[Batch, Losses]:
        """One step: its batch and its losses. The next step overwrites them.

        Raises:
            RecipeError: something in the step cannot be captured, or batches change their shapes all the time.
        """
        batch = None if self.alike else self.draw(items)
        if len(items) != self.size:
            # The last batch of an epoch may be smaller: its step is not captured.
            return self._whole(items, batch)
        if self.graph is not None and batch is not None and (change := _change(batch, self.batch)):
            self._drop(change)
        if self.graph is None and self.warmed < WARM_UP:
            return self._warm_up(items, batch)
        if self.graph is None:
            self.graph = self._captured(items, batch)
        if batch is None:
            self.items.copy_(items)
        else:
            mine = self.batch.named_tensors()
            for name, tensor in batch.named_tensors().items():
                mine[name].copy_(tensor)
        self.graph.replay()
        return self.batch, self.losses

    def _whole(self, items: Tensor, batch: Batch | None) -> tuple[Batch, Losses]:
        batch = self.draw(items) if batch is None else batch
        return batch, {name: loss.detach() for name, loss in self.advance(batch).items()}

    def _warm_up(self, items: Tensor, batch: Batch | None) -> tuple[Batch, Losses]:
        now = torch.cuda.current_stream(self.generator.device)
        self.side.wait_stream(now)
        with torch.cuda.stream(self.side):
            found = self._whole(items, batch)
        now.wait_stream(self.side)
        self.warmed += 1
        return found

    def _drop(self, change: str) -> None:
        """Discard the graph: its memory has other shapes than the batch."""
        if self.recaptures == RECAPTURES:
            found = f"{change}; shapes have changed {RECAPTURES} times before in this stage."
            raise RecipeError("train.graph", found, "Keep the numbers of points the same, or leave graph out.")
        torch.cuda.synchronize(self.generator.device)  # its last launch may still run
        self.graph = None
        self.recaptures, self.warmed = self.recaptures + 1, 0

    def _captured(self, items: Tensor, batch: Batch | None) -> torch.cuda.CUDAGraph:
        self.items = items.clone()
        own = None if batch is None else batch._map(torch.clone)
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.generator)
        try:
            # On the side stream: torch's own stream for captures lies on the current device, whatever the model's is.
            # Constants are dropped from their cache when others are made; those that the graph reads must stay.
            with constants_held() as self.held, torch.cuda.graph(graph, stream=self.side):
                self.batch, self.losses = self._whole(self.items, own)
        except RuntimeError as error:
            cause = _first(error)
            if isinstance(cause, torch.OutOfMemoryError):
                raise cause from None
            found = f"a step cannot be captured as a CUDA graph, at {_place(cause)}: {str(cause).partition(chr(10))[0]}"
            raise RecipeError(
                "train.graph", found, "Leave graph out: the steps are the same, launched one by one."
            ) from error
        return graph


def _change(batch: Batch, own: Batch) -> str:
    """A tensor whose shape differs from the graph's, in words; empty where there is none."""
    theirs, mine = ({n: tuple(t.shape) for n, t in each.named_tensors().items()} for each in (batch, own))
    if theirs == mine:
        return ""
    name = next(n for n in (*theirs, *mine) if theirs.get(n) != mine.get(n))
    return f"{name} has shape {theirs.get(name)} in this step; the graph was captured with {mine.get(name)}"


def _first(error: BaseException) -> BaseException:
    """The error that the others came from: ending a capture that has failed fails too."""
    return error if error.__context__ is None else _first(error.__context__)


def _place(error: BaseException) -> str:
    """The last line outside torch that an error passed."""
    library = Path(torch.__file__).parent
    frames = [f for f in traceback.extract_tb(error.__traceback__) if library not in Path(f.filename).parents]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown line"
