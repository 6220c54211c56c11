"""The gradient of a batch, part by part where a recipe accumulates or several processes share the batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from metasiren.contracts import Batch
from metasiren.contracts.optimizer import Losses
from metasiren.engine.distributed import Ranks
from metasiren.engine.objective import Objective
from metasiren.engine.sharding import part_of


class Gradients:
    """Fills the gradients of an objective's parameters.

    Args:
        objective: batch -> losses.
        ranks: this process among those that share a batch.
        pieces: in how many parts each process takes its share.
        seed: of the recipe.
    """

    def __init__(self, objective: Objective, ranks: Ranks, *, pieces: int, seed: int) -> None:
        self.objective, self.ranks, self.pieces, self.seed = objective, ranks, pieces, seed
        self._forward: nn.Module | None = None

    def fill(self, batch: Batch, step: int, generator: torch.Generator) -> Losses:
        """Add the batch's gradient to those that are there.

        Args:
            batch: the whole batch, the same in each process.
            step: its number, from 0.
            generator: of what encoders draw.

        Returns:
            the losses of this process's parts together.
        """
        pieces, ranks = self.pieces, self.ranks
        if ranks.count > 1:
            # Batches are drawn alike in all processes; what encoders draw for their parts differs, by step and process.
            seed = (self.seed * 1_000_003 + step) * ranks.count + ranks.rank
            generator = torch.Generator(generator.device).manual_seed(seed)
        if self._forward is None:
            # Here, not where a stage begins: encoders may be fitted, or weights restored, in between.
            self._forward = ranks.wrap(self.objective, generator.device)
        found: list[Losses] = []
        for piece in range(pieces):
            part, factors = part_of(batch, ranks.rank * pieces + piece, ranks.count * pieces, self.objective.whole)
            losses: Losses = self._forward(part, generator, factors)
            loss: Tensor = losses["loss"] / pieces if pieces > 1 else losses["loss"]
            loss.backward()  # type: ignore[no-untyped-call]
            found.append({name: value.detach() for name, value in losses.items()} if pieces > 1 else losses)
        if pieces == 1:
            return found[0]
        return {name: torch.stack([each[name] for each in found]).mean() for name in found[0]}
