"""The matrices of a step of waveform inversion: the equation, the receivers, and what the medium is made of."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from metasiren import Problem, RecipeError, feature_jet
from metasiren_physics.constraints.helmholtz import Helmholtz, as_complex
from metasiren_physics.constraints.inversion import Receivers, SlownessSlope
from metasiren_physics.uniform_equation import Equation, output_layer, waves_table

WHERE = "train.optimizer: waveform_inversion"


@dataclass(frozen=True)
class Task:
    """A step's matrices; those over points are weighted so that their squares add up to the loss.

    Attributes:
        weight: the output layer's matrix, a parameter.
        bias: its bias, a parameter.
        medium: v (medium features + 1,).
        contrast: that of two speeds (1,), zero until the second is introduced; (0,) for a field without this channel.
        free: indices of the points (free,) where m is sought; of these only are the next six.
        values: H (free, features + 1).
        media: the medium's features (free, medium features + 1).
        media_slopes: their derivatives (2, free, medium features + 1).
        stiffness: weighted k² c (free,), complex.
        slopes: the constraint on the medium's slopes, where there is one.
        limits: the least and the greatest m.
        equation: what the equation in the uniform medium is made of.
        received: H at the receivers (receivers, features + 1).
        data: (receivers, sources), complex.
        trust: ρ.
    """

    weight: nn.Parameter
    bias: nn.Parameter
    medium: Tensor
    contrast: Tensor
    free: Tensor
    values: Tensor
    media: Tensor
    media_slopes: Tensor
    stiffness: Tensor
    slopes: Slopes | None
    limits: tuple[Tensor, Tensor]
    equation: Equation
    received: Tensor
    data: Tensor
    trust: float

    @property
    def two_speeds(self) -> bool:
        """Whether the field has a channel for the contrast of two speeds."""
        return len(self.contrast) == 1

    @classmethod
    def of(cls, problem: Problem, medium_features: int) -> Task:
        """The matrices at the model's present parameters.

        Raises:
            RecipeError: a decoder other than `free`, constraints that are no inversion, or channels that do not fit.
        """
        wave, receivers, slope = constraints(problem)
        siren, params, weight, bias = output_layer(problem, WHERE)
        batch = problem.batch.cast(torch.float64)
        inside, at = batch.points["interior"], batch.points["receivers"]
        first_medium = 2 * inside.targets["source"].shape[2]
        if siren.out_features - first_medium not in (1, 2):
            found = f"{siren.out_features} channels for {first_medium // 2} sources."
            raise RecipeError(
                WHERE, found, "Use data: fwi, whose fields have two for each, and one or two for the medium."
            )
        table = torch.cat([weight.double(), bias.double().unsqueeze(1)], 1)
        area = inside.targets["weight"][0, :, 0]
        equation = Equation.of(siren, params, inside, weight=wave.weight, scale=wave.scale)
        free = (inside.coords[0].abs() <= wave.bound).all(-1).nonzero()[:, 0]
        jet = feature_jet(siren, params, inside.coords[:, free], "gradient")
        assert jet.gradient is not None
        values = torch.nn.functional.pad(jet.value[0], (0, 1), value=1.0)
        slopes = torch.nn.functional.pad(jet.gradient[0].movedim(-1, 0), (0, 1))
        received = torch.nn.functional.pad(feature_jet(siren, params, at.coords, "value").value[0], (0, 1), value=1.0)
        chosen = torch.zeros(table.shape[1], dtype=torch.bool, device=table.device)
        chosen[: min(medium_features, siren.hidden_features)] = True
        chosen[-1] = True
        least, most = inside.targets["range"].flatten()
        return cls(
            weight, bias, table[first_medium, chosen], table[first_medium + 1 :, -1], free, values,
            values[:, chosen], slopes[:, :, chosen], (equation.operator[:, -1] * equation.root)[free],
            None if slope is None else Slopes.of(slope, area[free] / len(area), inside.coords[0, free]),
            (least, most), equation, received, as_complex(at.values[0].view(len(received), -1, 2)),
            receivers.weight / receivers.scale**2 / len(received),
        )  # fmt: skip

    def write(self, waves: Tensor, medium: Tensor, contrast: Tensor) -> None:
        """Set the output layer to waves (features + 1, sources), complex, and to a medium."""
        table = waves_table(waves, len(self.weight))
        first_medium = 2 * waves.shape[1]
        table[first_medium, : len(medium) - 1], table[first_medium, -1] = medium[:-1], medium[-1]
        table[first_medium + 1 :, -1] = contrast
        self.weight.copy_(table[:, :-1])
        self.bias.copy_(table[:, -1])


@dataclass(frozen=True)
class Slopes:
    """The constraint `slowness_slope` as a function of the slopes of m (2, points).

    Attributes:
        each: the weight of each point (points,).
        constraint: with its scale, norm and sharpness.
    """

    each: Tensor
    constraint: SlownessSlope

    @classmethod
    def of(cls, slope: tuple[float, SlownessSlope], area: Tensor, coords: Tensor) -> Slopes:
        """From a weight and the constraint, the area of each point (points,), and coordinates (points, 2)."""
        weight, constraint = slope
        return cls(weight * area * constraint.counts(coords)[:, 0], constraint)

    def value(self, slopes: Tensor) -> Tensor:
        """The weighted loss."""
        scaled = slopes / self.constraint.scale
        if self.constraint.norm == "tv":
            return (self.each * (self.constraint.steepness(scaled.mT)[:, 0] - self.constraint.sharpness)).sum()
        return (self.each * scaled.square()).sum()

    def linearised(self, slopes: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Half the curvature (n, n), that of reweighted squares, and half the derivative (n,).

        Args:
            slopes: of m, (2, points).
            rows: their derivatives, (2, points, n).
        """
        scaled, rows = slopes / self.constraint.scale, rows / self.constraint.scale
        each = self.each
        if self.constraint.norm == "tv":
            each = each / (2 * self.constraint.steepness(scaled.mT)[:, 0])
        weighted = rows * each.unsqueeze(1)
        quadratic = weighted[0].mT @ rows[0] + weighted[1].mT @ rows[1]
        return quadratic, weighted[0].mT @ scaled[0] + weighted[1].mT @ scaled[1]


@dataclass(frozen=True)
class EquationTerm:
    """What the constraint `helmholtz` gives: its weight, its scale, and where m is sought."""

    weight: float
    scale: float
    bound: float


@dataclass(frozen=True)
class DataTerm:
    """What the constraint `receivers` gives: its weight and its scale."""

    weight: float
    scale: float


def constraints(problem: Problem) -> tuple[EquationTerm, DataTerm, tuple[float, SlownessSlope] | None]:
    """The active constraints of an inversion.

    Raises:
        RecipeError: others, or one that is missing.
    """
    equation, data, slope = None, None, None
    for each in problem.constraints:
        c = each.constraint
        if isinstance(c, Helmholtz) and c.norm == "l2" and c.free_slowness and c.at == "interior":
            equation = EquationTerm(each.weight, c.scale, c.bound)
        elif isinstance(c, Receivers) and c.norm == "l2" and c.at == "receivers":
            data = DataTerm(each.weight, c.scale)
        elif isinstance(c, SlownessSlope) and c.norm != "l1" and c.at == "interior":
            slope = each.weight, c
        else:
            found = f"{each.name} is not a constraint that it can use."
            advice = "It takes helmholtz (l2, free_slowness: true), receivers (l2) and slowness_slope (l2 or tv)."
            raise RecipeError(WHERE, found, advice)
    if equation is None or data is None:
        found = "there is no helmholtz with free_slowness, or no receivers, among the active constraints."
        raise RecipeError(WHERE, found, "Give both.")
    return equation, data, slope
