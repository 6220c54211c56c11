"""The weight of the regression, by kind of mask: measured on signals that neither it nor the covariance was fitted to.

With e the error of the mixture's mean and d what a share of one adds to it, a share s changes the squared error by
s^2 |d|^2 - 2 s <e, d>, which is least at s = <e, d> / |d|^2, and is negative up to twice this share. Means are over
masks of a kind and over signals; <e, d> is lowered by `DOUBT` times its standard error over signals, to exclude gains
by chance. A kind without masks or with no gain has the share zero: there the mean is the mixture's.
"""

from __future__ import annotations

import torch
from torch import Tensor

from metasiren_priors.mixture.clusters import total_covariance
from metasiren_priors.mixture.kinds import KINDS, kind_of, precision_and_variances
from metasiren_priors.mixture.mixture import Mixture

DOUBT = 1.0
FEWEST, MOST = 16, 128
"""Signals that shares are measured on; with fewer the regression does not count."""
MASKS = 12
"""Scattered masks, and as many of parts, that they are measured with."""


@torch.no_grad()
def measure(mixture: Mixture, vectors: Tensor, masks: list[Tensor]) -> Tensor:
    """The shares (KINDS,), measured on unseen signals.

    Args:
        mixture: with a regression; both without `vectors`.
        vectors: (signals, size).
        masks: (size,) bool, of all kinds.
    """
    shares = torch.zeros(KINDS, dtype=torch.float64, device=vectors.device)
    if mixture.neighbours is None or len(vectors) < FEWEST:
        return shares
    precision, variances = precision_and_variances(total_covariance(mixture.clusters))
    along, squares = (shares.new_zeros(KINDS, len(vectors)) for _ in range(2))
    counts = shares.new_zeros(KINDS)
    for mask in masks:
        (_, posterior), *_ = mixture.narrowed(vectors, mask.expand_as(vectors))
        kind, left = kind_of(precision, variances, posterior.seen.gram)
        before = posterior.mean()
        regressed = mixture.neighbours.expected(posterior, precision / mixture.mean_scale)
        added = posterior.mean_at(regressed.to(before)) - before
        # Masks of a kind count equally, however much they hide.
        along[kind] += ((vectors - before) * added).sum(1) / left
        squares[kind] += added.square().sum(1) / left
        counts[kind] += 1
    held = counts > 0
    along, squares = along[held], squares[held].mean(1)
    sure = along.mean(1) - DOUBT * along.std(1) / len(vectors) ** 0.5
    shares[held] = torch.where(squares > 0, sure / squares.clamp_min(1e-300), 0.0).clamp(0, 1)
    # Where almost nothing is left, there is nothing to gain.
    shares[:2] = 0
    return shares
