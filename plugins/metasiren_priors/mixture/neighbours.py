"""A regression on the training signals nearest to the observed values; it corrects a mixture's posterior mean.

For one mask, let z be the conditional expectation of the coordinates under N(0, S), S being the covariance of the
whole mixture. A training signal i has such coordinates z_i, too, and true ones c_i. Among the
training signals whose z_i are nearest to z, a kernel ridge regression predicts the errors c - z:

    E[c] = z + sum_i a_i (c_i - z_i),   a = (K + ridge I)^-1 k,   k(z, z') = exp(-|z - z'|^2 / (2 width m)),

K being the kernel between the neighbours, k that between them and z, and m the median of |z - z_i|^2 over all training
signals, over the first coordinates (Rasmussen and Williams 2006, "Gaussian Processes for Machine Learning", Eq. 2.25).
Coordinates are in their own units: whitened, the many fine ones would outweigh the few coarse ones. How much the
regression counts beside the mixture's mean depends on the kind of mask, and is measured (see `shares`).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from metasiren_priors.encoders.gaussian import Stream
from metasiren_priors.mixture.kinds import KINDS
from metasiren_priors.mixture.posterior import Posterior

SEARCHED = 64
"""Coordinates by which neighbours are found, and the median distance."""
TOGETHER = 8
"""From so many vectors with one mask on, all z_i are computed at once in place of each vector's neighbours'."""


class Neighbours(nn.Module):
    """Training signals, and the regression on those that are nearest.

    Args:
        size: of a signal.
        count: neighbours of each regression, at most.
        ridge: of the regression; the kernel is one at distance zero.
        width: of the kernel, as a multiple of the median squared distance.

    Attributes:
        signals: (size, number of signals), in half precision, which rounds values in [-1, 1] by 2.5e-4 at most.
        shares: how much the regression counts for each kind of mask, (KINDS,); zero until they are measured.
    """

    signals: Tensor
    shares: Tensor

    def __init__(self, size: int, count: int, *, ridge: float = 0.3, width: float = 0.5) -> None:
        super().__init__()
        self.count, self.ridge, self.width = count, ridge, width
        self.register_buffer("signals", torch.zeros(size, 0, dtype=torch.float16))
        self.register_buffer("shares", torch.zeros(KINDS))
        self._coordinates: Tensor | None = None

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *arguments: Any) -> None:
        # How many signals there are is known from the state alone.
        kept = state_dict.get(prefix + "signals")
        if isinstance(kept, Tensor) and kept.dim() == 2 and len(kept) == len(self.signals):
            self.signals = self.signals.new_zeros(kept.shape)
        self._coordinates = None
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def remember(self, stream: Stream) -> None:
        """Keep the vectors (n, size) of a stream, and forget those that were kept before."""
        self.signals = torch.cat([chunk.to(self.signals) for chunk in stream()]).T.contiguous()
        self._coordinates = None

    def expected(self, posterior: Posterior, precision: Tensor) -> Tensor:
        """The coordinates that the regression predicts, (vectors, coordinates), in float32.

        Args:
            posterior: of vectors that share a mask.
            precision: S^-1, (coordinates, coordinates).
        """
        mask, basis, centre = posterior.mask, posterior.rest.basis.float(), posterior.centre.float()
        if self._coordinates is None or self._coordinates.device != basis.device:
            self._coordinates = self.signals.float().T @ basis - centre @ basis
        inner = torch.cholesky_inverse(torch.linalg.cholesky(precision + posterior.seen.gram))
        z = (posterior.seen.projection @ inner).float()
        pull = (posterior.rest.weights(mask) @ inner).float()
        observed = self.signals[mask].float() - centre[mask].unsqueeze(1)
        # The first coordinates have almost all of the variance, so they suffice to find the nearest signals.
        together = len(z) >= TOGETHER
        found = observed.T @ (pull if together else pull[:, :SEARCHED])
        apart = torch.cdist(z[:, :SEARCHED], found[:, :SEARCHED]).square()
        nearest = apart.topk(min(self.count, apart.shape[1]), largest=False).indices
        bandwidths = 2 * self.width * apart.median(dim=1).values.clamp_min(1e-12)
        moves = []
        for one, rows, bandwidth in zip(z, nearest, bandwidths, strict=True):
            near = found[rows] if together else observed.index_select(1, rows).T @ pull
            errors = self._coordinates.index_select(0, rows) - near
            moves.append(self._weights(near - one, bandwidth) @ errors)
        return z + torch.stack(moves)

    def _weights(self, apart: Tensor, bandwidth: Tensor) -> Tensor:
        """The a_i (neighbours,), from their z_i - z (neighbours, coordinates)."""
        squares = apart.square().sum(1)
        kernel = torch.addmm(squares + squares.unsqueeze(1), apart, apart.T, alpha=-2).div_(-bandwidth).exp_()
        kernel.diagonal().fill_(1 + self.ridge)
        right = torch.exp(-squares / bandwidth).unsqueeze(1)
        return torch.cholesky_solve(right, torch.linalg.cholesky(kernel)).squeeze(1)
