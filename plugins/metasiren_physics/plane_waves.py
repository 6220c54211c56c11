"""Sines that are plane waves: each solves the wave equation in a medium of one speed, and so does every sum of them.

A first layer over (t, x) computes sin(ω (w₀ t + w·x + b)), whose second derivatives are -ω² w₀² and -ω² |w|² times
itself. With w₀ = ±c |w|, u_tt = c² Δu holds whatever the output layer. The start and the borders are fitted.
Functions that solve the equation and are fitted to its conditions are the method of Trefftz (1926, "Ein Gegenstück zum
Ritzschen Verfahren", Proc. 2nd Int. Congress of Applied Mechanics). For plane waves in time and space see Moiola and
Perugia (2018, "A space-time Trefftz discontinuous Galerkin method for the acoustic wave equation in first-order
formulation", Numerische Mathematik 138).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, pi, sqrt

import torch
from torch import Tensor

from metasiren import Distribution, Layer, RecipeError, Sine, Uniform


@dataclass(frozen=True)
class Cone:
    """Rows (±c |k|, k), k uniform in the unit ball of space, the signs equally likely.

    Args:
        speed: c.
        space: number of coordinates of space.
    """

    speed: float
    space: int

    @property
    def std(self) -> float:
        """Standard deviation of all entries: |k|² has the mean d / (d + 2)."""
        d = self.space
        return sqrt((1 + self.speed**2) * d / (d + 2) / (d + 1))

    def fill(self, parameter: Tensor, generator: torch.Generator | None = None) -> None:
        """See `metasiren.Distribution.fill`; the number of inputs is `space` + 1."""
        k = torch.empty_like(parameter[..., 1:]).normal_(generator=generator)
        size = torch.empty_like(parameter[..., :1]).uniform_(generator=generator) ** (1 / self.space)
        later = torch.empty_like(size).uniform_(generator=generator) < 0.5
        parameter[..., 1:] = k / k.norm(dim=-1, keepdim=True) * size
        parameter[..., :1] = self.speed * torch.where(later, size, -size)


class PlaneWaves(Sine):
    """sin(z), with a first layer of plane waves: coordinate 0 is the time, the others are space.

    `first_omega` is the largest wavenumber, up to which wave vectors are uniform in a disc (ball). Phases are uniform.
    Other layers start as those of a SIREN. The waves solve the equation as long as there is no hidden layer
    (`hidden_layers: 0`), no input layer, and the first layer stays as it was drawn (`least_squares`).

    Args:
        speed: c, one for the whole medium.

    Raises:
        RecipeError: a speed that is not positive, or a network whose only coordinate is the time.
    """

    def __init__(self, *, speed: float = 1.0) -> None:
        if not (speed > 0 and isfinite(speed)):
            raise RecipeError("siren: nonlinearity: plane_waves: speed", f"{speed}.", "Give a positive number.")
        self.speed = speed

    def initial_weights(self, layer: Layer, hidden_omega: float) -> Distribution:
        """Wave vectors on the cone |w₀| = c |w| in the first layer."""
        if not layer.first:
            return super().initial_weights(layer, hidden_omega)
        if layer.in_features < 2:
            found = "its input is one number, the time."
            raise RecipeError("siren: nonlinearity: plane_waves", found, "Give coordinates of time and space.")
        return Cone(self.speed, layer.in_features - 1)

    def initial_biases(self, layer: Layer) -> Distribution:
        """All phases in the first layer."""
        return Uniform(pi / layer.omega) if layer.first else super().initial_biases(layer)
