"""The rest beside the principal coordinates: a Gaussian that all components share, conditioned through a mask.

A vector is x = m + B c + t, with coordinates c that a mixture describes and a rest t ~ N(0, R) that is independent
of c. For the observed values o, with r = x_o - m_o, the likelihood of c needs

    B_o^T R_oo^-1 B_o,   B_o^T R_oo^-1 r,   r^T R_oo^-1 r   and   log det R_oo,

and the hidden values u follow from E[t_u | t_o] = R_uo R_oo^-1 t_o. With few observed values R_oo is factorised; with
few hidden ones the same comes from the blocks of Q = R^-1 (Bishop 2006, Eq. 2.75 to 2.82):

    R_oo^-1 = Q_oo - Q_ou Q_uu^-1 Q_uo,   R_uo R_oo^-1 = -Q_uu^-1 Q_uo,   log det R_oo = log det R + log det Q_uu.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Seen:
    """Terms of the posteriors of coordinates and rest, for vectors that share a mask.

    Attributes:
        gram: B_o^T R_oo^-1 B_o, (coordinates, coordinates).
        projection: B_o^T R_oo^-1 r, (vectors, coordinates).
        square: r^T R_oo^-1 r, (vectors,).
        log_det: log det R_oo, a scalar.
        across: A, (hidden, m), or None for the identity: R_uo R_oo^-1 r is A times `by_deviation`.
        by_deviation: (vectors, m).
        by_basis: (m, coordinates); R_uo R_oo^-1 B_o is A times this.
    """

    gram: Tensor
    projection: Tensor
    square: Tensor
    log_det: Tensor
    across: Tensor | None
    by_deviation: Tensor
    by_basis: Tensor

    def expected(self, c: Tensor, vectors: slice = slice(None)) -> Tensor:
        """E[t_u | t_o] (vectors, ..., hidden), where the coordinates of `vectors` are c (vectors, ..., coordinates)."""
        inner = self.by_deviation[vectors].reshape(len(c), *[1] * (c.dim() - 2), -1) - c @ self.by_basis.T
        return inner if self.across is None else inner @ self.across.T

    @property
    def slope(self) -> Tensor:
        """R_uo R_oo^-1 B_o, (hidden, coordinates)."""
        return self.by_basis if self.across is None else self.across @ self.by_basis


class Rest(ABC):
    """The covariance R of what the basis B (size, coordinates) leaves, in float64 unless said otherwise.

    Attributes:
        basis: B.
        noise: the part of every variance that is noise; all of it where R is isotropic.
    """

    basis: Tensor
    noise: float

    @abstractmethod
    def observe(self, deviation: Tensor, mask: Tensor) -> Seen:
        """What is observed through a mask.

        Args:
            deviation: x - m, (vectors, size), zero where hidden.
            mask: (size,) bool, True where observed.
        """

    @abstractmethod
    def weights(self, mask: Tensor) -> Tensor:
        """R_oo^-1 B_o, (observed, coordinates): `projection` is the observed values times this."""

    @abstractmethod
    def variance(self, mask: Tensor) -> Tensor:
        """Variances (hidden,) of t with its noise, given t at the observed values."""

    @abstractmethod
    def conditional(self, mask: Tensor) -> Tensor:
        """Covariance (hidden, hidden) of t without its noise, given t at the observed values."""

    @abstractmethod
    def draw(self, count: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Draws (count, size) of t without its noise, and of the noise."""


class IsotropicRest(Rest):
    """R = v I, as in probabilistic principal component analysis: for vectors of any size.

    Args:
        basis: B, (size, coordinates), orthonormal.
        variance: v.
        dtype: of all that is computed.
    """

    def __init__(self, basis: Tensor, variance: float, dtype: torch.dtype = torch.float64) -> None:
        self.basis, self.noise = basis.to(dtype), variance

    def observe(self, deviation: Tensor, mask: Tensor) -> Seen:
        """As `Rest.observe`."""
        rows, r = self.basis[mask], deviation[:, mask]
        hidden = len(mask) - len(rows)
        return Seen(
            gram=rows.T @ rows / self.noise,
            projection=r @ rows / self.noise,
            square=r.square().sum(1) / self.noise,
            log_det=len(rows) * rows.new_tensor(self.noise).log(),
            across=None,
            by_deviation=r.new_zeros(len(r), hidden),
            by_basis=rows.new_zeros(hidden, rows.shape[1]),
        )

    def weights(self, mask: Tensor) -> Tensor:
        """As `Rest.weights`."""
        return self.basis[mask] / self.noise

    def variance(self, mask: Tensor) -> Tensor:
        """As `Rest.variance`."""
        return self.basis.new_full((int((~mask).sum()),), self.noise)

    def conditional(self, mask: Tensor) -> Tensor:
        """As `Rest.conditional`: all of it is noise."""
        hidden = int((~mask).sum())
        return self.basis.new_zeros(hidden, hidden)

    def draw(self, count: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """As `Rest.draw`: all of it is noise."""
        shape = (count, len(self.basis))
        noise = standard_normal(shape, generator, self.basis)
        return torch.zeros_like(noise), noise * self.noise**0.5


class DenseRest(Rest):
    """Any R, as a matrix (size, size).

    Args:
        basis: B, (size, coordinates).
        covariance: R, positive definite.
        noise: the part of every variance on R's diagonal that is noise.
        dtype: of all that is computed.
    """

    def __init__(self, basis: Tensor, covariance: Tensor, noise: float, dtype: torch.dtype = torch.float64) -> None:
        self.basis, self.covariance, self.noise = basis.to(dtype), covariance.to(dtype), noise
        self._inverse: Any = None

    @classmethod
    def beside(cls, basis: Tensor, covariance: Tensor, noise: float, dtype: torch.dtype = torch.float64) -> DenseRest:
        """What orthonormal coordinates leave of a covariance (size, size) without noise: that of (I - B B^T) x."""
        basis = basis.double()
        spread = covariance.double() @ basis
        # (I - B B^T) C (I - B B^T), whatever the rounding of B.
        across = spread @ basis.T
        left = covariance - across - across.T + basis @ (basis.T @ spread) @ basis.T
        left = (left + left.T) / 2
        left.diagonal().add_(noise)
        return cls(basis, left, noise, dtype)

    def _precision(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Q, Q B, B^T Q B and log det R, computed when first needed."""
        if self._inverse is None:
            factor = torch.linalg.cholesky(self.covariance)
            q = torch.cholesky_inverse(factor)
            qb = q @ self.basis
            self._inverse = q, qb, self.basis.T @ qb, 2 * factor.diagonal().log().sum()
        found: tuple[Tensor, Tensor, Tensor, Tensor] = self._inverse
        return found

    def observe(self, deviation: Tensor, mask: Tensor) -> Seen:
        """As `Rest.observe`."""
        seen, hidden = mask.nonzero().squeeze(1), (~mask).nonzero().squeeze(1)
        form = self._from_covariance if len(seen) <= len(hidden) else self._from_precision
        return form(deviation, seen, hidden)

    def weights(self, mask: Tensor) -> Tensor:
        """As `Rest.weights`."""
        seen, hidden = mask.nonzero().squeeze(1), (~mask).nonzero().squeeze(1)
        if len(seen) <= len(hidden):
            factor = torch.linalg.cholesky(_block(self.covariance, seen, seen))
            found: Tensor = torch.cholesky_solve(self.basis[seen], factor)
            return found
        q, qb, _, _ = self._precision()
        rows, block = self.basis[hidden], _block(q, hidden, hidden)
        # Q_oo B_o and Q_uo B_o are those of the whole basis without what its hidden rows add.
        solved = torch.cholesky_solve(qb[hidden] - block @ rows, torch.linalg.cholesky(block))
        return (qb - q.index_select(1, hidden) @ (rows + solved))[seen]

    def _from_covariance(self, deviation: Tensor, seen: Tensor, hidden: Tensor) -> Seen:
        rows, r = self.basis[seen], deviation[:, seen]
        observed = self.covariance.index_select(0, seen)
        factor = torch.linalg.cholesky(observed.index_select(1, seen))
        solved = torch.cholesky_solve(torch.cat([rows, r.T], dim=1), factor)
        by_rows, by_r = solved[:, : rows.shape[1]], solved[:, rows.shape[1] :]
        return Seen(
            gram=rows.T @ by_rows,
            projection=r @ by_rows,
            square=(r * by_r.T).sum(1),
            log_det=2 * factor.diagonal().log().sum(),
            across=observed.index_select(1, hidden).T,
            by_deviation=by_r.T,
            by_basis=by_rows,
        )

    def _from_precision(self, deviation: Tensor, seen: Tensor, hidden: Tensor) -> Seen:
        q, qb, bqb, log_det = self._precision()
        rows, block = self.basis[hidden], _block(q, hidden, hidden)
        factor = torch.linalg.cholesky(block)
        qr = deviation @ q
        # Q_uo B_o and Q_uo r; B and r without their hidden rows differ from the whole by what those rows would add.
        slope, pull = qb[hidden] - block @ rows, qr[:, hidden]
        by_slope, by_pull = torch.cholesky_solve(slope, factor), torch.cholesky_solve(pull.T, factor)
        cross = rows.T @ qb[hidden]
        return Seen(
            gram=bqb - cross - cross.T + rows.T @ block @ rows - slope.T @ by_slope,
            projection=deviation @ qb - pull @ rows - pull @ by_slope,
            square=(deviation * qr).sum(1) - (pull * by_pull.T).sum(1),
            log_det=log_det + 2 * factor.diagonal().log().sum(),
            across=None,
            by_deviation=-by_pull.T,
            by_basis=-by_slope,
        )

    def variance(self, mask: Tensor) -> Tensor:
        """As `Rest.variance`."""
        seen, hidden = mask.nonzero().squeeze(1), (~mask).nonzero().squeeze(1)
        if len(seen) <= len(hidden):
            factor = torch.linalg.cholesky(_block(self.covariance, seen, seen))
            white = torch.linalg.solve_triangular(factor, _block(self.covariance, seen, hidden), upper=False)
            left: Tensor = self.covariance.diagonal()[hidden] - white.square().sum(0)
            return left
        factor = torch.linalg.cholesky(_block(self._precision()[0], hidden, hidden))
        variances: Tensor = torch.cholesky_inverse(factor).diagonal()
        return variances

    def conditional(self, mask: Tensor) -> Tensor:
        """As `Rest.conditional`."""
        seen, hidden = mask.nonzero().squeeze(1), (~mask).nonzero().squeeze(1)
        if len(seen) <= len(hidden):
            factor = torch.linalg.cholesky(_block(self.covariance, seen, seen))
            white = torch.linalg.solve_triangular(factor, _block(self.covariance, seen, hidden), upper=False)
            found: Tensor = _block(self.covariance, hidden, hidden) - white.T @ white
        else:
            block = _block(self._precision()[0], hidden, hidden)
            found = torch.cholesky_inverse(torch.linalg.cholesky(block))
        found.diagonal().sub_(self.noise)
        return found

    def draw(self, count: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """As `Rest.draw`."""
        # A share of the noise stays with the rest, which need not have full rank without it: a thousandth or, where
        # that is less than the rounding of statistics in float32, more.
        for share in (1e-3, 1e-2, 0.1):
            noise = self.noise * (1 - share)
            clean = self.covariance.clone()
            clean.diagonal().sub_(noise)
            factor, fault = torch.linalg.cholesky_ex(clean)
            if not fault:
                break
        else:
            noise, factor = 0.0, torch.linalg.cholesky(self.covariance)
        shape = (count, len(self.basis))
        white, added = (standard_normal(shape, generator, factor) for _ in range(2))
        return white @ factor.T, added * noise**0.5


def _block(matrix: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    # Rows first: they are contiguous, and a single gather of scattered entries is several times slower.
    return matrix.index_select(0, rows).index_select(1, columns)


def standard_normal(shape: tuple[int, ...], generator: torch.Generator | None, like: Tensor) -> Tensor:
    """Independent standard normal numbers of the dtype and device of `like`, drawn where the generator lies."""
    device = like.device if generator is None else generator.device
    return torch.randn(shape, generator=generator, dtype=like.dtype, device=device).to(like.device)
