"""An exponential moving average of a model, updated without a wait for the device."""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class MovingAverage(AveragedModel):
    """The average of parameters and buffers; its state is that of `torch.optim.swa_utils.AveragedModel`.

    torch's own update copies the number of updates to the device in every step. Here it stays on the host.

    Args:
        model: what is averaged; the average begins at its values at the first update.
        decay: weight of the average so far, between 0 and 1.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._blend = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        super().__init__(model, multi_avg_fn=self._blend, use_buffers=True)

    def update_parameters(self, model: nn.Module) -> None:
        """Move the average towards the model's present values, and count that."""
        self.blend(model)
        self.count()

    def count(self) -> None:
        """One more update; on the host, so that `blend` may be part of a captured step."""
        self.n_averaged += 1

    @torch.no_grad()
    def blend(self, model: nn.Module) -> None:
        """Move the average towards the model's present values; the first time it begins there."""
        mine, theirs = _tensors(self.module), _tensors(model)
        if int(self.n_averaged) == 0:
            for average, value in zip(mine, theirs, strict=True):
                average.copy_(value)
        else:
            kinds: dict[tuple[torch.device, torch.dtype], tuple[list[Tensor], list[Tensor]]] = {}
            for average, value in zip(mine, theirs, strict=True):
                pair = kinds.setdefault((average.device, average.dtype), ([], []))
                pair[0].append(average)
                pair[1].append(value)
            for averages, values in kinds.values():
                self._blend(averages, values, self.n_averaged)


def _tensors(model: nn.Module) -> list[Tensor]:
    return [tensor.detach() for tensor in chain(model.parameters(), model.buffers())]
