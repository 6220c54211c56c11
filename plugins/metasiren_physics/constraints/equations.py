"""Equations on a box, one class each. Coordinates are in the order of the data's axes: t first where there is one."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from metasiren import Jet, Points, RecipeError, Residual, UpTo
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


class Kdv(Residual):
    """The Korteweg-de Vries equation u_t + u u_x + δ² u_xxx = 0, in (t, x).

    Args:
        dispersion: δ; 0.022 is that of Zabusky and Kruskal (1965).
        at: the point set.
        norm: `l2`, the mean square, which suits gauss_newton; or `l1`, the mean absolute value.
        scale: what residuals are divided by.

    Raises:
        RecipeError: a scale that is not above 0.
    """

    order = UpTo((1, 3))
    title = "kdv"

    def __init__(
        self, *, dispersion: float = 0.022, at: str = "interior", norm: Norm = "l2", scale: float = 1.0
    ) -> None:
        super().__init__(at=at, norm=norm, scale=scale)
        self.dispersion = dispersion

    def residual(self, jet: Jet, points: Points) -> Tensor:
        """u_t + u u_x + δ² u_xxx."""
        (u_t, u_x), (_, u_xxx) = self.first(jet), self.third(jet)
        return u_t + jet.value * u_x + self.dispersion**2 * u_xxx


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


class Heat(Residual):
    """The heat equation u_t = κ u_xx in (t, x), with κ given or unknown.

    Args:
        diffusivity: κ; left out, it is the field's second channel, to be found from readings of the first.
        at: the point set.
        norm: `l2`, the mean square, which suits gauss_newton; or `l1`, the mean absolute value.
        scale: what residuals are divided by.

    Raises:
        RecipeError: a scale that is not above 0; an unknown κ and a field of one channel.
    """

    order = "hessian_diagonal"
    title = "heat"

    def __init__(
        self, *, diffusivity: float | None = None, at: str = "interior", norm: Norm = "l2", scale: float = 1.0
    ) -> None:
        super().__init__(at=at, norm=norm, scale=scale)
        self.diffusivity = diffusivity

    def residual(self, jet: Jet, points: Points) -> Tensor:
        """u_t - κ u_xx."""
        u_t, _ = (d[..., :1] for d in self.first(jet))
        _, u_xx = (d[..., :1] for d in self.second(jet))
        if self.diffusivity is not None:
            return u_t - self.diffusivity * u_xx
        if jet.value.shape[-1] < 2:
            found = "diffusivity is left out, and the field has one channel."
            raise RecipeError("constraints: heat", found, "Give diffusivity, or data.channels: 2.")
        return u_t - jet.value[..., 1:2] * u_xx


class Constant(Residual):
    """A channel that is the same everywhere, such as an unknown coefficient: its gradient vanishes.

    Args:
        channel: counted from 0.
        at: the point set.
        norm: `l2`, the mean square, which suits gauss_newton; or `l1`, the mean absolute value.
        scale: what derivatives are divided by.

    Raises:
        RecipeError: a scale that is not above 0; a channel that the field does not have.
    """

    order = "gradient"
    title = "constant"

    def __init__(self, *, channel: int = 1, at: str = "interior", norm: Norm = "l2", scale: float = 1.0) -> None:
        super().__init__(at=at, norm=norm, scale=scale)
        self.channel = channel

    def residual(self, jet: Jet, points: Points) -> Tensor:
        """All first derivatives of the channel, one component for each axis."""
        channels = jet.value.shape[-1]
        if not 0 <= self.channel < channels:
            found = f"channel is {self.channel}; the field has {channels}, counted from 0."
            raise RecipeError("constraints: constant", found, "Give data.channels, or another channel.")
        return torch.stack([d[..., self.channel] for d in self.first(jet)], -1)
