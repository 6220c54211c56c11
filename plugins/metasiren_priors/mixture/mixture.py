"""A mixture of Gaussians over vectors: fitted from a stream, conditioned on any observed values.

The components differ in the first principal coordinates and share the rest: with x = m + B c + t,

    c ~ sum_k w_k N(mu_k, S_k),   t ~ N(0, C - B diag(s) B^T + ridge I),

C being the covariance of the training vectors, B its first eigenvectors and s their variances. With one component
this is the Gaussian N(m, C + ridge I) itself. Vectors too long for C have an isotropic rest.

The ridge that predicts best is larger than the one of the highest density, so that densities, deviations and samples
may have a ridge of their own. There, too, a vector's rest may be scaled: t ~ N(0, a R), a being one of a few numbers.

The mean may be blended with a regression on the nearest training vectors; densities, deviations and samples are the
mixture's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from metasiren_priors.encoders.gaussian import Gaussian, Stream
from metasiren_priors.encoders.gaussian_factors import FactorGaussian, gaussian_of
from metasiren_priors.mixture.clusters import Clusters, cluster, maximise, total_covariance
from metasiren_priors.mixture.kinds import kind_of, precision_and_variances
from metasiren_priors.mixture.neighbours import Neighbours
from metasiren_priors.mixture.posterior import Posterior, Prior, condition
from metasiren_priors.mixture.rest import DenseRest, IsotropicRest, Rest


class Mixture(nn.Module):
    """A mixture of Gaussians over vectors with values in [-1, 1].

    Args:
        size: of the vectors.
        components: number of Gaussians.
        coordinates: number of principal coordinates in which they differ.
        ridge: variance of the noise of every value, in units of values in [0, 1] squared.
        pooled: number of vectors of the common covariance that are added to each component's own.
        rounds: of expectation maximisation.
        coarse: number of coordinates that k-means uses.
        directions: of the common covariance that are kept; the others have equal variance. All of them by default, and
            512 where vectors are too long.
        seed: of the start of k-means.
        density_ridge: ridge of densities, deviations and samples; `ridge` where left out.
        mean_scale: number that multiplies the components' covariances in posterior means, once their weights are known.
        scales: numbers a of equal weights, for densities, deviations and samples: the covariance of a vector's rest,
            its noise included, is one of them times R.
        neighbours: a regression with which posterior means are blended; none by default. `fit` leaves it as it is.
        share: of the regression at most, from 0 to 1.

    Attributes:
        gaussian: mean and covariance of all training vectors.
        basis: B, (size, coordinates).
        weights, means, covariances: of the components, (components, ...).
    """

    basis: Tensor
    weights: Tensor
    means: Tensor
    covariances: Tensor

    def __init__(
        self,
        size: int,
        *,
        components: int = 8,
        coordinates: int = 256,
        ridge: float = 1e-3,
        pooled: float = 2000.0,
        rounds: int = 15,
        coarse: int = 40,
        directions: int | None = None,
        seed: int = 0,
        density_ridge: float | None = None,
        mean_scale: float = 1.0,
        scales: Sequence[float] = (1.0,),
        neighbours: Neighbours | None = None,
        share: float = 1.0,
    ) -> None:
        super().__init__()
        self.mean_scale, self.scales, self.share = mean_scale, tuple(float(scale) for scale in scales), share
        self.gaussian: Gaussian = gaussian_of(size, ridge, directions)
        # The width of [-1, 1] is twice that of [0, 1].
        self.density_ridge = self.gaussian.ridge if density_ridge is None else 4 * density_ridge
        self.components, self.pooled, self.rounds, self.coarse, self.seed = components, pooled, rounds, coarse, seed
        self.coordinates = min(coordinates, self.gaussian.directions)
        self.register_buffer("basis", torch.eye(size, self.coordinates))
        self.register_buffer("weights", torch.full((components,), 1 / components))
        self.register_buffer("means", torch.zeros(components, self.coordinates))
        self.register_buffer("covariances", torch.eye(self.coordinates).repeat(components, 1, 1))
        self.neighbours = neighbours
        self._rests: dict[float, Rest] = {}
        self.register_load_state_dict_post_hook(lambda *_: self._forget())  # type: ignore[no-untyped-call]

    @classmethod
    def alone(cls, gaussian: Gaussian) -> Mixture:
        """A fitted Gaussian as a mixture of one component."""
        factors = isinstance(gaussian, FactorGaussian)
        made = cls(gaussian.size, components=1, coordinates=gaussian.directions if factors else 1)
        made = made.to(gaussian.mean.device)
        made.gaussian, made.density_ridge = gaussian, gaussian.ridge
        if isinstance(gaussian, FactorGaussian):
            basis, variances = gaussian.principal(gaussian.directions)
            made.basis.copy_(basis)
            made.covariances.copy_((variances - gaussian.noise).clamp_min(0).diag())
            return made
        # All of the covariance is the rest's; the coordinate varies by a billionth of the ridge.
        made.covariances.fill_(1e-9 * gaussian.ridge)
        covariance = gaussian.covariance.to(torch.float64, copy=True)
        covariance.diagonal().add_(gaussian.ridge)
        made._rests[gaussian.ridge] = DenseRest(made.basis, covariance, gaussian.ridge)
        return made

    def _forget(self) -> None:
        self._rests.clear()

    @property
    def size(self) -> int:
        """Of the vectors."""
        return self.gaussian.size

    def fit(self, stream: Stream) -> None:
        """Fit to a stream of vectors; their coordinates (float32) are kept in memory, the vectors are not.

        Passes: one for mean and covariance (six where vectors are long), one for the coordinates.
        """
        self.gaussian.fit(stream)
        basis, _ = self.gaussian.principal(self.coordinates)
        self.basis.copy_(basis)
        turn, mean = basis.float(), self.gaussian.mean.float()
        x = torch.cat([(chunk.float() - mean) @ turn for chunk in stream()])
        generator = torch.Generator().manual_seed(self.seed)
        noise = self.gaussian.ridge
        shares = cluster(
            x,
            self.components,
            pooled=self.pooled,
            noise=noise,
            rounds=self.rounds,
            coarse=self.coarse,
            generator=generator,
        )
        found = maximise(x, shares, self.pooled)
        self.weights.copy_(found.weights)
        self.means.copy_(found.means)
        self._forget()
        self.covariances.copy_(self.without_rest(found).covariances)

    def without_rest(self, clusters: Clusters) -> Clusters:
        """Components of vectors, less what an isotropic rest adds to them (as in probabilistic PCA)."""
        rest = self.rest(self.gaussian.ridge)
        if not isinstance(rest, IsotropicRest):
            return clusters
        variances, turns = torch.linalg.eigh(clusters.covariances.double())
        left = (variances - (rest.noise - self.gaussian.ridge)).clamp_min(0)
        return replace(clusters, covariances=(turns * left.unsqueeze(-2)) @ turns.mT)

    @property
    def clusters(self) -> Clusters:
        """The components in float64, see `steadied`."""
        weights = self.weights.double()
        found = Clusters(weights / weights.sum(), self.means.double(), self.covariances.double())
        return steadied(found, self.gaussian.ridge)

    def rest(self, ridge: float) -> Rest:
        """The Gaussian of the rest t, with noise of variance `ridge` (values in [-1, 1]); made when first needed."""
        found = self._rests.get(ridge)
        if found is None or found.basis.device != self.basis.device:
            found = self._rests[ridge] = self._made_rest(ridge)
        return found

    def _made_rest(self, ridge: float) -> Rest:
        basis = self.basis.double()
        if isinstance(self.gaussian, FactorGaussian):
            # The Gaussian's noise contains its own ridge.
            noise = float(self.gaussian.noise)
            left = (self.gaussian.variances.double()[self.coordinates :] - noise).clamp_min(0).sum()
            variance = noise + float(left) / max(self.size - self.coordinates, 1) + (ridge - self.gaussian.ridge)
            return IsotropicRest(basis, max(variance, ridge))
        return DenseRest.beside(basis, self.gaussian.covariance.double(), ridge)

    def posteriors(self, values: Tensor, seen: Tensor) -> Iterator[tuple[Tensor, Posterior]]:
        """Condition vectors on what was observed, those of equal masks together, with `density_ridge` and `scales`.

        Args:
            values: (vectors, size); hidden values are not used.
            seen: (vectors, size) bool.

        Yields:
            indices of vectors that share a mask, and their posterior.
        """
        return self._conditioned(values, seen, self.density_ridge, self.scales)

    def _conditioned(
        self, values: Tensor, seen: Tensor, ridge: float, scales: tuple[float, ...]
    ) -> Iterator[tuple[Tensor, Posterior]]:
        if not len(values):
            return
        masks, owner = torch.unique(seen, dim=0, return_inverse=True)
        prior, centre, rest = Prior.of(self.clusters), self.gaussian.mean.double(), self.rest(ridge)
        factors = torch.tensor(scales, dtype=torch.float64, device=values.device)
        for number, mask in enumerate(masks):
            rows = (owner == number).nonzero().squeeze(1)
            yield rows, condition(prior, centre, rest, values[rows], mask, factors)

    def narrowed(self, values: Tensor, seen: Tensor) -> Iterator[tuple[Tensor, Posterior]]:
        """As `posteriors`, for means: with `ridge` and `mean_scale`, and without `density_ridge` and `scales`."""
        prior = None if self.mean_scale == 1 else Prior.of(self.clusters)
        for rows, posterior in self._conditioned(values, seen, self.gaussian.ridge, (1.0,)):
            yield rows, posterior.narrowed(prior, self.mean_scale) if prior else posterior

    def mean(self, values: Tensor, seen: Tensor) -> Tensor:
        """Expected vectors (vectors, size), in the dtype of `values`; observed values are returned.

        `ridge`, `mean_scale` and the neighbours count here, `density_ridge` and `scales` do not.
        """
        expected = torch.zeros_like(values)
        whole = None if self.neighbours is None else precision_and_variances(total_covariance(self.clusters))
        for rows, posterior in self.narrowed(values, seen):
            coordinates = posterior.coordinates()
            if self.neighbours is not None and whole is not None:
                kind, _ = kind_of(*whole, posterior.seen.gram)
                share = min(self.share, float(self.neighbours.shares[kind]))
                if share > 0:
                    regressed = self.neighbours.expected(posterior, whole[0] / self.mean_scale)
                    coordinates = torch.lerp(coordinates, regressed.to(coordinates), share)
            expected[rows] = posterior.mean_at(coordinates).to(values.dtype)
        return torch.where(seen, values, expected)

    def log_density(self, values: Tensor, seen: Tensor) -> Tensor:
        """Log density (vectors,) float64 of the observed values, in units of values in [-1, 1]."""
        found = torch.zeros(len(values), dtype=torch.float64, device=values.device)
        for rows, posterior in self.posteriors(values, seen):
            found[rows] = posterior.evidence
        return found


def steadied(clusters: Clusters, ridge: float) -> Clusters:
    """Components whose smallest variances, which float32 may have lost, are raised by 1e-7 of the largest."""
    covariances = (clusters.covariances + clusters.covariances.mT) / 2
    diagonal = covariances.diagonal(dim1=1, dim2=2)
    diagonal += 1e-7 * diagonal.amax(1, keepdim=True) + 1e-6 * ridge
    return replace(clusters, covariances=covariances)
