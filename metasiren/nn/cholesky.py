"""Factors of Gram matrices that rounding may have made indefinite."""

from __future__ import annotations

from math import inf

import torch
from torch import Tensor


def mean_diagonal(gram: Tensor) -> Tensor:
    """The mean of the diagonal of G (rows, rows), which is real: a positive scalar."""
    diagonal = gram.diagonal().real
    return diagonal.mean().clamp(min=torch.finfo(diagonal.dtype).tiny)


def damped(gram: Tensor, added: Tensor) -> Tensor:
    """A copy of G (rows, rows) with a scalar added to its diagonal."""
    found = gram.clone()
    found.diagonal().add_(added)
    return found


def damped_cholesky(gram: Tensor, damping: float) -> tuple[float, Tensor] | None:
    """The factor L of G + λ m I = L Lᴴ, m being the mean of G's diagonal; λ grows tenfold until there is one.

    Args:
        gram: G (rows, rows), real and symmetric or complex and Hermitian.
        damping: the least λ, positive.

    Returns:
        the λ that was used and L, lower triangular; None where no λ helps, as with entries that are not finite.
    """
    mean = mean_diagonal(gram)
    while damping < inf:
        factor, failed = torch.linalg.cholesky_ex(damped(gram, damping * mean))
        if not bool(failed):
            return damping, factor
        damping *= 10
    return None
