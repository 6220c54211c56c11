"""Exact least squares for the output layer of a network whose other layers stay as they were drawn.

Where residuals are affine in the field (fits, linear differential equations with their conditions), they are affine in
the output layer's weights theta, r = A theta - b, and the best theta solves a linear system. Random hidden layers with
a solved output layer are known as random features (Rahimi and Recht 2008), extreme learning machines (Huang et al.
2006) and, for differential equations, as the random feature method (Chen, Chi, E and Yang 2022, "Bridging Traditional
and Machine Learning-based Algorithms for Solving PDEs: The Random Feature Method", arXiv 2207.13380).
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite

import torch
from torch import Tensor, nn

from metasiren import BatchOptimizer, Problem, RecipeError, TrainingError
from metasiren_basics.damped_steps import damped_solutions
from metasiren_basics.linearised import output_rows
from metasiren_basics.residual_blocks import field_and_blocks, free_weights

NAME = "least_squares"


class LeastSquares(BatchOptimizer):
    """Solves for the output layer; the layers before it are left as they are.

    Each step adds its batch to the normal equations A^T A theta = A^T b and solves them, so that a few steps of some
    thousand points are equal to one step on all points, in less memory. It suits a wide network with few layers:
    the cost of a step grows with the width squared, that of a solution with its cube. All is computed in float64.

    Args:
        parameters: all parameters of the model, whose decoder is `free`.
        lr: factor on the change to the solution; 1 takes the solution.
        ridge: added to the diagonal, relative to its mean; small features need it small.
        memory: how much of the equations of earlier steps is kept, from 0 (this batch alone) to 1 (all).

    Raises:
        RecipeError: an option outside its range.
    """

    output_alone = True

    def __init__(
        self, parameters: Iterable[nn.Parameter], *, lr: float = 1.0, ridge: float = 1e-14, memory: float = 1.0
    ) -> None:
        for option, value, fits, advice in (
            ("lr", lr, 0 < lr <= 1, "1 takes the solution."),
            ("ridge", ridge, ridge > 0 and isfinite(ridge), "Give a positive number such as 1e-14."),
            ("memory", memory, 0 <= memory <= 1, "0 forgets earlier batches, 1 forgets nothing."),
        ):
            if not fits:
                raise RecipeError(f"train.optimizer: {NAME}: {option}", f"{value} does not fit.", advice)
        super().__init__(parameters, {"lr": lr})
        self.ridge, self.memory = ridge, memory

    @torch.no_grad()
    def step_on(self, problem: Problem) -> dict[str, Tensor]:
        """One step; returns the losses before it.

        Raises:
            RecipeError: a decoder other than `free`, a constraint that is no sum of squares, or residuals that are not
                affine in the field.
        """
        weights = free_weights(problem, NAME)
        losses = {name: value.detach() for name, value in problem.losses().items()}
        if not bool(torch.isfinite(losses["loss"])):
            return losses
        field, blocks = field_and_blocks(problem, torch.float64, NAME)
        residual, matrix = output_rows(field.siren, field.params, blocks)
        last = field.siren.layers[-1]
        weight, bias = weights[last.weight], weights[last.bias]
        theta = torch.cat([weight.double(), bias.double().unsqueeze(-1)], -1).flatten()
        gram, moment = self._equations(weight, matrix, matrix.mT @ (matrix @ theta - residual))
        step = self.param_groups[0]["lr"] * (self._solution(gram, moment) - theta)
        table = (theta + step).view(len(weight), -1)
        weight.copy_(table[:, :-1])
        bias.copy_(table[:, -1])
        self._check(problem, losses, float((residual + matrix @ step).square().sum()))
        return losses

    def drop_state(self) -> bool:
        """Drop the normal equations, a matrix of the size of the output layer squared; true where there were any."""
        had = any(self.state.values())
        self.state.clear()
        return had

    def _equations(self, at: nn.Parameter, matrix: Tensor, moment: Tensor) -> tuple[Tensor, Tensor]:
        state = self.state[at]
        gram = matrix.mT @ matrix
        if self.memory:
            if "gram" in state:
                gram.add_(state["gram"].to(gram), alpha=self.memory)
                moment = moment.add(state["moment"].to(moment), alpha=self.memory)
            state["gram"], state["moment"] = gram, moment
        return gram, moment

    def _solution(self, gram: Tensor, moment: Tensor) -> Tensor:
        if bool(torch.isfinite(gram).all()):
            for _, solution in damped_solutions(gram, moment, [self.ridge]):
                return solution
        found = "its equations are not finite."
        raise TrainingError(
            f"train.optimizer: {NAME}", found, "Check the data and the weights for numbers that are not finite."
        )

    def _check(self, problem: Problem, before: dict[str, Tensor], expected: float) -> None:
        reached, start = float(problem.losses()["loss"]), float(before["loss"])
        if abs(reached - expected) > 0.1 * max(expected, 1e-6 * start):
            found = f"the loss is {reached:.4g} where {expected:.4g} was expected of a linear problem."
            advice = (
                "The residuals must be affine in the field, with all of its channels solved for, and weights in double "
                "precision (`train.dtype: float64`). For others take gauss_newton."
            )
            raise RecipeError(f"train.optimizer: {NAME}", found, advice)
