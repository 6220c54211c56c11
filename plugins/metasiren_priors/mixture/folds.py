"""What a mixture would be without a part of its training set: for a correction that must learn from signals unseen.

A covariance fits the signals that it was estimated from, and predicts their hidden parts better than those of others.
A network trained there would learn to correct errors that others do not have. The training set is therefore split into
folds, and a signal is conditioned with the components and the covariance of all other folds, in the mixture's own
coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Protocol

import torch
from torch import Tensor

from metasiren_priors.encoders.gaussian import Stream
from metasiren_priors.mixture.clusters import Clusters, Moments, log_densities, total_covariance
from metasiren_priors.mixture.correction import View, precision_and_variances
from metasiren_priors.mixture.mixture import Mixture, steadied
from metasiren_priors.mixture.posterior import Posterior, Prior, condition
from metasiren_priors.mixture.rest import DenseRest, IsotropicRest, Rest

DTYPE = torch.float32


class Folded(Protocol):
    """A training set in folds."""

    def stream(self, fold: int) -> Stream:
        """The vectors of one fold."""

    def draw(self, fold: int, count: int, generator: torch.Generator) -> Tensor:
        """Vectors (count, size) of one fold, drawn at random."""

    def each(self, fold: int, most: int, generator: torch.Generator) -> Tensor:
        """Vectors (n, size) of distinct signals of one fold: `most`, or all that there are."""


@dataclass(frozen=True)
class Fold:
    """A mixture of the signals outside one fold, in float32: what is learned from it needs no more.

    Attributes:
        prior: of the coordinates.
        precision: S^-1, (coordinates, coordinates), S being the whole mixture's covariance.
        variances: the diagonal of S.
        centre: mean of the vectors, (size,).
        rest: of the same signals.
        scale: see `Mixture`, `mean_scale`.
    """

    prior: Prior
    precision: Tensor
    variances: Tensor
    centre: Tensor
    rest: Rest
    scale: float

    @classmethod
    def of(cls, mixture: Mixture, clusters: Clusters, rest: Rest) -> Fold:
        """From components that share a rest."""
        precision, variances = precision_and_variances(total_covariance(clusters))
        prior, centre = Prior.of(clusters).to(DTYPE), mixture.gaussian.mean.to(DTYPE)
        return cls(prior, precision.to(DTYPE), variances.to(DTYPE), centre, rest, mixture.mean_scale)

    def see(self, vectors: Tensor, mask: Tensor, *, hidden: bool = False) -> tuple[Posterior, View]:
        """Condition vectors (n, size) on the values that a mask (size,) shows; with `hidden`, for their means, too."""
        one = torch.ones(1, dtype=DTYPE, device=vectors.device)
        posterior = condition(self.prior, self.centre, self.rest, vectors, mask, one, hidden=hidden)
        posterior = posterior.narrowed(self.prior, self.scale)
        return posterior, View.of(self.precision, self.variances, posterior)


def folds(mixture: Mixture, streams: Sequence[Stream]) -> list[Fold]:
    """For each fold the mixture of the others: their covariance, and one more round of maximisation.

    The rest is that of all signals where it is isotropic; else memory is up to three matrices (size, size) in float32
    for each fold.

    Args:
        mixture: fitted.
        streams: of each fold's vectors.

    Raises:
        ValueError: there are fewer than two vectors outside a fold.
    """
    basis, mean = mixture.basis.double(), mixture.gaussian.mean.double()
    shared = mixture.rest(mixture.gaussian.ridge)
    noisy = mixture.clusters
    noisy.covariances.diagonal(dim1=1, dim2=2).add_(mixture.gaussian.ridge)
    dense, sizes, moments, own = isinstance(shared, DenseRest), [], [], []
    for stream in streams:
        coordinates = []
        square = basis.new_zeros(mixture.size, mixture.size) if dense else None
        for chunk in stream():
            x = chunk.double() - mean
            coordinates.append((x @ basis).to(mixture.basis.dtype))
            if square is not None:
                square.addmm_(x.T, x)
        c = torch.cat(coordinates) if coordinates else mixture.basis.new_zeros(0, mixture.coordinates)
        sizes.append(len(c))
        moments.append(Moments.of(c, log_densities(c, noisy).softmax(1)))
        own.append(square)
    if sum(sizes) - max(sizes) < 2:
        raise ValueError(f"{sum(sizes)} vectors cannot be split into {len(streams)} folds")
    whole = reduce(add, moments)
    total = sum(square for square in own if square is not None)
    found = []
    for size, part, square in zip(sizes, moments, own, strict=True):
        if square is None:
            rest: Rest = IsotropicRest(basis, shared.noise, DTYPE)
        else:
            covariance = (total - square) / (sum(sizes) - size - 1)
            rest = DenseRest.beside(basis, covariance, mixture.gaussian.ridge, DTYPE)
        clusters = mixture.without_rest((whole - part).clusters(mixture.pooled))
        found.append(Fold.of(mixture, steadied(clusters, mixture.gaussian.ridge), rest))
    return found
