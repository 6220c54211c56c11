"""Equations on a box, one class each. Coordinates are in the order of the data's axes: t first where there is one."""

from __future__ import annotations

import math

from torch import Tensor

from metasiren import Jet, Points, Residual
from metasiren_physics.constraints.wave import Norm


class Burgers(Residual):
    """The viscous Burgers equation u_t + u u_x = ν u_xx, in (t, x).

    Args:
        viscosity: ν; 0.01/π is the usual test (Raissi et al. 2019, section 2).
        at: the point set.
        norm: `l2`, the mean square, which suits gauss_newton; or `l1`, the mean absolute value.
        scale: what residuals are divided by.

    Raises:
        RecipeError: a scale that is not above 0.
    """

    order = "hessian_diagonal"
    title = "burgers"

    def __init__(
        self, *, viscosity: float = 0.01 / math.pi, at: str = "interior", norm: Norm = "l2", scale: float = 1.0
    ) -> None:
        super().__init__(at=at, norm=norm, scale=scale)
        self.viscosity = viscosity

    def residual(self, jet: Jet, points: Points) -> Tensor:
        """u_t + u u_x - ν u_xx."""
        u_t, u_x = self.first(jet)
        _, u_xx = self.second(jet)
        return u_t + jet.value * u_x - self.viscosity * u_xx


class AllenCahn(Residual):
    """The Allen-Cahn equation u_t = κ u_xx + 5 (u - u³), in (t, x).

    Args:
        diffusivity: κ; 1e-4 is the usual test (Raissi et al. 2019, section 3.2).
        rate: of the reaction, 5 in that test.
        at: the point set.
        norm: `l2`, the mean square, which suits gauss_newton; or `l1`, the mean absolute value.
        scale: what residuals are divided by.

    Raises:
        RecipeError: a scale that is not above 0.
    """

    order = "hessian_diagonal"
    title = "allen_cahn"

    def __init__(
        self,
        *,
        diffusivity: float = 1e-4,
        rate: float = 5.0,
        at: str = "interior",
        norm: Norm = "l2",
        scale: float = 1.0,
    ) -> None:
        super().__init__(at=at, norm=norm, scale=scale)
        self.diffusivity, self.rate = diffusivity, rate

    def residual(self, jet: Jet, points: Points) -> Tensor:
        """u_t - κ u_xx - 5 (u - u³)."""
        u, (u_t, _), (_, u_xx) = jet.value, self.first(jet), self.second(jet)
        return u_t - self.diffusivity * u_xx - self.rate * (u - u**3)


class Poisson(Residual):
    """The Poisson equation -Δu = f in any dimension; f is the target `source` of the points, or else zero.

    Args:
        at: the point set.
        norm: `l2`, the mean square, which suits gauss_newton; or `l1`, the mean absolute value.
        scale: what residuals are divided by.

    Raises:
        RecipeError: a scale that is not above 0.
    """

    order = "laplacian"
    title = "poisson"

    def residual(self, jet: Jet, points: Points) -> Tensor:
        """-Δu - f."""
        assert jet.laplacian is not None
        return -jet.laplacian - points.targets["source"] if "source" in points.targets else -jet.laplacian
