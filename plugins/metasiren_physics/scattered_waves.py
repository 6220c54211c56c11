"""A wave in a known medium that jumps, in the output layer: what the medium changes is a source of further waves.

Where the medium jumps, so do the second derivatives of the wave, and smooth features cannot follow. Least squares of
the equation's own residual, |(A + K) w - f|², reduce the residual there at the cost of the wave everywhere else. Here A
is the equation in the uniform medium, H are the features, and K = k² c (m - 1) H is what the medium adds; the residual
is tested with A alone:

    Aᴴ ((A + K) w - f) = 0,    that is    w = A⁺ f - A⁺ K w,

the equation of Lippmann and Schwinger with the features' own Green's operator A⁺.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite

import torch
from torch import Tensor, nn

from metasiren import BatchOptimizer, Problem, RecipeError
from metasiren_physics.constraints.helmholtz import Helmholtz
from metasiren_physics.uniform_equation import Equation, not_finite, output_layer, waves_table

WHERE = "train.optimizer: scattered_waves"


class ScatteredWaves(BatchOptimizer):
    """The output layer's solution on a step's points; hidden layers stay as drawn.

    One step is enough; another one solves anew on its own points. All is computed in float64.

    Args:
        parameters: all parameters of the model, whose decoder is `free`.
        lr: which share of the way to the solution a step goes; 1 is all of it.
        ridge: added to the diagonal of AᴴA, relative to its mean.

    Raises:
        RecipeError: an option outside its range.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], *, lr: float = 1.0, ridge: float = 1e-14) -> None:
        for option, value, fits, advice in (
            ("lr", lr, 0 < lr <= 1, "1 is a full step."),
            ("ridge", ridge, ridge > 0 and isfinite(ridge), "Give a positive number such as 1e-14."),
        ):
            if not fits:
                raise RecipeError(f"{WHERE}: {option}", f"{value} does not fit.", advice)
        super().__init__(parameters, {"lr": lr})
        self.ridge = ridge

    @torch.no_grad()
    def step_on(self, problem: Problem) -> dict[str, Tensor]:
        """Solve; returns the losses before.

        Raises:
            RecipeError: a decoder other than `free`, other constraints than `helmholtz` in a known medium, or channels
                that do not fit.
            TrainingError: the equations are not finite.
        """
        scattered = Scattered.of(problem)
        losses = {name: value.detach() for name, value in problem.losses().items()}
        waves = scattered.waves(self.ridge)
        table = waves_table(waves, 2 * waves.shape[1])
        *_, weight, bias = output_layer(problem, WHERE)
        share = self.param_groups[0]["lr"]
        weight.lerp_(table[:, :-1].to(weight), share)
        bias.lerp_(table[:, -1].to(bias), share)
        return losses


@dataclass(frozen=True)
class Scattered:
    """The equation in the uniform medium, and what the medium changes.

    Attributes:
        equation: in the uniform medium.
        contrast: m - 1 at its points (points,).
    """

    equation: Equation
    contrast: Tensor

    @classmethod
    def of(cls, problem: Problem) -> Scattered:
        """Of a step's problem.

        Raises:
            RecipeError: as `ScatteredWaves.step_on`.
        """
        first, *others = problem.constraints
        c = first.constraint
        if others or not isinstance(c, Helmholtz) or c.norm != "l2" or c.free_slowness:
            found = f"the constraints are {', '.join(each.name for each in problem.constraints)}."
            advice = "It takes one helmholtz (l2), whose medium is known."
            raise RecipeError(WHERE, found, advice)
        siren, params, *_ = output_layer(problem, WHERE)
        points = problem.batch.cast(torch.float64).points[c.at]
        if siren.out_features != 2 * points.targets["source"].shape[2]:
            found = f"{siren.out_features} channels for {points.targets['source'].shape[2]} sources."
            raise RecipeError(WHERE, found, "Use data: helmholtz, whose fields have two.")
        equation = Equation.of(siren, params, points, weight=first.weight, scale=c.scale)
        return cls(equation, points.targets["slowness"][0, :, 0] - 1)

    def waves(self, ridge: float) -> Tensor:
        """The weights w (features + 1, sources) of the waves, complex.

        Raises:
            TrainingError: the equations are not finite.
        """
        rows = self.equation.rows()
        system, right = rows.mH @ rows, rows.mH @ self.equation.source
        system.diagonal().add_(ridge * system.diagonal().real.mean())
        sent = self.contrast.nonzero()[:, 0]
        if len(sent):
            factor = (self.equation.operator[:, -1] * self.equation.root * self.contrast)[sent]
            tested = rows[sent].mH * factor
            values = self.equation.values(sent)
            system += torch.complex(tested.real @ values, tested.imag @ values)
        if not bool(torch.isfinite(system).all()):
            raise not_finite(WHERE)
        waves: Tensor = torch.linalg.solve(system, right)
        return waves
