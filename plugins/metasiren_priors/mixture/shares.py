"""How much a correction may count, by kind of mask: measured on signals that neither it nor their covariance has seen.

With e the error of the mixture's mean and d what the correction adds to it, a share s changes the squared error by
s^2 |d|^2 - 2 s <e, d>, which is least at s = <e, d> / |d|^2, and is negative up to twice this share. Means are over
masks of a kind and over signals; <e, d> is lowered by `DOUBT` times its standard error over signals, so that little of
what chance explains counts. A kind without masks or with no gain has the share zero: there the mean is the mixture's.
"""

from __future__ import annotations

import torch
from torch import Tensor

from metasiren_priors.mixture.correction import KINDS, Correction
from metasiren_priors.mixture.folds import Fold

DOUBT = 1.0
FEWEST, MOST = 16, 1024
"""Signals that shares are measured on; with fewer the correction does not count."""


@torch.no_grad()
def measure(correction: Correction, fold: Fold, vectors: Tensor, masks: list[Tensor]) -> Tensor:
    """The shares (KINDS,) that unseen signals support.

    Args:
        correction: trained without these signals.
        fold: the mixture without them.
        vectors: (signals, size).
        masks: (size,) bool, of all kinds.
    """
    vectors = vectors.to(fold.centre.dtype)
    shares = torch.zeros(KINDS, dtype=torch.float64, device=vectors.device)
    if len(vectors) < FEWEST:
        return shares
    along, squares = (shares.new_zeros(KINDS, len(vectors)) for _ in range(2))
    counts = shares.new_zeros(KINDS)
    for mask in masks:
        posterior, view = fold.see(vectors, mask, hidden=True)
        before, after = posterior.mean_at(view.expected), posterior.mean_at(correction(view))
        added = after - before
        # Masks of a kind count equally, however much they hide.
        along[view.kind] += ((vectors - before) * added).sum(1) / view.left
        squares[view.kind] += added.square().sum(1) / view.left
        counts[view.kind] += 1
    held = counts > 0
    along, squares = along[held], squares[held].mean(1)
    sure = along.mean(1) - DOUBT * along.std(1) / len(vectors) ** 0.5
    shares[held] = torch.where(squares > 0, sure / squares.clamp_min(1e-300), 0.0).clamp(0, 1)
    return shares
