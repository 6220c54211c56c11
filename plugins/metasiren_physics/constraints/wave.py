"""The wave equation, supplement Eq. 15 with the second derivatives that it means, and conditions at start and border.

    u_tt - c² (u_xx + u_yy) = 0,    or, divided by c²,    m u_tt - (u_xx + u_yy) = 0 with m = 1/c².

Coordinates are (t, x, y). Each is a mean over its point set, of squares (`l2`) or of absolute values (`l1`).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

import torch
from torch import Tensor

from metasiren import Constraint, Jet, Points, Prediction, RecipeError
from metasiren_physics.constraints.helmholtz import squares

Norm = Literal["l1", "l2"]


def wave_residual(jet: Jet, slowness: Tensor, form: str = "speed") -> Tensor:
    """u_tt - Δu/m (`speed`) or m u_tt - Δu (`slowness`), (batch, points, 1), of a jet in (t, x, y)."""
    assert jet.hessian_diagonal is not None
    u_tt, u_xx, u_yy = jet.hessian_diagonal.unbind(-1)
    laplacian = u_xx + u_yy
    return u_tt - laplacian / slowness if form == "speed" else slowness * u_tt - laplacian


class Condition(Constraint):
    """A quantity that must vanish at a point set.

    Args:
        at: the point set.
        norm: `l2`, the mean square, which suits gauss_newton; or `l1`, the mean absolute value, as in the paper.
        scale: what the quantity is divided by before.

    Raises:
        RecipeError: a scale that is not positive.
    """

    at: str
    norm: str
    called: ClassVar[str]

    def __init__(self, *, at: str, norm: Norm = "l2", scale: float = 1.0) -> None:
        if not scale > 0:
            raise RecipeError(f"constraints: {self.called}: scale", f"{scale}.", "Give a positive number.")
        self.at, self.norm, self.scale = at, norm, scale

    @abstractmethod
    def what(self, jet: Jet, points: Points) -> Tensor:
        """The quantity that must vanish, (batch, points, components)."""

    def _scaled(self, prediction: Prediction) -> Tensor:
        return self.what(prediction.jets[self.at], prediction.batch.points[self.at]) / self.scale

    def _weight(self, prediction: Prediction) -> Tensor:
        return prediction.batch.points[self.at].known.get("weight", torch.ones((), device=prediction.latent.device))

    def known(self, points: Points, name: str) -> Tensor:
        """A named target of a point set.

        Raises:
            RecipeError: the set has no such target.
        """
        if name not in points.targets:
            found = f"these points have no target {name!r}; they have {', '.join(points.targets) or 'none'}."
            raise RecipeError(f"constraints: {self.called}: at: {self.at}", found, "Name a point set that has it.")
        return points.targets[name]

    def __call__(self, prediction: Prediction) -> Tensor:
        """A scalar."""
        if self.norm == "l2":
            return squares(self.residuals(prediction))
        return (self._weight(prediction) * self._scaled(prediction).abs()).sum(-1).mean()

    def residuals(self, prediction: Prediction) -> Tensor | None:
        """(batch, points, components); None for `l1`."""
        return self._weight(prediction).sqrt() * self._scaled(prediction) if self.norm == "l2" else None


class WaveEquation(Condition):
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

    order = "hessian_diagonal"
    called = "wave_equation"

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

    def what(self, jet: Jet, points: Points) -> Tensor:
        """See `wave_residual`."""
        return wave_residual(jet, self.known(points, "slowness"), self.form)


class InitialValue(Condition):
    """The wave minus its initial value, at t = 0.

    Args:
        at: the point set.
        norm: `l2`, the mean square, which suits gauss_newton; or `l1`, the mean absolute value, as in the paper.
        scale: what differences are divided by, such as the start's height.

    Raises:
        RecipeError: a scale that is not positive.
    """

    called = "initial_value"

    def __init__(self, *, at: str = "initial", norm: Norm = "l2", scale: float = 1.0) -> None:
        super().__init__(at=at, norm=norm, scale=scale)

    def what(self, jet: Jet, points: Points) -> Tensor:
        """The difference u - f."""
        return jet.value - self.known(points, "values")


class InitialVelocity(Condition):
    """u_t at t = 0, which vanishes for a wave that starts at rest.

    Args:
        at: the point set.
        norm: `l2`, the mean square, which suits gauss_newton; or `l1`, the mean absolute value, as in the paper.
        scale: what velocities are divided by: a pulse of height P and width σ has P c/σ.

    Raises:
        RecipeError: a scale that is not positive.
    """

    order = "gradient"
    called = "initial_velocity"

    def __init__(self, *, at: str = "initial", norm: Norm = "l2", scale: float = 1.0) -> None:
        super().__init__(at=at, norm=norm, scale=scale)

    def what(self, jet: Jet, points: Points) -> Tensor:
        """The rate u_t."""
        assert jet.gradient is not None
        return jet.gradient[..., 0]


class Dirichlet(Condition):
    """u on the border, which a fixed border holds at zero.

    Args:
        at: the point set.
        norm: `l2`, the mean square, which suits gauss_newton; or `l1`, the mean absolute value.
        scale: what values are divided by.

    Raises:
        RecipeError: a scale that is not positive.
    """

    called = "dirichlet"

    def __init__(self, *, at: str = "boundary", norm: Norm = "l2", scale: float = 1.0) -> None:
        super().__init__(at=at, norm=norm, scale=scale)

    def what(self, jet: Jet, points: Points) -> Tensor:
        """The value u."""
        return jet.value


class Neumann(Condition):
    """The slope of u across the border, which a free border holds at zero.

    Args:
        at: the point set.
        norm: `l2`, the mean square, which suits gauss_newton; or `l1`, the mean absolute value.
        scale: what slopes are divided by.

    Raises:
        RecipeError: a scale that is not positive.
    """

    order = "gradient"
    called = "neumann"

    def __init__(self, *, at: str = "boundary", norm: Norm = "l2", scale: float = 1.0) -> None:
        super().__init__(at=at, norm=norm, scale=scale)

    def what(self, jet: Jet, points: Points) -> Tensor:
        """∂u/∂n, the normals being those of space."""
        assert jet.gradient is not None
        normals = self.known(points, "normals").unsqueeze(-2)
        return (jet.gradient[..., 1:] * normals).sum(-1)
