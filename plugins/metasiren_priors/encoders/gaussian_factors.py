"""Large images as a Gaussian of few factors, where a matrix of pixels by pixels would not fit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from metasiren_priors.encoders.gaussian import Gaussian, Stream
from metasiren_priors.mixture.rest import standard_normal


class FactorGaussian(Gaussian):
    """A Gaussian of large images: `rank` principal directions, and equal variance in all the others.

    This is probabilistic PCA (Tipping and Bishop 1999): x = m + W c + noise. Given c the values are independent,
    so that the expected c needs one rank x rank system and no matrix of pixels by pixels.

    Attributes:
        mean: (size,).
        basis: (size, rank), orthonormal.
        variances: (rank,), falling; the noise is subtracted when c is estimated.
        noise: the variance of every value in all other directions.
    """

    basis: Tensor
    variances: Tensor
    noise: Tensor

    def __init__(self, size: int, ridge: float = 1e-4, rank: int = 512) -> None:
        nn.Module.__init__(self)
        self.size, self.ridge, self.rank = size, 4 * ridge, min(rank, size)
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("basis", torch.zeros(size, self.rank))
        self.register_buffer("variances", torch.zeros(self.rank))
        self.register_buffer("noise", torch.tensor(self.ridge))

    @property
    def directions(self) -> int:
        """The rank."""
        return self.rank

    def fit(self, stream: Stream, passes: int = 4) -> None:
        """Mean, then subspace iteration: `passes` + 1 passes over the data."""
        count, total, square = 0, torch.zeros(self.size, dtype=torch.float64, device=self.mean.device), 0.0
        for chunk in stream():
            x = chunk.to(total)
            count, total, square = count + len(x), total + x.sum(0), square + float(x.square().sum())
        mean, degrees = total / count, max(count - 1, 1)
        generator = torch.Generator().manual_seed(0)
        width = min(self.size, self.rank + 32)
        start = torch.randn(self.size, width, generator=generator, dtype=torch.float64).to(total.device)
        basis, product = torch.linalg.qr(start)[0], start
        for _ in range(passes):
            product = torch.zeros_like(start)
            for chunk in stream():
                x = chunk.to(total) - mean
                product.addmm_(x.T, x @ basis)
            small = basis.T @ product / degrees
            previous, basis = basis, torch.linalg.qr(product)[0]
        variances, turn = torch.linalg.eigh((small + small.T) / 2)
        variances = variances.flip(0)[: self.rank].clamp_min(0)
        left = (square - count * float(mean.square().sum())) / degrees - float(variances.sum())
        self.mean.copy_(mean)
        self.basis.copy_((previous @ turn.flip(1))[:, : self.rank])
        self.noise.fill_(self.ridge + max(left, 0.0) / max(self.size - self.rank, 1))
        self.variances.copy_(variances + self.ridge)

    def principal(self, count: int) -> tuple[Tensor, Tensor]:
        """As `Gaussian.principal`, of at most `rank` directions."""
        return self.basis.double()[:, :count], self.variances.double()[:count].clamp_min(self.ridge)

    def draw(self, count: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """As `Gaussian.draw`; the variance of all other directions counts as noise."""
        noise = self.noise.double()
        spread = self.basis.double() * (self.variances.double() - noise).clamp_min(1e-6 * noise).sqrt()
        clean = standard_normal((count, self.rank), generator, spread) @ spread.T
        return self.mean.double() + clean, standard_normal((count, self.size), generator, spread) * noise.sqrt()

    def _expected(self, deviation: Tensor, known: Tensor) -> Tensor:
        """As `Gaussian._expected`."""
        deviation = torch.where(known, deviation, 0.0)
        basis, noise = self.basis.double(), self.noise.double()
        # Directions that vary no more than the noise cannot be distinguished from it.
        damping = (noise / (self.variances.double() - noise).clamp_min(1e-6 * noise)).diag()
        projected = deviation @ basis
        if bool((known == known[:1]).all()):
            rows = basis[known[0]]
            expected = torch.cholesky_solve(projected.T, torch.linalg.cholesky(rows.T @ rows + damping)).T
        else:
            grams = torch.stack([basis[one].T @ basis[one] for one in known]) + damping
            expected = torch.cholesky_solve(projected.unsqueeze(2), torch.linalg.cholesky(grams)).squeeze(2)
        return expected @ basis.T


DENSE_LIMIT = 8192
"""Largest size (pixels times channels) whose full covariance is kept: 537 MB in float64 while it is factorised."""


def gaussian_of(size: int, ridge: float = 1e-4, directions: int | None = None) -> Gaussian:
    """A Gaussian of `directions` factors; where left out, a full one up to `DENSE_LIMIT` values, and 512 beyond."""
    if directions is None and size <= DENSE_LIMIT:
        return Gaussian(size, ridge)
    return FactorGaussian(size, ridge, directions or 512)
