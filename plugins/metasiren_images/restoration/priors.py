"""Priors on a field, evaluated at points between the pixels: Eq. 21 and 22 of the SIREN supplement.

They use the derivatives of each channel separately. The authors' code sums the channels first, and fails on pictures
in colour.
"""

from __future__ import annotations

import torch
from torch import Tensor

from metasiren import Constraint, Prediction


class TotalVariation(Constraint):
    """Mean size of the field's gradient: a prior for pictures of even patches. Eq. 21 of the SIREN supplement.

    Args:
        at: the point set.
        anisotropic: the mean of the absolute partial derivatives instead of the gradient's norm, as the authors' code
            has it (half of their sum): it prefers edges along rows and columns.
    """

    order = "gradient"

    def __init__(self, *, at: str = "free", anisotropic: bool = False) -> None:
        self.at, self.anisotropic = at, anisotropic

    def __call__(self, prediction: Prediction) -> Tensor:
        """A scalar, the mean over batch, points and channels."""
        assert self.at is not None
        gradient = prediction.jets[self.at].gradient
        assert gradient is not None
        if self.anisotropic:
            return gradient.abs().mean()
        norms: Tensor = torch.linalg.vector_norm(gradient, dim=-1)
        return norms.mean()


class HessianFrobenius(Constraint):
    """Mean Frobenius norm of the field's Hessian: a prior for pictures of even slopes. Eq. 22 of the SIREN supplement.

    Args:
        at: the point set.
    """

    order = "hessian"

    def __init__(self, *, at: str = "free") -> None:
        self.at = at

    def __call__(self, prediction: Prediction) -> Tensor:
        """A scalar, the mean over batch, points and channels."""
        assert self.at is not None
        hessian = prediction.jets[self.at].hessian
        assert hessian is not None
        norms: Tensor = torch.linalg.vector_norm(hessian, dim=(-2, -1))
        return norms.mean()
