"""Factors of Gram matrices that rounding may have made indefinite."""

from __future__ import annotations

from math import inf

import torch
from torch import Tensor


def damped_cholesky(gram: Tensor, damping: float) -> tuple[float, Tensor] | None:
    """The factor L of G + λ m I = L Lᴴ, m being the mean of G's diagonal; λ grows tenfold until there is one.

    Args:
        gram: G (rows, rows), real and symmetric or complex and Hermitian.
        damping: the least λ, positive.

    Returns:
        the λ that was used and L, lower triangular; None where no λ helps, as with entries that are not finite.
    """
    diagonal = gram.diagonal().real
    mean = diagonal.mean().clamp(min=torch.finfo(diagonal.dtype).tiny)
    while damping < inf:
        damped = gram.clone()
        damped.diagonal().add_(damping * mean)
        factor, failed = torch.linalg.cholesky_ex(damped)
        if not bool(failed):
            return damping, factor
        damping *= 10
    return None
