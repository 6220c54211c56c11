"""Eq. 6 of the SIREN paper: the loss of a signed distance to a surface.

L = int_Omega | |grad Phi| - 1 |  +  int_surface |Phi| + (1 - <grad Phi, n>)  +  int_off exp(-alpha |Phi|).

Each integral is a mean over a named set of points; its weight lives in the recipe.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cosine_similarity

from metasiren import Constraint, Prediction, RecipeError


class SdfZero(Constraint):
    """|Phi|, the mean over points that lie on the surface.

    Args:
        at: the point set.
    """

    at: str

    def __init__(self, *, at: str = "surface") -> None:
        self.at = at

    def __call__(self, prediction: Prediction) -> Tensor:
        """A scalar."""
        return prediction.jets[self.at].value.abs().mean()


class NormalAlignment(Constraint):
    """One minus the agreement of the gradient with the surface's normal.

    Args:
        at: the point set, with known normals.
        cosine: agreement is the angle's cosine, as in the authors' code; else the inner product, as in Eq. 6, which
            a steeper gradient raises beyond one until the eikonal term holds it.

    Raises:
        RecipeError: a point set without normals.
    """

    at: str
    order = "gradient"

    def __init__(self, *, at: str = "surface", cosine: bool = True) -> None:
        self.at, self.cosine = at, cosine

    def __call__(self, prediction: Prediction) -> Tensor:
        """A scalar."""
        known = prediction.batch.points[self.at].known
        if "normals" not in known:
            found = f"no normals are known there; known: {sorted(known)}."
            raise RecipeError(f"constraints: normal_alignment: at: {self.at}", found, "Name a set with normals.")
        return (1 - agreement(gradient(prediction, self.at), known["normals"], cosine=self.cosine)).mean()


class Eikonal(Constraint):
    """| |grad Phi| - 1 |, the mean over points anywhere: distances grow by one for each unit of length.

    Args:
        at: the point set; Eq. 6 asks for all of them, so that a recipe names this constraint once for each.
    """

    at: str
    order = "gradient"

    def __init__(self, *, at: str = "space") -> None:
        self.at = at

    def __call__(self, prediction: Prediction) -> Tensor:
        """A scalar."""
        residual: Tensor = (torch.linalg.vector_norm(gradient(prediction, self.at), dim=-1) - 1).abs()
        return residual.mean()


class Occupancy(Constraint):
    """Cross-entropy of the side of the surface: the field is the log odds of being outside.

    Mescheder et al. 2019, "Occupancy networks", CVPR, Eq. 3. The surface is the level 0 and values are positive
    outside, as for signed distances: meshes, pictures and `iou` take either.

    Args:
        at: the point set, whose points know `inside` (1 or 0).

    Raises:
        RecipeError: a point set without that.
    """

    at: str

    def __init__(self, *, at: str = "labelled") -> None:
        self.at = at

    def __call__(self, prediction: Prediction) -> Tensor:
        """A scalar, in nats."""
        targets = prediction.batch.points[self.at].targets
        if "inside" not in targets:
            found = f"these points have no target `inside`; they have {', '.join(targets) or 'none'}."
            advice = "Give data: labelled a number of points, and name that set."
            raise RecipeError(f"constraints: occupancy: at: {self.at}", found, advice)
        return binary_cross_entropy_with_logits(prediction.jets[self.at].value, 1 - targets["inside"])


class OffSurface(Constraint):
    """exp(-alpha |Phi|), the mean over points off the surface: the field may vanish nowhere else.

    Args:
        at: the point set.
        alpha: how close to zero counts, in one over coordinate units.
    """

    at: str

    def __init__(self, *, at: str = "space", alpha: float = 100.0) -> None:
        if alpha <= 0:
            raise RecipeError("constraints: off_surface: alpha", f"{alpha} is not positive.", "The paper has 100.")
        self.at, self.alpha = at, alpha

    def __call__(self, prediction: Prediction) -> Tensor:
        """A scalar."""
        return torch.exp(-self.alpha * prediction.jets[self.at].value.abs()).mean()


def gradient(prediction: Prediction, at: str) -> Tensor:
    """The gradient (batch, points, 3) of a scalar field at a point set."""
    found = prediction.jets[at].gradient
    assert found is not None
    return found[..., 0, :]


def agreement(gradient: Tensor, normals: Tensor, *, cosine: bool) -> Tensor:
    """The cosine of the angle between gradient and normal, or their inner product: (batch, points)."""
    found: Tensor = cosine_similarity(gradient, normals, dim=-1) if cosine else (gradient * normals).sum(-1)
    return found
