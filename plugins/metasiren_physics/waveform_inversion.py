"""Waveform inversion in the output layer: waves that solve the equation, and Gauss-Newton for the medium.

With random hidden layers, waves u = H w and the medium's level y = H v are linear in the output layer. Let A be the
equation at the points in the uniform medium, whose least-squares solution w0 = A⁺ f is the wave there. A contrast
χ = m - 1 acts as a source -k² c χ u beside f, so that

    w = w0 - A⁺ [k² c χ H w],    that is    (1 + A⁺ k² c χ H) w = w0.

A⁺ is the features' own Green's operator; A is factored once. Where m jumps, so do second derivatives of u, which no
smooth features have: to make the residual of the equation itself small there would spoil the wave everywhere else. A⁺
maps residuals to waves first, where they are small. A step linearises the waves at the receivers about the
present medium and minimises, with the damping of Levenberg and Marquardt,

    ρ |P w - d|² + the slope constraint + medium_ridge |v|².

This is the source-type form of the scattering equation (Lippmann and Schwinger; van den Berg and Kleinman 1997, "A
contrast source inversion method", Inverse Problems 13) with the waves eliminated.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn

from metasiren import BatchOptimizer, Problem, RecipeError, damped_cholesky
from metasiren_physics.inversion_task import WHERE, Task
from metasiren_physics.inverted_medium import Medium
from metasiren_physics.uniform_equation import Equation, not_finite, output_layer

Factors = tuple[Tensor, Tensor]
"""An LU factorisation as torch has it: the factors, and the pivots."""
NO_CONTRAST = 1e-4
"""Points of a smaller contrast, relative to the greatest, send no wave, if the medium has two speeds."""
LEAST, MOST = 1e-12, 1e6
"""The damping is between these."""


class WaveformInversion(BatchOptimizer):
    """Waves and medium of the data `fwi` by Gauss-Newton steps on the output layer; hidden layers stay as drawn.

    It takes the constraints `helmholtz` with `free_slowness`, `receivers`, and `slowness_slope` where there is one (the
    norms `l2`, and `tv` by reweighting). The first step starts from the uniform medium. The waves solve the equation in
    the least-squares sense of the features, whatever the weight of `helmholtz`; steps lower the sum of the other two.
    A step that does not lower it is damped more, then left out. All is computed in float64.

    Args:
        parameters: all parameters of the model, whose decoder is `free`.
        lr: factor on every step; 1 is a full step.
        medium_features: how many of the features make the medium; fewer are faster, and smoother on average.
        ridge: added to the diagonal of AᴴA, relative to its mean.
        medium_ridge: weight of the sum of the medium's squared weights.
        damping: the first step's, relative to the mean diagonal of the step's matrix.
        tries: how often a step is damped more before it is left out.
        smooth_steps: steps with any medium, before it is restricted to two speeds (`data: two_speeds`).

    Raises:
        RecipeError: an option outside its range.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        lr: float = 1.0,
        medium_features: int = 800,
        ridge: float = 1e-14,
        medium_ridge: float = 1e-8,
        damping: float = 1e-4,
        tries: int = 8,
        smooth_steps: int = 4,
    ) -> None:
        for option, value, fits, advice in (
            ("lr", lr, 0 < lr <= 1, "1 is a full step."),
            ("medium_features", medium_features, medium_features >= 1, "Give one or more."),
            ("ridge", ridge, ridge > 0 and isfinite(ridge), "Give a positive number such as 1e-14."),
            ("medium_ridge", medium_ridge, medium_ridge > 0, "Give a positive number such as 1e-8."),
            ("damping", damping, damping > 0, "Give a positive number such as 1e-4."),
            ("tries", tries, tries >= 1, "Give one or more."),
            ("smooth_steps", smooth_steps, smooth_steps >= 1, "Give one or more."),
        ):
            if not fits:
                raise RecipeError(f"{WHERE}: {option}", f"{value} does not fit.", advice)
        super().__init__(parameters, {"lr": lr, "taken": 0, "damping": damping})
        self.medium_features, self.tries = medium_features, tries
        self.ridge, self.medium_ridge, self.smooth_steps = ridge, medium_ridge, smooth_steps
        self._scattering: Scattering | None = None

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As torch has it; a state of the former optimiser of this name goes on from its medium."""
        started = self.param_groups[0]["damping"]
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            begun = group.pop("begun", False)
            group.setdefault("taken", int(begun))
            group.setdefault("damping", started)

    @torch.no_grad()
    def step_on(self, problem: Problem) -> dict[str, Tensor]:
        """One step; returns the losses before it (at the first step, those of the uniform medium).

        Raises:
            RecipeError: a decoder other than `free`, constraints that are no inversion, or channels that do not fit.
            TrainingError: the equations are not finite.
        """
        group = self.param_groups[0]
        if not group["taken"]:
            for parameter in output_layer(problem, WHERE)[2:]:
                parameter.zero_()
        task = Task.of(problem, self.medium_features)
        if self._scattering is None or not self._scattering.equation.same(task.equation):
            # The former one's memory is free before the new one is made.
            self._scattering = None
            self._scattering = Scattering.of(task, self.ridge)
        scattering = self._scattering
        medium = Medium(task.medium, task.contrast)
        if not group["taken"]:
            task.write(scattering.alone, medium.weights, medium.contrast)
        losses = {name: value.detach() for name, value in problem.losses().items()}
        if not bool(torch.isfinite(losses["loss"])):
            return losses
        if task.two_speeds and group["taken"] == self.smooth_steps:
            medium = medium.restricted(task)
        group["taken"] += 1
        self._advance(task, scattering, medium, group)
        return losses

    def _advance(self, task: Task, scattering: Scattering, medium: Medium, group: dict[str, float]) -> None:
        """Write the medium after a step, and its waves."""
        factors, waves, before = self._value(task, scattering, medium)
        matrix, target = self._linearised(task, scattering.response(factors), medium, waves)
        del factors
        scale = torch.eye(len(target)).to(matrix) * matrix.diagonal().mean()
        for _ in range(self.tries):
            change = group["lr"] * torch.linalg.solve(matrix + group["damping"] * scale, target)
            moved = medium.moved(change, task)
            _, reached, after = self._value(task, scattering, moved)
            if after < before:
                group["damping"] = max(group["damping"] / 4, LEAST)
                medium, waves = moved, reached
                break
            group["damping"] = min(group["damping"] * 5, MOST)
        task.write(waves, medium.weights, medium.contrast)

    def _value(self, task: Task, scattering: Scattering, medium: Medium) -> tuple[Factors, Tensor, float]:
        """The factored equation of a medium, its waves (features + 1, sources), and the sum that steps lower."""
        factors = scattering.factors(medium.squared_slowness(task) - 1)
        waves = scattering.waves(factors)
        missed = (scattering.received @ waves - task.data).abs().square().sum() * task.trust
        rough = task.slopes.value(medium.slopes(task)) if task.slopes else missed.new_zeros(())
        return factors, waves, float(missed + rough + self.medium_ridge * medium.weights.square().sum())

    def _linearised(self, task: Task, response: Tensor, medium: Medium, waves: Tensor) -> tuple[Tensor, Tensor]:
        """The matrix of a step in the medium's weights (and the contrast), and its right-hand side."""
        missed = task.received.to(waves) @ waves - task.data
        fields = task.values.to(waves) @ waves
        pushed = ((response.mH @ missed) * fields.conj()).real.sum(1)
        rows = medium.derivative(task, pushed)
        each = [response * u for u in fields.unbind(1)]
        jacobian = torch.cat([part for e in each for part in (e.real, e.imag)]) @ rows
        wrong = torch.cat([part for r in missed.unbind(1) for part in (r.real, r.imag)])
        ridge = torch.zeros(rows.shape[1]).to(rows)
        ridge[: len(medium.weights)] = self.medium_ridge
        matrix = task.trust * (jacobian.mT @ jacobian) + ridge.diag()
        target = -task.trust * (jacobian.mT @ wrong)
        target[: len(medium.weights)] -= self.medium_ridge * medium.weights
        if task.slopes:
            quadratic, slope = task.slopes.linearised(medium.slopes(task), medium.slope_derivatives(task))
            matrix, target = matrix + quadratic, target - slope
        return matrix, target


@dataclass(frozen=True)
class Scattering:
    """Waves of any medium by the features' Green's operator; see the module.

    Attributes:
        equation: of which it was made.
        values: H (points where m is free, features + 1).
        alone: w0 (features + 1, sources).
        green: A⁺ k² c (features + 1, points), real and imaginary part.
        received: H at the receivers (receivers, features + 1), complex.
    """

    equation: Equation
    values: Tensor
    alone: Tensor
    green: tuple[Tensor, Tensor]
    received: Tensor

    @classmethod
    def of(cls, task: Task, ridge: float) -> Scattering:
        """Factor A.

        Raises:
            TrainingError: it is not finite.
        """
        rows = task.equation.rows()
        found = damped_cholesky(rows.mH @ rows, ridge)
        if found is None:
            raise not_finite(WHERE)
        alone = torch.cholesky_solve(rows.mH @ task.equation.source, found[1])
        sent = (rows[task.free].conj() * task.stiffness.unsqueeze(1)).mT.contiguous()
        green = torch.cholesky_solve(sent, found[1])
        return cls(task.equation, task.values, alone, (green.real.contiguous(), green.imag.contiguous()),
                   task.received.to(green))  # fmt: skip

    def factors(self, contrast: Tensor) -> Factors:
        """1 + A⁺ k² c χ H of a contrast χ = m - 1 (points,), factored."""
        sent = (contrast.abs() > NO_CONTRAST * contrast.abs().max()).nonzero()[:, 0]
        values, chosen = self.values[sent], contrast[sent].unsqueeze(0)
        real, imag = ((part[:, sent] * chosen) @ values for part in self.green)
        factors: Factors = torch.linalg.lu_factor(torch.complex(real, imag) + torch.eye(len(real)).to(real))
        return factors

    def waves(self, factors: Factors) -> Tensor:
        """The weights w (features + 1, sources) of the waves."""
        waves: Tensor = torch.linalg.lu_solve(*factors, self.alone)
        return waves

    def response(self, factors: Factors) -> Tensor:
        """What a change of m at a point adds at each receiver for a wave of one there, (receivers, points)."""
        left = torch.linalg.lu_solve(*factors, self.received, left=False)
        response: Tensor = -(left @ torch.complex(*self.green))
        return response
