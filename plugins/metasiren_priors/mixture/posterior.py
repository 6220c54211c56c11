"""The posterior of partly observed vectors under a mixture of Gaussians: means, variances and draws."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import log, pi

import torch
from torch import Tensor

from metasiren_priors.mixture.clusters import Clusters
from metasiren_priors.mixture.rest import Rest, Seen, standard_normal


@dataclass(frozen=True)
class Posterior:
    """The distribution of vectors that share a mask, given their observed values; all tensors have one dtype.

    Given component k, the coordinates are N(means[:, k], covariances[k]); the hidden values are

        x_u = m_u + B_u c + R_uo R_oo^-1 (r - B_o c) + rest,   rest ~ N(0, s_k (R_uu - R_uo R_oo^-1 R_ou)).

    A component here is a pair: one of the mixture's, and a scale s_k of the rest.

    Attributes:
        values: (vectors, size), observed values and zeros.
        mask: (size,) bool, True where observed.
        centre: m, (size,).
        rest: the Gaussian that the coordinates leave.
        seen: what was observed.
        log_weights: (vectors, components), posterior log weights.
        means: (vectors, components, coordinates).
        factors: (components, coordinates, coordinates), lower Cholesky factors of the posterior precisions.
        scales: s_k, (components,).
        evidence: (vectors,), log density of the observed values.
    """

    values: Tensor
    mask: Tensor
    centre: Tensor
    rest: Rest
    seen: Seen
    log_weights: Tensor
    means: Tensor
    factors: Tensor
    scales: Tensor
    evidence: Tensor

    @property
    def weights(self) -> Tensor:
        """Posterior weights of the components (vectors, components), rows of sum one."""
        return self.log_weights.exp()

    def coordinates(self) -> Tensor:
        """Expected coordinates (vectors, coordinates)."""
        return torch.einsum("nk,nkd->nd", self.weights, self.means)

    def mean(self) -> Tensor:
        """Expected values (vectors, size); observed ones are returned as they are."""
        return self.mean_at(self.coordinates())

    def mean_at(self, coordinates: Tensor) -> Tensor:
        """Expected values (vectors, size), given coordinates (vectors, coordinates); observed ones stay."""
        return self._whole(self._hidden(coordinates))

    def narrowed(self, prior: Prior, scale: float) -> Posterior:
        """The posterior if every S were multiplied by `scale`; the components keep their weights and the evidence.

        Covariances that were estimated from few vectors overfit, like a regression without a ridge. A scale below one
        moves the coordinates towards the components' means, most where they are least determined.
        """
        parts = len(self.scales) // len(prior.log_weights)
        factors = torch.linalg.cholesky(
            prior.precisions.repeat(parts, 1, 1) / scale + self.seen.gram / self.scales.view(-1, 1, 1)
        )
        drift = prior.drift.repeat(parts, 1).unsqueeze(1) / scale
        right = self.seen.projection.unsqueeze(0) / self.scales.view(-1, 1, 1) + drift
        means = torch.cholesky_solve(right.mT, factors).mT
        return replace(self, means=means.transpose(0, 1), factors=factors)

    def component_moments(self, vector: int) -> tuple[Tensor, Tensor]:
        """Mean and variance (components, size) of each value of one vector, in each component.

        Variances include the noise; those of observed values are zero.
        """
        hidden = ~self.mask
        means = self.values[vector].repeat(self.means.shape[1], 1)
        means[:, hidden] = self._hidden(self.means[vector : vector + 1], vector)[0]
        return means, self.variances

    @cached_property
    def variances(self) -> Tensor:
        """Variance of each value in each component (components, size), the same for all vectors of the mask."""
        hidden = ~self.mask
        found = self.values.new_zeros(len(self.factors), len(hidden))
        gain = self._gain().T
        for component, factor in enumerate(self.factors):
            white = torch.linalg.solve_triangular(factor, gain, upper=False)
            found[component, hidden] = white.square().sum(0)
        found[:, hidden] += self.scales.unsqueeze(1) * self.rest.variance(self.mask)
        return found

    def deviation(self) -> Tensor:
        """Standard deviation of each value (vectors, size): within the components and between them."""
        found = []
        for vector, weights in enumerate(self.weights.unsqueeze(2)):
            means, variances = self.component_moments(vector)
            centre = (weights * means).sum(0)
            found.append((weights * (variances + (means - centre).square())).sum(0).sqrt())
        return torch.stack(found)

    def covariance(self) -> Tensor:
        """Covariance of the signals without their noise, (vectors, size, size); zero where values were observed."""
        inner = torch.cholesky_inverse(self.factors)
        apart = self.means - self.coordinates().unsqueeze(1)
        total = torch.einsum("nk,kij->nij", self.weights, inner)
        total = total + torch.einsum("nk,nki,nkj->nij", self.weights, apart, apart)
        gain, hidden = self._gain(), (~self.mask).nonzero().squeeze(1)
        found = total.new_zeros(len(total), len(self.mask), len(self.mask))
        scale = (self.weights @ self.scales).view(-1, 1, 1)
        found[:, hidden[:, None], hidden] = gain @ total @ gain.T + scale * self.rest.conditional(self.mask)
        return found

    def sample(self, generator: torch.Generator | None = None, *, noise: bool = False) -> Tensor:
        """One draw (vectors, size) for each vector; observed values are returned as they are.

        Args:
            generator: source of randomness.
            noise: add the noise of every hidden value, as in the density.
        """
        device = self.means.device if generator is None else generator.device
        count, _, size = self.means.shape
        component = torch.multinomial(self.weights.to(device), 1, generator=generator).squeeze(1).to(self.means.device)
        normal = standard_normal((count, size, 1), generator, self.means)
        spread = torch.linalg.solve_triangular(self.factors[component].mT, normal, upper=True).squeeze(2)
        c = self.means[torch.arange(count, device=component.device), component] + spread
        # A draw of the rest, corrected by the difference between its observed part and the observations.
        size_of_rest = self.scales[component].sqrt().unsqueeze(1)
        clean, added = (size_of_rest * part for part in self.rest.draw(count, generator))
        drawn = (clean + added) * self.mask
        shift = self.rest.observe(drawn, self.mask).expected(torch.zeros_like(c))
        hidden = (clean + added if noise else clean)[:, ~self.mask]
        return self._whole(self._hidden(c) + hidden - shift)

    def _gain(self) -> Tensor:
        return self.rest.basis[~self.mask] - self.seen.slope

    def _hidden(self, c: Tensor, vector: int | None = None) -> Tensor:
        """Expected hidden values where the coordinates are c (vectors, ..., coordinates); of one vector, or of all."""
        rest = self.seen.expected(c, slice(None) if vector is None else slice(vector, vector + 1))
        return (self.centre + c @ self.rest.basis.T)[..., ~self.mask] + rest

    def _whole(self, hidden: Tensor) -> Tensor:
        whole = self.values.clone()
        whole[:, ~self.mask] = hidden
        return whole


@dataclass(frozen=True)
class Prior:
    """A mixture over coordinates, with the terms that every posterior uses; float64.

    Attributes:
        log_weights: (components,).
        precisions: S^-1, (components, coordinates, coordinates).
        drift: S^-1 mu, (components, coordinates).
        fixed: log det S + mu^T S^-1 mu, (components,).
    """

    log_weights: Tensor
    precisions: Tensor
    drift: Tensor
    fixed: Tensor

    @classmethod
    def of(cls, clusters: Clusters) -> Prior:
        """From weights, means and covariances."""
        factors = torch.linalg.cholesky(clusters.covariances.double())
        precisions = torch.cholesky_inverse(factors)
        means = clusters.means.double()
        drift = (precisions @ means.unsqueeze(2)).squeeze(2)
        fixed = 2 * _log_diagonal(factors) + (means * drift).sum(1)
        return cls(clusters.weights.double().log(), precisions, drift, fixed)

    def to(self, dtype: torch.dtype) -> Prior:
        """The same in another dtype."""
        return Prior(*(part.to(dtype) for part in (self.log_weights, self.precisions, self.drift, self.fixed)))


def condition(prior: Prior, centre: Tensor, rest: Rest, values: Tensor, mask: Tensor, scales: Tensor) -> Posterior:
    """Condition a mixture on observed values.

    A signal's rest has the covariance s R, where s is one of a few numbers of equal weights: a Gaussian scale mixture
    (Andrews and Mallows 1974; of natural images, Wainwright and Simoncelli 2000). Sharp and noisy signals then have as
    good a density as smooth ones.

    With component k of weight w, mean mu and covariance S, and with the scale s of the rest, the coordinates have the
    posterior precision P = S^-1 + B_o^T R_oo^-1 B_o / s and mean P^-1 (S^-1 mu + B_o^T R_oo^-1 r / s), and the n
    observed values the log density

        log N = -1/2 [n log 2 pi s + log det R_oo + log det S + log det P
                      + r^T R_oo^-1 r / s + mu^T S^-1 mu - (S^-1 mu + B_o^T R_oo^-1 r / s)^T P^-1 (the same)].

    Args:
        prior: of the coordinates; the posterior has its dtype, which is also that of m, the rest and the scales.
        centre: m, (size,).
        rest: the Gaussian that the coordinates leave.
        values: (vectors, size); hidden values are not used.
        mask: (size,) bool, True where observed; all vectors share it.
        scales: s, (scales,), positive.
    """
    values = torch.where(mask, values.to(centre.dtype), 0.0)
    deviation = torch.where(mask, values - centre, 0.0)
    seen = rest.observe(deviation, mask)
    observed, components = int(mask.sum()), len(prior.log_weights)
    factors, means, log_joint = [], [], []
    for scale in scales:
        factor = torch.linalg.cholesky(prior.precisions + seen.gram / scale)
        right = seen.projection.unsqueeze(0) / scale + prior.drift.unsqueeze(1)
        mean = torch.cholesky_solve(right.mT, factor).mT
        fixed = observed * (2 * pi * scale).log() + seen.log_det + prior.fixed + 2 * _log_diagonal(factor)
        twice = fixed.unsqueeze(1) + seen.square / scale - (right * mean).sum(2)
        factors.append(factor)
        means.append(mean)
        log_joint.append(prior.log_weights.unsqueeze(1) - log(len(scales)) - twice / 2)
    joint = torch.cat(log_joint).T
    return Posterior(
        values=values,
        mask=mask,
        centre=centre,
        rest=rest,
        seen=seen,
        log_weights=joint.log_softmax(1),
        means=torch.cat(means).transpose(0, 1),
        factors=torch.cat(factors),
        scales=scales.repeat_interleave(components),
        evidence=joint.logsumexp(1),
    )


def _log_diagonal(factors: Tensor) -> Tensor:
    return factors.diagonal(dim1=1, dim2=2).log().sum(1)
