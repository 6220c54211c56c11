"""A learnt term of a Gaussian's posterior mean, in principal coordinates.

A Gaussian over coordinates c, N(0, S), expects z = P^-1 b of them where the observed values have the likelihood of
precision G and drift b, P = S^-1 + G. The correction moves the prior's mean, to N(d, S), by a network's d:

    E[c] = z + P^-1 S^-1 d(z, v),   v_j^2 = (P^-1)_jj / S_jj.

What is observed therefore acts on the corrected mean as on the plain one: nothing moves where everything is known, and
all of d counts where nothing is. The last layer starts at zero, and so does the correction.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metasiren_priors.mixture.rest import Seen


def precision_and_variances(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """S^-1 (coordinates, coordinates) and the diagonal of S, from S."""
    return torch.cholesky_inverse(torch.linalg.cholesky(covariance)), covariance.diagonal().clone()


@dataclass(frozen=True)
class View:
    """The posterior of a Gaussian over coordinates, given observed values; vectors share a mask.

    Attributes:
        expected: z, (vectors, coordinates).
        deviation: v, (coordinates,), posterior standard deviations in units of the prior's, from 0 to 1.
        gain: P^-1 S^-1, (coordinates, coordinates).
        left: trace of P^-1, the variance that is left.
    """

    expected: Tensor
    deviation: Tensor
    gain: Tensor
    left: Tensor

    @classmethod
    def of(cls, precision: Tensor, variances: Tensor, seen: Seen) -> View:
        """From S^-1 (coordinates, coordinates), the diagonal of S, and what was observed; all in float64."""
        covariance = torch.cholesky_inverse(torch.linalg.cholesky(precision + seen.gram))
        inner = covariance.diagonal()
        deviation = (inner / variances).clamp(0, 1).sqrt()
        return cls(seen.projection @ covariance, deviation, covariance @ precision, inner.sum())

    def to(self, dtype: torch.dtype) -> View:
        """The same in another dtype."""
        return View(*(part.to(dtype) for part in (self.expected, self.deviation, self.gain, self.left)))


class Correction(nn.Module):
    """The network d(z, v): one hidden layer and a residual one.

    Coordinates enter in their own units and not whitened, so that neighbours of a signal are the signals that look
    like it: whitened, the many fine coordinates outweigh the few coarse ones, and almost nothing is learned.

    Args:
        coordinates: number of coordinates.
        features: width of both layers.
        dropout: of their outputs, in training.
    """

    deviations: Tensor

    def __init__(self, coordinates: int, features: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.first = nn.Linear(2 * coordinates, features)
        self.second = nn.Linear(features, features)
        self.last = nn.Linear(features, coordinates)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("deviations", torch.ones(coordinates))
        self.restart(self.deviations)

    def restart(self, deviations: Tensor) -> None:
        """Forget what was learned, and draw new hidden layers from torch's own generator.

        Args:
            deviations: of the prior's coordinates, (coordinates,).
        """
        self.deviations.copy_(deviations)
        self.first.reset_parameters()
        self.second.reset_parameters()
        with torch.no_grad():
            self.last.weight.zero_()
            assert self.last.bias is not None
            self.last.bias.zero_()

    def forward(self, view: View) -> Tensor:
        """Corrected coordinates (vectors, coordinates), in the dtype of the view."""
        dtype = self.deviations.dtype
        z = view.expected.to(dtype)
        # Twice the coordinates' mean square is one where everything is known.
        scaled = 2 * z / self.deviations.square().mean().sqrt()
        x = torch.cat([scaled, (view.deviation.to(dtype) - 0.5).expand_as(z)], dim=1)
        x = self.dropout(F.gelu(self.first(x)))
        x = self.dropout(x + F.gelu(self.second(x)))
        moved = self.last(x) * self.deviations
        found: Tensor = view.expected + (moved @ view.gain.to(dtype).T).to(view.expected)
        return found
