"""Errors of predicted images, gathered image by image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import torch
from torch import Tensor

from metasiren import Dataset, TableRow, progress_bar, psnr
from metasiren_priors.encoders.gaussian import signals
from metasiren_priors.evaluation.masks import Draw, View
from metasiren_priors.evaluation.predictive import LEVELS, Distribution

SCORED_AT_ONCE = 32
"""Images whose distributions are scored in one call. With masks of their own each is conditioned by itself, which takes
long; progress shows between calls."""

Predict = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Values (batch, pixels, channels), seen (batch, pixels) and items (batch,) -> predictions, of the values' shape."""


def errors(predictions: Tensor, truth: Tensor, seen: Tensor) -> Tensor:
    """Errors of images in [-1, 1], mapped to [0, 1] and clipped.

    Args:
        predictions: (batch, pixels, channels).
        truth: (batch, pixels, channels).
        seen: (batch, pixels) bool.

    Returns:
        (batch, 3) float64: mean squared error, the same over hidden pixels (NaN where there are none), and PSNR in
        dB (infinite where the image is exact).
    """
    unit, target = ((x.double() / 2 + 0.5).clamp(0, 1) for x in (predictions, truth))
    square = (unit - target).square().mean(dim=2)
    hidden = (~seen).to(square)
    mse = square.mean(dim=1)
    return torch.stack([mse, (square * hidden).sum(1) / hidden.sum(1), psnr(mse, 1.0)], dim=1)


@dataclass(frozen=True)
class Evaluation:
    """The images and masks that every row of a table is evaluated on.

    Attributes:
        dataset: lies on `device`.
        split: of the images.
        columns: how much is seen.
        draw: how random masks are drawn.
        seeds: masks per image and context.
        batch: images per call.
        device: of values, masks and predictions.
    """

    dataset: Dataset
    split: str
    columns: tuple[View, ...]
    draw: Draw
    seeds: int
    batch: int
    device: torch.device | str

    def values(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Items (batch,) and their values (batch, pixels, channels)."""
        items = torch.arange(start, stop, device=self.device)
        return items, signals(self.dataset, self.split, items)

    def mask(self, view: View, items: Tensor, seed: int) -> Tensor:
        """Masks (batch, pixels) bool."""
        return view.mask(items.tolist(), seed, self.draw).to(self.device)

    def row(self, name: str, kind: Literal["model", "baseline"], predict: Predict, count: int) -> TableRow:
        """A row over the first `count` images. Errors are averaged over an image's masks, then over images."""
        found: dict[str, list[Tensor]] = defaultdict(list)
        # A mask that is the same whatever the seed need not be evaluated twice.
        seeds = {view.key: range(1 if view.fixed else self.seeds) for view in self.columns}
        with progress_bar(f"evaluating {name}", count * sum(map(len, seeds.values()))) as advance:
            for start in range(0, count, self.batch):
                items, values = self.values(start, min(start + self.batch, count))
                for view in self.columns:
                    scores = []
                    for seed in seeds[view.key]:
                        seen = self.mask(view, items, seed)
                        scores.append(errors(predict(values, seen, items), values, seen))
                        advance(len(items))
                    each = torch.stack(scores)
                    mean = each.mean(dim=0)
                    mean[:, 1] = each[..., 1].nanmean(dim=0)
                    found[view.key].append(mean.cpu())
        row = TableRow(name=name, kind=kind, mse={}, images=count)
        for key, parts in found.items():
            all_images = torch.cat(parts)
            mse, hidden, psnr = all_images.unbind(1)
            row.mse[key] = finite(mse.mean())
            row.mse_stderr[key] = finite(mse.std() / sqrt(count)) if count > 1 else None
            row.mse_hidden[key] = finite(hidden.nanmean())
            row.psnr[key] = finite(psnr.mean())
        return row

    def distribution(self, row: TableRow, scored: Distribution, count: int) -> TableRow:
        """The row with scores of a predictive distribution, over the first `count` images and the first mask of each.

        Log-likelihoods have contexts and targets of their own; see `predictive`.
        """
        scores: dict[str, list[Tensor]] = defaultdict(list)
        likelihoods = []
        with progress_bar(f"scoring distributions of {row.name}", count * (1 + len(self.columns))) as advance:
            at_once = min(self.batch, SCORED_AT_ONCE)
            for start in range(0, count, at_once):
                items, values = self.values(start, min(start + at_once, count))
                likelihoods.append(scored.log_likelihoods(values, items, 0))
                advance(len(items))
                for view in self.columns:
                    found = scored.spread(values, self.mask(view, items, 0), items)
                    scores[view.key].append(torch.cat([found.crps.unsqueeze(1), found.coverage], dim=1))
                    advance(len(items))
        means = {key: torch.cat(parts).nanmean(dim=0) for key, parts in scores.items()}
        log_likelihood = torch.cat(likelihoods)
        names = ("crps", *(f"coverage_{level * 100:.0f}" for level in LEVELS))
        columns = {n: {key: finite(mean[i]) for key, mean in means.items()} for i, n in enumerate(names)}
        error = finite(log_likelihood.std() / sqrt(count)) if count > 1 else None
        single = {"log_likelihood": finite(log_likelihood.mean()), "log_likelihood_stderr": error}
        return row.model_copy(update={**columns, **single})


def finite(value: Tensor) -> float | None:
    """A number, or None where it is infinite or not one."""
    return float(value) if bool(torch.isfinite(value)) else None
