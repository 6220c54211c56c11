"""Fitting a mixture of Gaussians: k-means, then expectation maximisation with covariances shrunk to a common one.

Bishop 2006, "Pattern Recognition and Machine Learning", sections 9.1 and 9.2. With n_k the (soft) number of vectors
of component k and S_k the sum of their outer products about its mean, its covariance is

    (S_k + p W) / (n_k + p - 1),   W = sum_k S_k / (n - 1),

so that `pooled` vectors p of the within-component covariance W are added to each component. Few vectors in many
dimensions then still give a covariance of full rank, as in regularised discriminant analysis (Friedman 1989). One
component has the unbiased covariance of all vectors, whatever p.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Clusters:
    """The parameters of a mixture of Gaussians.

    Attributes:
        weights: (components,), positive, of sum one.
        means: (components, size).
        covariances: (components, size, size).
    """

    weights: Tensor
    means: Tensor
    covariances: Tensor


def total_covariance(clusters: Clusters) -> Tensor:
    """Covariance (size, size) of the whole mixture: within its components and between them."""
    apart = clusters.means - clusters.weights @ clusters.means
    within = torch.einsum("k,kij->ij", clusters.weights, clusters.covariances)
    return within + (apart * clusters.weights.unsqueeze(1)).T @ apart


def k_means(x: Tensor, count: int, generator: torch.Generator, rounds: int = 25) -> Tensor:
    """Labels (n,) of the vectors x (n, size): Lloyd's algorithm from the start of k-means++ (Arthur 2007)."""
    first = torch.randint(len(x), (1,), generator=generator)
    centres = x[first.to(x.device)]
    for _ in range(count - 1):
        far = torch.cdist(x, centres).square().amin(1)
        # Where every vector is a centre already, any will do.
        far = torch.where(far.sum() > 0, far, torch.ones_like(far))
        chosen = torch.multinomial(far.cpu(), 1, generator=generator)
        centres = torch.cat([centres, x[chosen.to(x.device)]])
    labels = torch.cdist(x, centres).argmin(1)
    for _ in range(rounds):
        shares = F.one_hot(labels, count).to(x)
        sizes = shares.sum(0)
        means = shares.T @ x / sizes.clamp_min(1).unsqueeze(1)
        centres = torch.where(sizes.unsqueeze(1) > 0, means, centres)
        labels = torch.cdist(x, centres).argmin(1)
    return labels


@dataclass(frozen=True)
class Moments:
    """Weighted sums over vectors, in float64.

    Attributes:
        sizes: how many vectors each component has, (components,).
        sums: of the vectors, (components, size).
        squares: of their outer products, (components, size, size).
    """

    sizes: Tensor
    sums: Tensor
    squares: Tensor

    @classmethod
    def of(cls, x: Tensor, shares: Tensor) -> Moments:
        """From vectors (n, size), and how much of each belongs to each component (n, components)."""
        x, shares = x.double(), shares.double()
        return cls(shares.sum(0), shares.T @ x, torch.stack([_square(x, share) for share in shares.T]))

    def clusters(self, pooled: float) -> Clusters:
        """The parameters; see `maximise`."""
        count = self.sizes.sum()
        held = self.sizes.clamp_min(1e-6).unsqueeze(1)
        all_mean = self.sums.sum(0) / count
        means = torch.where(self.sizes.unsqueeze(1) > 1e-6, self.sums / held, all_mean)
        # Of a component without vectors nothing is left, whatever the rounding of its sums.
        outer = self.sizes.view(-1, 1, 1) * means.unsqueeze(2) * means.unsqueeze(1)
        scatter = torch.where(self.sizes.view(-1, 1, 1) > 1e-6, self.squares - outer, 0.0)
        within = scatter.sum(0) / (count - 1).clamp_min(1)
        covariances = (scatter + pooled * within) / (self.sizes + pooled - 1).clamp_min(1e-6).view(-1, 1, 1)
        weights = (self.sizes + 1e-6) / (self.sizes + 1e-6).sum()
        return Clusters(weights, means, covariances)


def maximise(x: Tensor, shares: Tensor, pooled: float) -> Clusters:
    """The parameters, given how much of each vector belongs to each component.

    Args:
        x: (n, size).
        shares: (n, components), rows of sum one.
        pooled: number of vectors of the common covariance that are added to each component.

    Returns:
        Clusters in float64. A component without vectors keeps the common covariance, a weight of almost zero and
        the mean of all vectors.
    """
    return Moments.of(x, shares).clusters(pooled)


def _square(x: Tensor, share: Tensor) -> Tensor:
    # Almost every vector belongs to one component alone; shares that float32 would round off are left out.
    held = (share > 1e-9).nonzero().squeeze(1)
    chosen = x.index_select(0, held)
    return (chosen * share.index_select(0, held).unsqueeze(1)).T @ chosen


def log_densities(x: Tensor, clusters: Clusters) -> Tensor:
    """(n, components): log weight plus log density of each vector, up to a constant that all components share."""
    found = []
    for weight, mean, covariance in zip(clusters.weights, clusters.means, clusters.covariances, strict=True):
        factor = torch.linalg.cholesky(covariance).to(x.dtype)
        whitened = torch.linalg.solve_triangular(factor, (x - mean.to(x.dtype)).T, upper=False)
        found.append(weight.log() - factor.diagonal().log().sum() - whitened.square().sum(0) / 2)
    return torch.stack(found, dim=1)


def cluster(
    x: Tensor, count: int, *, pooled: float, noise: float, rounds: int, coarse: int, generator: torch.Generator
) -> Tensor:
    """How much of each vector belongs to each component, after `rounds` of expectation maximisation.

    Args:
        x: (n, size), principal coordinates: the first vary most.
        count: number of components.
        pooled: see the module.
        noise: variance that is added in every direction.
        rounds: of expectation and maximisation; 0 leaves the labels of k-means.
        coarse: number of coordinates that k-means uses.
        generator: of the start, on the CPU.

    Returns:
        (n, count), rows of sum one.
    """
    shares = F.one_hot(k_means(x[:, :coarse], count, generator), count).to(x)
    for _ in range(rounds):
        clusters = maximise(x, shares, pooled)
        clusters.covariances.diagonal(dim1=1, dim2=2).add_(noise)
        shares = log_densities(x, clusters).softmax(1)
    return shares
