"""Images as one multivariate Gaussian: its statistics, and the conditional expectation of hidden pixels.

An image is a vector of pixels times channels (row-major, channels last), with values in [-1, 1] as everywhere in
this package. With mean m and covariance C = cov + ridge I, and pixels split into observed o and hidden u,

    E[x_u | x_o] = m_u + C_uo C_oo^-1 (x_o - m_o)            (covariance form: cheap where few pixels are seen)
                 = m_u - P_uu^-1 P_uo (x_o - m_o), P = C^-1  (precision form: cheap where few are hidden)

(Bishop 2006, "Pattern Recognition and Machine Learning", Eqs. 2.81 and 2.75.) Statistics are gathered in float64,
kept in float32 and factorised in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from einops import rearrange
from torch import Tensor, nn

from metasiren import Dataset
from metasiren_priors.data.imageset import ImageSet
from metasiren_priors.mixture.rest import standard_normal

Stream = Callable[[], Iterable[Tensor]]
"""Starts a pass over a training set: chunks (n, size) of vectors."""

MATRIX_BYTES = 256 * 2**20
"""Memory that one batch of matrices may take while it is factorised."""


def signals(dataset: Dataset, split: str, items: Tensor) -> Tensor:
    """Values (n, pixels, channels) in [-1, 1] of whole signals, without drawing a context where possible."""
    if isinstance(dataset, ImageSet):
        return dataset.values(split, items)
    return dataset.batch(split, items).points["pixels"].values


def training_vectors(
    dataset: Dataset,
    chunk: int = 1024,
    device: torch.device | str = "cpu",
    *,
    mirror: bool = False,
    items: Tensor | None = None,
) -> Stream:
    """The training split as a stream of chunks (n, pixels * channels); with `mirror`, every image both ways round.

    Args:
        dataset: its training split is read.
        chunk: the largest n.
        device: of the indices that the data set is asked for.
        mirror: yield each chunk mirrored along its last axis, too.
        items: indices of the signals that are read; all by default.
    """

    def stream() -> Iterator[Tensor]:
        chosen = torch.arange(dataset.splits["train"]) if items is None else items
        for part in torch.split(chosen, chunk):
            values = signals(dataset, "train", part.to(device))
            yield rearrange(values, "n p c -> n (p c)")
            if mirror:
                yield mirrored(dataset, values).flatten(1)

    return stream


def mirrored(dataset: Dataset, values: Tensor) -> Tensor:
    """Values (n, pixels, channels) of signals, mirrored along the last axis of their grid."""
    assert dataset.domain.grid is not None
    grid = dataset.domain.grid
    return values.view(len(values), *grid, -1).flip(len(grid)).view_as(values)


def solve_within(matrix: Tensor, chosen: Tensor, right: Tensor) -> Tensor:
    """Solve A[i, i] y[i] = b[i] for each item's own set of indices i; y is zero elsewhere.

    Args:
        matrix: A, symmetric positive definite (size, size).
        chosen: (batch, size) bool, the sets. Where all are equal, one factorisation serves the batch.
        right: b, (batch, size).

    Returns:
        y (batch, size).
    """
    solution = torch.zeros_like(right)
    if bool((chosen == chosen[:1]).all()):
        index = chosen[0].nonzero().squeeze(1) if len(chosen) else chosen.new_zeros(0, dtype=torch.long)
        if len(index):
            factor = torch.linalg.cholesky(matrix[index[:, None], index])
            solution[:, index] = torch.cholesky_solve(right[:, index].T, factor).T
        return solution
    counts = chosen.sum(1)
    order = counts.argsort()  # neighbours of similar size waste little padding
    sizes = counts[order].tolist()
    stop = len(sizes)
    while stop > 0 and sizes[stop - 1] > 0:
        most = sizes[stop - 1]
        start = max(0, stop - max(1, MATRIX_BYTES // (most**2 * matrix.element_size())))
        rows = order[start:stop]
        real, index = chosen[rows].int().sort(dim=1, descending=True, stable=True)
        real, index = real[:, :most].bool(), index[:, :most]
        # Padded rows and columns become those of the identity, which leaves the real block's solution alone.
        inside = real.unsqueeze(2) & real.unsqueeze(1)
        padded = torch.where(inside, matrix[index.unsqueeze(2), index.unsqueeze(1)], torch.eye(most).to(matrix))
        b = (right[rows].gather(1, index) * real).unsqueeze(2)
        y = torch.cholesky_solve(b, torch.linalg.cholesky(padded)).squeeze(2)
        solution[rows] = solution[rows].scatter_add(1, index, y * real)
        stop = start
    return solution


class Gaussian(nn.Module):
    """Mean and full covariance of vectors; memory grows as size squared (36 MB for 32x32 colour images).

    Args:
        size: pixels times channels.
        ridge: variance added to every value, in units of values in [0, 1] squared.

    Attributes:
        mean: (size,) in [-1, 1].
        covariance: (size, size), without the ridge; values in [-1, 1].
    """

    mean: Tensor
    covariance: Tensor

    def __init__(self, size: int, ridge: float = 1e-4) -> None:
        super().__init__()
        self.size, self.ridge = size, 4 * ridge  # the width of [-1, 1] is twice that of [0, 1]
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("covariance", torch.zeros(size, size))
        self._precision: Tensor | None = None
        self.register_load_state_dict_post_hook(lambda *_: self._forget())  # type: ignore[no-untyped-call]

    def _forget(self) -> None:
        self._precision = None

    @property
    def directions(self) -> int:
        """How many principal directions there are."""
        return self.size

    def fit(self, stream: Stream) -> None:
        """Mean and covariance in one pass."""
        total = torch.zeros(self.size, dtype=torch.float64, device=self.mean.device)
        squares = torch.zeros(self.size, self.size, dtype=torch.float64, device=self.mean.device)
        count = 0
        for chunk in stream():
            x = chunk.to(total)
            total += x.sum(0)
            squares.addmm_(x.T, x)
            count += len(x)
        mean = total / count
        self.mean.copy_(mean)
        self.covariance.copy_(squares.sub_(count * torch.outer(mean, mean)).div_(max(count - 1, 1)))
        self._forget()

    def principal(self, count: int) -> tuple[Tensor, Tensor]:
        """The `count` directions of greatest variance: (size, count) orthonormal, and variances (count,), falling."""
        variances, basis = torch.linalg.eigh(self._ridged())
        return basis.flip(1)[:, :count], variances.flip(0)[:count].clamp_min(self.ridge)

    def _ridged(self, ridge: float | None = None) -> Tensor:
        # A copy, in float64 too: the ridge is no part of the statistics.
        covariance = self.covariance.to(torch.float64, copy=True)
        covariance.diagonal().add_(self.ridge if ridge is None else ridge)
        return covariance

    def precision(self) -> Tensor:
        """The inverse of the ridged covariance, float64; computed when first needed."""
        if self._precision is None or self._precision.device != self.covariance.device:
            self._precision = torch.cholesky_inverse(torch.linalg.cholesky(self._ridged()))
        return self._precision

    def conditional_mean(self, values: Tensor, seen: Tensor) -> Tensor:
        """The conditional expectation of the whole image.

        Args:
            values: (batch, pixels, channels) in [-1, 1]; those of hidden pixels are not used.
            seen: (batch, pixels) bool.

        Returns:
            (batch, pixels, channels); observed pixels are returned as they are.
        """
        known = seen.unsqueeze(-1).expand_as(values).flatten(1)
        expected = self.mean.double() + self._expected(values.flatten(1).double() - self.mean.double(), known)
        return torch.where(known, values.flatten(1), expected.to(values.dtype)).view_as(values)

    def _expected(self, deviation: Tensor, known: Tensor) -> Tensor:
        """E[x - m | the known values of x - m], (batch, size) float64.

        Args:
            deviation: x - m, (batch, size) float64; hidden values are not used.
            known: (batch, size) bool.
        """
        deviation = torch.where(known, deviation, 0.0)
        few = known.sum(1) * 2 <= self.size
        expected = torch.empty_like(deviation)
        if bool(few.any()):
            covariance = self._ridged()
            expected[few] = solve_within(covariance, known[few], deviation[few]) @ covariance
        if not bool(few.all()):
            many, precision = ~few, self.precision()
            expected[many] = -solve_within(precision, ~known[many], deviation[many] @ precision)
        return expected

    def sample(self, values: Tensor, seen: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Whole images drawn given the observed pixels, without the noise of the ridge at the hidden ones.

        A draw x of the prior is corrected by the conditional expectations, x + E[. | values] - E[. | x at the
        observed pixels] (Matheron's rule; Doucet 2010, "A Note on Efficient Conditional Simulation of Gaussian
        Distributions").

        Args:
            values: (batch, pixels, channels) in [-1, 1]; those of hidden pixels are not used.
            seen: (batch, pixels) bool.
            generator: source of randomness.

        Returns:
            (batch, pixels, channels); observed pixels are returned as they are.
        """
        clean, noise = self.draw(len(values), generator)
        known, observed = seen.unsqueeze(-1).expand_as(values).flatten(1), values.flatten(1)
        # Both expectations at once: they are linear in what is observed.
        drawn = clean + self._expected(observed.double() - (clean + noise), known)
        return torch.where(known, observed, drawn.to(values.dtype)).view_as(values)

    def draw(self, count: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Images (count, size) of the prior without noise, and the noise, both float64."""
        # A part of the ridge stays with the images: their covariance alone need not have full rank.
        kept = 0.02 * self.ridge
        factor = torch.linalg.cholesky(self._ridged(kept))
        clean, noise = standard_normal((2, count, self.size), generator, factor)
        return self.mean.double() + clean @ factor.T, noise * (self.ridge - kept) ** 0.5
