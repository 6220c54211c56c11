"""What a mixture would be if it had been fitted to a part of its signals: for what is measured on the others.

A covariance predicts the hidden parts of the signals that it was estimated from better than those of others. What is
measured on signals unseen must therefore condition them without their own part in the components and the covariance.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from metasiren_priors.encoders.gaussian import Stream
from metasiren_priors.mixture.clusters import Moments, log_densities, total_covariance
from metasiren_priors.mixture.kinds import precision_and_variances
from metasiren_priors.mixture.mixture import Mixture, steadied
from metasiren_priors.mixture.posterior import Posterior, Prior, condition
from metasiren_priors.mixture.rest import DenseRest, IsotropicRest, Rest

DTYPE = torch.float32


@dataclass(frozen=True)
class Part:
    """A mixture of a part of the signals, in the whole mixture's coordinates and in float32.

    Attributes:
        prior: of the coordinates.
        precision: S^-1, (coordinates, coordinates), S being the covariance of all components together.
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
    def of(cls, mixture: Mixture, stream: Stream) -> Part:
        """From a fitted mixture and the vectors of the part: their covariance, and one more round of maximisation.

        An isotropic rest is that of all signals.
        """
        basis, mean, ridge = mixture.basis.double(), mixture.gaussian.mean.double(), mixture.gaussian.ridge
        rest: Rest = mixture.rest(ridge)
        noisy, dense, coordinates = mixture.clusters, isinstance(rest, DenseRest), []
        noisy.covariances.diagonal(dim1=1, dim2=2).add_(ridge)
        square = basis.new_zeros(mixture.size, mixture.size) if dense else basis.new_zeros(0, 0)
        for chunk in stream():
            x = chunk.double() - mean
            coordinates.append((x @ basis).to(mixture.basis.dtype))
            if dense:
                square.addmm_(x.T, x)
        c = torch.cat(coordinates)
        if dense:
            rest = DenseRest.beside(basis, square / max(len(c) - 1, 1), ridge, DTYPE)
        else:
            rest = IsotropicRest(basis, rest.noise, DTYPE)
        moments = Moments.of(c, log_densities(c, noisy).softmax(1))
        clusters = steadied(mixture.without_rest(moments.clusters(mixture.pooled)), ridge)
        precision, variances = (x.to(DTYPE) for x in precision_and_variances(total_covariance(clusters)))
        return cls(Prior.of(clusters).to(DTYPE), precision, variances, mean.to(DTYPE), rest, mixture.mean_scale)

    def see(self, vectors: Tensor, mask: Tensor) -> Posterior:
        """Condition vectors (n, size) on the values that a mask (size,) shows, for their means."""
        one = torch.ones(1, dtype=DTYPE, device=vectors.device)
        posterior = condition(self.prior, self.centre, self.rest, vectors, mask, one)
        return posterior.narrowed(self.prior, self.scale)
