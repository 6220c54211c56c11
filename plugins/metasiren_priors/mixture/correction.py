"""A learnt term of a mixture's posterior mean, in principal coordinates.

Let z be the mixture's posterior mean of the coordinates, and S the covariance of the whole mixture. A Gaussian over
coordinates c, N(0, S), has the posterior precision P = S^-1 + G where the observed values have the likelihood of
precision G. The correction moves the prior's mean, by a network's d:

    E[c] = z + s P^-1 S^-1 d(z, v, w),   v_j^2 = (P^-1)_jj / S_jj,

w being the components' posterior weights. What is observed acts on the moved mean as it does on the plain one: nothing
moves where everything is known, and all of d counts where nothing is. The last layer starts at zero, and so does the
correction. The share s, from 0 to 1, depends on the kind of mask, and is measured (see `shares`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metasiren_priors.mixture.posterior import Posterior

LEFT = (0.03, 0.08, 0.15, 0.25, 0.4)
"""Limits between kinds of masks: the variance that is left, as a share of the prior's."""
COARSE, COARSE_PRIOR = 0.45, 0.8
"""Another: the share of it in the coarse coordinates, which are the first ones that hold four fifths of the prior's."""
KINDS = 2 * (len(LEFT) + 1)


def precision_and_variances(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """S^-1 (coordinates, coordinates) and the diagonal of S, from S."""
    return torch.cholesky_inverse(torch.linalg.cholesky(covariance)), covariance.diagonal().clone()


@dataclass(frozen=True)
class View:
    """The posterior of a mixture over coordinates, given observed values; vectors share a mask.

    Attributes:
        expected: z, (vectors, coordinates).
        weights: w, (vectors, components).
        deviation: v, (coordinates,), posterior standard deviations in units of the prior's, from 0 to 1.
        gain: P^-1 S^-1, (coordinates, coordinates).
        left: trace of P^-1, the variance that is left.
        kind: of mask, below `KINDS`: by how much of the variance is left, and by how much of that is coarse. Scattered
            points leave the fine coordinates unknown, and hidden parts the coarse ones.
    """

    expected: Tensor
    weights: Tensor
    deviation: Tensor
    gain: Tensor
    left: Tensor
    kind: int

    @classmethod
    def of(cls, precision: Tensor, variances: Tensor, posterior: Posterior) -> View:
        """From S^-1 (coordinates, coordinates), the diagonal of S, and a posterior; all of one dtype."""
        covariance = torch.cholesky_inverse(torch.linalg.cholesky(precision + posterior.seen.gram))
        inner = torch.minimum(covariance.diagonal(), variances)
        coarse = variances.cumsum(0) <= COARSE_PRIOR * variances.sum()
        coarse[0] = True
        left, rough = inner.sum() / variances.sum(), inner[coarse].sum() / inner.sum()
        kind = 2 * sum(float(left) > limit for limit in LEFT) + int(rough > COARSE)
        deviation, gain = (inner / variances).clamp_min(0).sqrt(), covariance @ precision
        return cls(posterior.coordinates(), posterior.weights, deviation, gain, inner.sum(), kind)

    def to(self, dtype: torch.dtype) -> View:
        """The same in another dtype."""
        tensors = ("expected", "weights", "deviation", "gain", "left")
        return replace(self, **{name: getattr(self, name).to(dtype) for name in tensors})


class Correction(nn.Module):
    """The network d(z, v, w): one hidden layer and a residual one.

    Coordinates enter in their own units and not whitened, so that neighbours of a signal are the signals that look
    like it: whitened, the many fine coordinates outweigh the few coarse ones, and almost nothing is learned.

    Args:
        coordinates: number of coordinates.
        components: of the mixture.
        features: width of both layers.
        dropout: of their outputs, in training.

    Attributes:
        shares: s of each kind of mask, (KINDS,); all zero until they are measured.
    """

    deviations: Tensor
    shares: Tensor

    def __init__(self, coordinates: int, components: int, features: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.first = nn.Linear(2 * coordinates + components, features)
        self.second = nn.Linear(features, features)
        self.last = nn.Linear(features, coordinates)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("deviations", torch.ones(coordinates))
        self.register_buffer("shares", torch.zeros(KINDS))
        self.restart(self.deviations)

    def restart(self, deviations: Tensor) -> None:
        """Forget what was learned, and draw new hidden layers from torch's own generator.

        Args:
            deviations: of the prior's coordinates, (coordinates,).
        """
        self.deviations.copy_(deviations)
        self.shares.zero_()
        self.first.reset_parameters()
        self.second.reset_parameters()
        with torch.no_grad():
            self.last.weight.zero_()
            assert self.last.bias is not None
            self.last.bias.zero_()

    def forward(self, view: View) -> Tensor:
        """Corrected coordinates (vectors, coordinates) at a share of one, in the dtype of the view."""
        dtype = self.deviations.dtype
        z = view.expected.to(dtype)
        # Twice the coordinates' mean square is one where everything is known.
        scaled = 2 * z / self.deviations.square().mean().sqrt()
        spread = (view.deviation.to(dtype) - 0.5).expand_as(z)
        x = torch.cat([scaled, spread, view.weights.to(dtype) - 1 / view.weights.shape[1]], dim=1)
        x = self.dropout(F.gelu(self.first(x)))
        x = self.dropout(x + F.gelu(self.second(x)))
        moved = self.last(x) * self.deviations
        found: Tensor = view.expected + (moved @ view.gain.to(dtype).T).to(view.expected)
        return found

    def shared(self, view: View, most: float) -> Tensor:
        """Corrected coordinates at the share of the view's kind of mask, but at most `most`."""
        share = min(most, float(self.shares[view.kind]))
        return torch.lerp(view.expected, self(view), share) if share > 0 else view.expected
