"""Conditions of any equation: what the field, or its derivative, equals at a point set."""

from __future__ import annotations

from torch import Tensor

from metasiren import Jet, Points
from metasiren_physics.constraints.wave import BoundaryResidual, across


class Prescribed(BoundaryResidual):
    """The field equals the target `values`: an initial value, a Dirichlet side, readings.

    Args:
        at: the point set.
        norm: `l2`, the mean square, which suits gauss_newton; or `l1`, the mean absolute value.
        scale: what differences are divided by.

    Raises:
        RecipeError: a scale that is not above 0; points without values.
    """

    title = "prescribed"

    def residual(self, jet: Jet, points: Points) -> Tensor:
        """The difference u - values; values may have fewer channels than the field, whose first ones are compared."""
        values = self.target(points, "values")
        return jet.value[..., : values.shape[-1]] - values


class PrescribedFlux(BoundaryResidual):
    """The derivative along the outward normal equals the target `flux`, or else zero: a Neumann side.

    Args:
        at: the point set, which must have `normals`.
        norm: `l2`, the mean square, which suits gauss_newton; or `l1`, the mean absolute value.
        scale: what differences are divided by.

    Raises:
        RecipeError: a scale that is not above 0; points without normals.
    """

    order = "gradient"
    title = "prescribed_flux"

    def residual(self, jet: Jet, points: Points) -> Tensor:
        """∂u/∂n - flux."""
        slope = across(self, jet, points)
        return slope - points.targets["flux"] if "flux" in points.targets else slope
