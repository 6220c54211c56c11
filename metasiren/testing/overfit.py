"""Fifty steps of training, which show whether a part can learn."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Literal

import torch
from torch import Tensor, nn

from metasiren.contracts import Batch, Dataset, Decoder, Domain, Encoder, Model, Points
from metasiren.contracts import Context as Seen
from metasiren.contracts.optimizer import Weighted
from metasiren.engine.trainer import Objective
from metasiren.nn.siren import Siren
from metasiren.testing.part import Part, seeded
from metasiren.testing.report import fail
from metasiren.testing.signals import LastLayer, SquaredError

STEPS = 50
RATES = (1e-3, 1e-2, 3e-3)
"""Learning rates that are tried in turn: no single one suits a network of sines and one that begins with zeros."""


class Memory(Encoder):
    """A free latent for each training item: what a decoder is overfitted with."""

    def __init__(self, domain: Domain, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.latents = nn.Parameter(torch.randn(domain.items, latent_dim))

    def forward(self, context: Seen, decoder: Decoder) -> Tensor:
        """The items' latents (batch, latent_dim)."""
        return self.latents[context.items]


class Sample(Dataset):
    """At most 1024 points of one batch, given every time."""

    def __init__(self, dataset: Dataset, batch: Batch, at: str) -> None:
        self.title, self.splits, self.domain = dataset.title, dataset.splits, dataset.domain
        points = batch.points[at]
        chosen = torch.randperm(points.values.shape[1], generator=torch.Generator().manual_seed(0))[:1024]
        self.given = Batch(batch.context, {at: Points(points.coords[:, chosen], {"values": points.values[:, chosen]})})

    def batch(
        self,
        split: str,
        items: Tensor,
        *,
        context: tuple[int, int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Batch:
        """The sample."""
        return self.given


class Centred(Sample):
    """One batch whose signals have mean zero in every channel: they differ in shape, not in brightness."""

    def __init__(self, dataset: Dataset, batch: Batch, at: str) -> None:
        super().__init__(dataset, batch, at)
        points = self.given.points[at]
        centred = points.values - points.values.mean(1, keepdim=True)
        self.given = Batch(batch.context, {at: Points(points.coords, {"values": centred})})


def learns(
    model: Model, dataset: Dataset, items: int, *, at: str, against: Literal["blind", "start"] = "blind"
) -> None:
    """Demand that 50 steps of Adam halve an error, at one of three learning rates.

    Args:
        model: what is trained; it is copied for each rate.
        dataset: its first training items, their whole signals as context.
        items: how many.
        at: the point set with known values.
        against: `blind`, the least error of an output that ignores the input: that of the items' mean signal, or of
            a single item's mean value. `start`, the error before the first step.
    """
    batch = dataset.batch("train", torch.arange(items), generator=torch.Generator().manual_seed(0))
    batch = batch.cast(next(model.parameters()).dtype)
    errors = {}
    for rate in RATES:
        before, errors[rate] = _train(deepcopy(model), batch, at, rate)
        bar = _spread(batch, at) if against == "blind" else before
        if errors[rate] <= bar / 2:
            return
    words = {"blind": "the best output that ignores the input has", "start": "it was"}
    tried = ", ".join(f"{error:.3g} at {rate:g}" for rate, error in errors.items())
    found = f"after {STEPS} steps the error is {tried}; {words[against]} {bar:.3g}."
    fail(found, "Expected at most half of that. Look at the size of outputs and gradients at the start.")


def network_learns(part: Part, **options: Any) -> None:
    """Demand that 50 steps fit a signal of the part's data by a small network better than a constant does.

    Args:
        part: under test.
        options: of the network, see `metasiren.Siren`.
    """
    domain = part.dataset.domain
    sizes: dict[str, Any] = {
        "in_features": domain.d_in,
        "out_features": domain.d_out,
        "hidden_features": 64,
        "hidden_layers": 1,
    }
    with seeded(0):
        model = Model(Memory(domain, 0), LastLayer(Siren(**sizes, **options), 0))
    batch = part.dataset.batch("train", torch.arange(1), generator=torch.Generator().manual_seed(0))
    learns(model, Centred(part.dataset, batch, "pixels"), 1, at="pixels")


def _train(model: Model, batch: Batch, at: str, rate: float) -> tuple[float, float]:
    """The errors before and after training."""
    objective = Objective(model.train(), (Weighted("error", 1.0, SquaredError(at)),))
    random = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=rate)
    with seeded(0):
        before = float(objective(batch, random)["loss"].detach())
        for _ in range(STEPS):
            loss = objective(batch, random)["loss"]
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            return before, float(objective.eval()(batch, random)["loss"])


def _spread(batch: Batch, at: str) -> float:
    values = batch.points[at].values
    mean = values.mean(0, keepdim=True) if len(values) > 1 else values.mean(1, keepdim=True)
    return float((values - mean).square().mean())
