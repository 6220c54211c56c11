"""Sines that are plane waves: each solves the wave equation in a medium of one speed, and so does every sum of them.

A first layer over (t, x) computes sin(ω (w₀ t + w·x + b)), whose second derivatives are -ω² w₀² and -ω² |w|² times
itself. With w₀ = ±c |w|, u_tt = c² Δu holds whatever the output layer. The start and the borders are fitted.
Functions that solve the equation and are fitted to its conditions are the method of Trefftz (1926, "Ein Gegenstück zum
Ritzschen Verfahren", Proc. 2nd Int. Congress of Applied Mechanics). For plane waves in time and space see Moiola and
Perugia (2018, "A space-time Trefftz discontinuous Galerkin method for the acoustic wave equation in first-order
formulation", Numerische Mathematik 138).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import isfinite, pi, sqrt

import torch
from torch import Tensor

from metasiren import Distribution, Layer, RecipeError, Sine, Uniform
from metasiren_physics.convex_pieces import PIECES


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


@dataclass(frozen=True)
class Cones:
    """Rows with the phase and the `Cone` of one piece in its block (1, t, space), and zeros in the other blocks.

    All pieces have the same largest frequency: |k| goes up to 1 where waves are slowest, and to slowest / c elsewhere.
    The number of rows of a piece is proportional to 1/c, because shorter waves need more.

    Args:
        speeds: c in each piece.
        space: number of coordinates of space.
        omega: the layer's factor; phases are uniform in ±π / omega.
    """

    speeds: Sequence[float]
    space: int
    omega: float

    @property
    def std(self) -> float:
        """Standard deviation of all entries."""
        d, least = self.space, min(self.speeds)
        squares = [(pi / self.omega) ** 2 / 3 + (1 + c**2) * (least / c) ** 2 * d / (d + 2) for c in self.speeds]
        mean = sum(part * square for part, square in zip(self._shares, squares, strict=True))
        return sqrt(mean / (len(self.speeds) * (d + 2)))

    def fill(self, parameter: Tensor, generator: torch.Generator | None = None) -> None:
        """See `metasiren.Distribution.fill`; the number of inputs is `space` + 2 for each piece."""
        parameter.zero_()
        ends = [round(part * parameter.shape[-2]) for part in accumulate(self._shares, initial=0.0)]
        for piece, (begin, end) in enumerate(pairwise(ends)):
            at, c = piece * (self.space + 2), self.speeds[piece]
            block = parameter[..., begin:end, at : at + self.space + 2]
            block[..., :1].uniform_(-pi / self.omega, pi / self.omega, generator=generator)
            Cone(c, self.space).fill(block[..., 1:], generator)
            block[..., 1:] *= min(self.speeds) / c

    @property
    def _shares(self) -> list[float]:
        """How much of the rows each piece has; their sum is 1."""
        return [1 / c / sum(1 / other for other in self.speeds) for c in self.speeds]


class PlaneWaves(Sine):
    """sin(z), with a first layer of plane waves: coordinate 0 is the time, the others are space.

    `first_omega` is the largest wavenumber, up to which wave vectors are uniform in a disc (ball). Phases are uniform.
    Other layers start as those of a SIREN. The waves solve the equation as long as there is no hidden layer
    (`hidden_layers: 0`), no input layer other than `convex_pieces`, and the first layer stays as it was drawn
    (`least_squares`).

    Args:
        speed: c, one for the whole medium; or a list of five, one for each piece of the input layer `convex_pieces`.
            Then `first_omega` is the largest wavenumber where waves are slowest; pieces have the same frequencies.

    Raises:
        RecipeError: a speed that is not positive; inputs that are not time and space, for one speed, or five blocks
            of them, for a list.
    """

    def __init__(self, *, speed: float | tuple[float, ...] = 1.0) -> None:
        every = [speed] if isinstance(speed, (int, float)) else list(speed)
        if not every or not all(c > 0 and isfinite(c) for c in every):
            advice = "Give a positive number, or a list of them."
            raise RecipeError("siren: nonlinearity: plane_waves: speed", f"{speed}.", advice)
        self.speed = speed

    def initial_weights(self, layer: Layer, hidden_omega: float) -> Distribution:
        """Wave vectors on the cone |w₀| = c |w| in the first layer."""
        if not layer.first:
            return super().initial_weights(layer, hidden_omega)
        if isinstance(self.speed, (int, float)):
            if layer.in_features < 2:
                found = "its input is one number, the time."
                raise RecipeError("siren: nonlinearity: plane_waves", found, "Give coordinates of time and space.")
            if layer.in_features > 4:
                found = f"{self.speed} for {layer.in_features} inputs, which are not time and space."
                advice = "With the input layer convex_pieces, give a list of five speeds."
                raise RecipeError("siren: nonlinearity: plane_waves: speed", found, advice)
            return Cone(self.speed, layer.in_features - 1)
        each, rest = divmod(layer.in_features, PIECES)
        if len(self.speed) != PIECES or rest or each not in (4, 5):
            found = f"{len(self.speed)} speeds for {layer.in_features} inputs."
            advice = "A list has five speeds, for the blocks (1, t, space) of the input layer convex_pieces."
            raise RecipeError("siren: nonlinearity: plane_waves: speed", found, advice)
        return Cones(self.speed, each - 2, layer.omega)

    def initial_biases(self, layer: Layer) -> Distribution:
        """All phases in the first layer; none in pieces, whose blocks have them."""
        if not layer.first:
            return super().initial_biases(layer)
        return Uniform(pi / layer.omega if isinstance(self.speed, (int, float)) else 0.0)
