"""From a batch to its losses: one module, so that it can be wrapped and compiled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from metasiren.contracts import Batch, Model, orders_of, predict
from metasiren.contracts.optimizer import Losses, Weighted
from metasiren.engine.compilation import compiled
from metasiren.engine.sharding import Factors
from metasiren.nn.derivatives import fused


class Objective(nn.Module):
    """Batch -> losses: the whole path from context to scalar, as one module (so that it can be wrapped)."""

    def __init__(
        self,
        model: Model,
        constraints: tuple[Weighted, ...],
        *,
        bf16: bool = False,
        compile: bool = False,
        triton: bool = False,
    ):
        super().__init__()
        self.model, self.constraints, self.bf16, self.triton = model, constraints, bf16, triton
        self.orders = orders_of(each.constraint for each in constraints)
        self.whole = {w.constraint.at for w in constraints if w.constraint.at and not w.constraint.pointwise}
        self._losses = compiled(self.losses, compile)

    def forward(self, batch: Batch, generator: torch.Generator | None = None, factors: Factors | None = None) -> Losses:
        """The constraints' unweighted losses by name, and their weighted sum as `loss`.

        `factors` multiply the losses of a part of a batch (see `metasiren.engine.sharding`).
        """
        model = self.model
        lower = self._precision(batch.context.items.device)
        # bfloat16 is for encoder and trunk: emitted weights, coordinates and the arguments of sines stay float32.
        with lower:
            latent, batch = model.encoder.training_pair(batch, model.decoder, generator)
        with fused(self.triton):
            losses: Losses = self._losses(latent, batch, factors or {})
        return losses

    def losses(self, latent: Tensor, batch: Batch, factors: Factors) -> Losses:
        """Decode, evaluate every point once with the highest derivatives asked for, and weigh the constraints."""
        with self._precision(latent.device):
            field = self.model.decoder.field(latent)
        prediction = predict(field, latent, batch, self.orders)
        losses = {each.name: each.constraint(prediction) for each in self.constraints}
        for each in self.constraints:
            if (factor := factors.get(each.constraint.at, 1.0)) != 1:
                losses[each.name] = factor * losses[each.name]
        terms = [losses[w.name] if w.weight == 1 else w.weight * losses[w.name] for w in self.constraints]
        losses["loss"] = sum(terms[1:], terms[0]) if terms else torch.zeros_like(latent[:0].sum())
        return losses

    def _precision(self, device: torch.device) -> AbstractContextManager[Any]:
        return torch.autocast(device.type, torch.bfloat16) if self.bf16 else nullcontext()


@contextmanager
def evaluating(model: Model) -> Iterator[Model]:
    """The model in evaluation mode, without gradients; afterwards in the mode that it had."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield model
    finally:
        model.train(training)
