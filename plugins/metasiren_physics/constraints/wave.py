"""The wave equation, supplement Eq. 15 with the second derivatives that it means, and conditions at start and border.

    u_tt - c² (u_xx + u_yy) = 0,    or, divided by c²,    m u_tt - (u_xx + u_yy) = 0 with m = 1/c².

Coordinates are (t, x, y). Each is a mean over its point set, of squares (`l2`) or of absolute values (`l1`).
"""

from __future__ import annotations

import copy
from typing import Literal, Self

from torch import Tensor

from metasiren import Dataset, Jet, Points, Residual, SecondSums
from metasiren.nn.derivatives import Order

Norm = Literal["l1", "l2"]


U_TT, LAPLACIAN = (1.0, 0.0, 0.0), (0.0, 1.0, 1.0)


class WaveEquation(Residual):
    """The residual of the wave equation.

    Args:
        at: the point set.
        form: `speed` is u_tt - c² Δu, `slowness` is u_tt / c² - Δu.
        norm: `l2`, the mean square, which suits gauss_newton; or `l1`, the mean absolute value, as in the paper.
        scale: what residuals are divided by. A pulse of height P and width σ has second derivatives of P/σ²; over a
            time T, a residual r moves the wave by about r T σ.

    Raises:
        RecipeError: a scale that is not positive.
    """

    order: Order = SecondSums((U_TT, LAPLACIAN))
    title = "wave_equation"

    def __init__(
        self,
        *,
        at: str = "interior",
        form: Literal["speed", "slowness"] = "speed",
        norm: Norm = "l2",
        scale: float = 1.0,
    ) -> None:
        super().__init__(at=at, norm=norm, scale=scale)
        self.form = form

    def for_data(self, dataset: Dataset) -> Self:
        """With one sum of derivatives where the data's metadata `speed` is a constant c."""
        speed = dataset.metadata.get("speed")
        if not isinstance(speed, int | float):
            return self
        c2 = float(speed) ** 2
        uniform = copy.copy(self)
        uniform.order = SecondSums(((1.0, -c2, -c2) if self.form == "speed" else (1 / c2, -1.0, -1.0),))
        return uniform

    def residual(self, jet: Jet, points: Points) -> Tensor:
        """u_tt - Δu/m (`speed`) or m u_tt - Δu (`slowness`)."""
        u_tt, *rest = self.sums(jet)
        if not rest:
            return u_tt  # the one sum of a uniform medium, which is the residual
        (laplacian,) = rest
        slowness = self.target(points, "slowness")
        return u_tt - laplacian / slowness if self.form == "speed" else slowness * u_tt - laplacian


class InitialResidual(Residual):
    """A residual at the point set `initial`, unless another is named.

    Args:
        at: the point set.
        norm: `l2`, the mean square, which suits gauss_newton; or `l1`, the mean absolute value.
        scale: what residuals are divided by.

    Raises:
        RecipeError: a scale that is not positive.
    """

    def __init__(self, *, at: str = "initial", norm: Norm = "l2", scale: float = 1.0) -> None:
        super().__init__(at=at, norm=norm, scale=scale)


class BoundaryResidual(Residual):
    """A residual at the point set `boundary`, unless another is named.

    Args:
        at: the point set.
        norm: `l2`, the mean square, which suits gauss_newton; or `l1`, the mean absolute value.
        scale: what residuals are divided by.

    Raises:
        RecipeError: a scale that is not positive.
    """

    def __init__(self, *, at: str = "boundary", norm: Norm = "l2", scale: float = 1.0) -> None:
        super().__init__(at=at, norm=norm, scale=scale)


class InitialValue(InitialResidual):
    """The wave minus its initial value, at t = 0.

    Args:
        at: the point set.
        norm: `l2`, the mean square, which suits gauss_newton; or `l1`, the mean absolute value, as in the paper.
        scale: what differences are divided by, such as the start's height.

    Raises:
        RecipeError: a scale that is not positive.
    """

    title = "initial_value"

    def residual(self, jet: Jet, points: Points) -> Tensor:
        """The difference u - f."""
        return jet.value - self.target(points, "values")


class InitialVelocity(InitialResidual):
    """u_t at t = 0, which vanishes for a wave that starts at rest.

    Args:
        at: the point set.
        norm: `l2`, the mean square, which suits gauss_newton; or `l1`, the mean absolute value, as in the paper.
        scale: what velocities are divided by: a pulse of height P and width σ has P c/σ.

    Raises:
        RecipeError: a scale that is not positive.
    """

    order = "gradient"
    title = "initial_velocity"

    def residual(self, jet: Jet, points: Points) -> Tensor:
        """The rate u_t."""
        assert jet.gradient is not None
        return jet.gradient[..., 0]


class Dirichlet(BoundaryResidual):
    """u on the border, which a fixed border holds at zero.

    Args:
        at: the point set.
        norm: `l2`, the mean square, which suits gauss_newton; or `l1`, the mean absolute value.
        scale: what values are divided by.

    Raises:
        RecipeError: a scale that is not positive.
    """

    title = "dirichlet"

    def residual(self, jet: Jet, points: Points) -> Tensor:
        """The value u."""
        return jet.value


class Neumann(BoundaryResidual):
    """The slope of u across the border, which a free border holds at zero.

    Args:
        at: the point set.
        norm: `l2`, the mean square, which suits gauss_newton; or `l1`, the mean absolute value.
        scale: what slopes are divided by.

    Raises:
        RecipeError: a scale that is not positive.
    """

    order = "gradient"
    title = "neumann"

    def residual(self, jet: Jet, points: Points) -> Tensor:
        """∂u/∂n, the normals being those of space."""
        return across(self, jet, points)


class InterfaceResidual(Residual):
    """A difference of the field across an edge of the medium, at the pairs of points of `interface`.

    Where c jumps, u and ∂u/∂n are continuous (of u_tt = c² Δu, with c² in front), and ∂²u/∂n² is not.

    Args:
        at: the point set: first all points inside, then the same just outside.
        norm: `l2`, the mean square, which suits gauss_newton; or `l1`, the mean absolute value.
        scale: what differences are divided by.

    Raises:
        RecipeError: a scale that is not positive.
    """

    pairs = True

    def __init__(self, *, at: str = "interface", norm: Norm = "l2", scale: float = 1.0) -> None:
        super().__init__(at=at, norm=norm, scale=scale)

    def jump(self, found: Tensor, points: Points) -> Tensor:
        """Values inside minus values outside, (batch, pairs, channels).

        Raises:
            RecipeError: points without `sides`, which are no pairs.
        """
        self.target(points, "sides")
        inside, outside = found.chunk(2, 1)
        return inside - outside


class ContinuousValue(InterfaceResidual):
    """The value inside minus the value outside.

    Args:
        at: the point set: first all points inside, then the same just outside.
        norm: `l2`, the mean square, which suits gauss_newton; or `l1`, the mean absolute value.
        scale: what differences are divided by.

    Raises:
        RecipeError: a scale that is not positive.
    """

    title = "continuous_value"

    def residual(self, jet: Jet, points: Points) -> Tensor:
        """The difference (batch, pairs, channels) of u."""
        return self.jump(jet.value, points)


class ContinuousSlope(InterfaceResidual):
    """The slope along the normal inside minus the one outside.

    Args:
        at: the point set, with `normals`: first all points inside, then the same just outside.
        norm: `l2`, the mean square, which suits gauss_newton; or `l1`, the mean absolute value.
        scale: what slopes are divided by.

    Raises:
        RecipeError: a scale that is not positive.
    """

    order = "gradient"
    title = "continuous_slope"

    def residual(self, jet: Jet, points: Points) -> Tensor:
        """The difference (batch, pairs, channels) of ∂u/∂n."""
        return self.jump(across(self, jet, points), points)


def across(constraint: Residual, jet: Jet, points: Points) -> Tensor:
    """∂u/∂n (batch, points, channels); normals of fewer components than coordinates belong to the last ones, space."""
    assert jet.gradient is not None
    normals = constraint.target(points, "normals").unsqueeze(-2)
    return (jet.gradient[..., -normals.shape[-1] :] * normals).sum(-1)
