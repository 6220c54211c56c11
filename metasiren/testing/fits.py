"""Small fields with their batches, on which constraints and metrics are checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from metasiren.contracts import Batch, Prediction, predict
from metasiren.testing.common import compare
from metasiren.testing.part import Part, seeded
from metasiren.testing.report import NotApplicable, demand
from metasiren.testing.signals import LastLayer


def asked_twice(part: Part, ask: Callable[[Any, Bench], Tensor]) -> list[Tensor]:
    """Results of two constraints or metrics of equal options for one fit, under two seeds of torch's generator."""
    bench, found = Bench(part, part.make()), []
    for seed in (1, 2):
        made = part.make()
        with seeded(seed):
            found.append(ask(made, bench))
    return found


class Bench:
    """A decoder and latents, whose fields a constraint or metric evaluates at its point set.

    Args:
        part: the part under test.
        made: the constraint or metric.
        items: of the training split.
        pairs: number of points that each item's context observed.
        dtype: of everything.
        place: device of everything.
    """

    def __init__(
        self,
        part: Part,
        made: Any,
        *,
        items: int = 4,
        pairs: int = 20,
        dtype: torch.dtype = torch.float32,
        place: str = "cpu",
    ) -> None:
        self.at, self.order = getattr(made, "at", None), getattr(made, "order", "value")
        count = min(items, part.dataset.splits["train"])
        random = torch.Generator().manual_seed(0)
        batch = part.dataset.batch("train", torch.arange(count), context=(pairs, pairs), generator=random)
        if self.at is not None and self.at not in batch.points:
            batch = Batch(batch.context, {self.at: next(iter(batch.points.values()))})
        self.batch = batch.cast(dtype).to(place)
        with seeded(1):
            self.decoder = LastLayer(part.siren, part.latent_dim).to(place, dtype)
            self.latent = torch.randn(count, part.latent_dim).to(place, dtype).requires_grad_()

    @property
    def leaves(self) -> list[Tensor]:
        """What a constraint's gradient may reach."""
        return [*self.decoder.parameters(), self.latent]

    def fit(self, *, item: int | None = None) -> Prediction:
        """The fit of all items, or of one alone."""
        chosen = slice(None) if item is None else slice(item, item + 1)
        number = len(self.latent)

        def of(x: Tensor) -> Tensor:
            return x[chosen] if x.dim() and x.shape[0] == number else x

        batch, latent = self.batch._map(of), self.latent[chosen]
        field = self.decoder.field(latent)
        return predict(field, latent, batch, {} if self.at is None else {self.at: self.order})


def device(part: Part) -> None:
    """On a GPU, the result lies there and agrees with the CPU's result."""
    if not torch.cuda.is_available():
        raise NotApplicable("no GPU here")
    made = part.make()
    there: Tensor = made(Bench(part, made, place="cuda").fit())
    demand(there.is_cuda, "the result lies on the CPU although the fit is on the GPU.", "Follow the inputs.")
    compare(there.detach().cpu(), made(Bench(part, made).fit()).detach(), "on the GPU beside the CPU", 1e-2)
