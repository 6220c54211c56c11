"""The training signals of a data set in folds, for what must learn from signals that a covariance has not seen."""

from __future__ import annotations

import torch
from torch import Tensor

from metasiren import DataError, Dataset
from metasiren_priors.encoders.gaussian import Stream, mirrored, signals, training_vectors

RUN = 64
"""Neighbours that stay together: they may show the same person, or the same scene."""


class TrainingFolds:
    """Folds of the training split: `folds` equal ones, and a last one that is kept apart, of half their size.

    Signals of a fold come in runs of up to 64 neighbours; see `metasiren_priors.mixture.folds.Folded`.

    Args:
        dataset: its training split is read.
        folds: number of equal folds.
        mirror: every signal counts mirrored along its last axis, too.
        device: of the vectors.

    Raises:
        DataError: there are too few signals for a fold.
    """

    def __init__(self, dataset: Dataset, folds: int, *, mirror: bool, device: torch.device | str = "cpu") -> None:
        self.dataset, self.mirror, self.device = dataset, mirror, device
        count, parts = dataset.splits["train"], 2 * folds + 1
        run = min(RUN, max(1, count // (2 * parts)))
        part = torch.arange(count) // run % parts // 2
        self.items = [(part == fold).nonzero().squeeze(1) for fold in range(folds + 1)]
        if not all(len(items) for items in self.items):
            found = f"{count} training signals cannot be split into {folds} folds and one that is kept apart."
            raise DataError("data", found, f"Give {parts} or more, or an encoder without a correction.")

    def stream(self, fold: int) -> Stream:
        """The vectors of one fold, mirrored ones included."""
        return training_vectors(self.dataset, device=self.device, mirror=self.mirror, items=self.items[fold])

    def draw(self, fold: int, count: int, generator: torch.Generator) -> Tensor:
        """Vectors (count, size) of one fold, drawn at random; each is mirrored with probability one half."""
        chosen = torch.randint(len(self.items[fold]), (count,), generator=generator)
        return self._vectors(self.items[fold][chosen], generator)

    def each(self, fold: int, most: int, generator: torch.Generator) -> Tensor:
        """Vectors (n, size) of distinct signals of one fold: `most`, or all that there are."""
        chosen = torch.randperm(len(self.items[fold]), generator=generator)[:most]
        return self._vectors(self.items[fold][chosen], generator)

    def _vectors(self, items: Tensor, generator: torch.Generator) -> Tensor:
        values = signals(self.dataset, "train", items.to(self.device))
        if self.mirror:
            chosen = (torch.rand(len(items), generator=generator) < 0.5).to(values.device)
            values = torch.where(chosen.view(-1, 1, 1), mirrored(self.dataset, values), values)
        return values.flatten(1)
