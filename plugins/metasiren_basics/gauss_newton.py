"""Gauss-Newton for losses that are sums of squares: Levenberg-Marquardt steps in dual form, on a fresh batch each.

With the batch's residuals r, scaled so that the loss is |r|^2, and their Jacobian J by all weights, a step is

    delta = mu p - J^T (J J^T + lambda m I)^-1 (r + mu J p),

m being the mean diagonal of J J^T and p the step before: the least change, measured from mu p, that fits the
linearised residuals. For mu = 0 that is the method of Levenberg (1944) and Marquardt (1963); p is the memory of
earlier batches (Goldshlager et al. 2024, "A Kaczmarz-inspired approach to accelerate the optimization of neural
network wavefunctions", arXiv 2401.10190). See `metasiren_basics.damped_steps` for which matrix is factored.

With the option `forget`, every step is compared with one without memory: with the same factored matrix, the most damped
step is also solved for mu = 0. As far as the residuals are linear, both lead to about the same loss. If the loss after
the step with memory is more than `forget` times that without, p is too long for the linearisation: the step without it
is taken, and memory begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import inf, isfinite
from typing import Literal

import torch
from torch import Tensor, nn

from metasiren import BatchOptimizer, Problem, RecipeError
from metasiren_basics.damped_steps import Solve, damped_steps
from metasiren_basics.dense_jacobian import DenseJacobian
from metasiren_basics.linearised import Direction, Linearised, capturable
from metasiren_basics.nystrom import nystrom_steps
from metasiren_basics.residual_blocks import field_and_blocks, free_weights

Losses = dict[str, Tensor]
MOST_DAMPING = 1e6
MOST_ITERATIONS = 200
"""Of conjugate gradients, in one solution of `nystrom`."""
NAME = "gauss_newton"
Step = tuple[float, float, Direction]
"""The lambda, length and direction of a step."""


class GaussNewton(BatchOptimizer):
    """Levenberg-Marquardt steps for the free weights of a single signal.

    Every active constraint must have `residuals`. The damping lambda is tried at `damping` times each of `trials`,
    and steps that do not lower the batch's loss are halved; the best trial is kept, its lambda is where the next
    step begins. Where nothing lowers the loss, the parameters stay and lambda grows.

    Args:
        parameters: all parameters of the model, whose decoder is `free`.
        lr: factor on every step; 1 is a full step, and the schedule multiplies it.
        damping: lambda at the start, relative to the mean diagonal of J J^T.
        trials: factors on the damping that each step tries.
        halvings: how often a step that does not lower the loss is halved.
        momentum: mu, from 0 to below 1: how much of the last step is repeated. Minibatches of fewer
            residuals than weights gain from 0.9 and more.
        forget: take the step without memory where the loss after the step with it is more than this number of times
            as large, from 1 on; each step then has one trial more, without memory, which is the one that is halved.
            Never by default.
        least_damping: where lambda stops shrinking.
        jacobian: `columns` never writes J but sums its layers' Gram matrices (see `metasiren_basics.linearised`);
            `rows` holds it; `auto` takes `rows` only where an input layer has weights of its own.
        solve: `dual` factors a matrix of the size of the batch, `primal` one of the number of weights; `auto` takes
            the smaller. All give the same step. `nystrom` factors neither, for thousands of residuals and as
            many weights: conjugate gradients with a randomised preconditioner
            (`metasiren_basics.nystrom`), whose step is as exact as `tolerance`.
        rank: of the preconditioner of `nystrom`.
        tolerance: of the linear system that `nystrom` solves, relative to its right-hand side.
        precision: of Jacobian and solve; `same` is that of the weights.

    Raises:
        RecipeError: an option outside its range.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        lr: float = 1.0,
        damping: float = 1e-2,
        trials: tuple[float, ...] = (0.2, 1.0, 5.0),
        halvings: int = 2,
        momentum: float = 0.0,
        forget: float | None = None,
        least_damping: float = 1e-12,
        jacobian: Literal["auto", "columns", "rows"] = "auto",
        solve: Solve | Literal["nystrom"] = "auto",
        rank: int = 100,
        tolerance: float = 1e-6,
        precision: Literal["float64", "same"] = "float64",
    ) -> None:
        for option, value, fits, advice in (
            ("lr", lr, lr > 0, "1 is a full step."),
            ("damping", damping, damping > 0 and isfinite(damping), "Give a positive number such as 0.01."),
            ("trials", trials, bool(trials) and all(t > 0 for t in trials), "Give positive factors, [1] for none."),
            ("halvings", halvings, halvings >= 0, "Give zero or more."),
            ("momentum", momentum, 0 <= momentum < 1, "Give a number from 0 to below 1."),
            ("forget", forget, forget is None or forget >= 1, "Give a number from 1 on, such as 1.5."),
            ("rank", rank, rank >= 1, "Give one or more; 100 is usual."),
            ("tolerance", tolerance, 0 < tolerance < 1, "Give a number such as 1e-6."),
            ("least_damping", least_damping, least_damping > 0, "Give a positive number such as 1e-12."),
        ):
            if not fits:
                raise RecipeError(f"train.optimizer: gauss_newton: {option}", f"{value} does not fit.", advice)
        super().__init__(parameters, {"lr": lr, "damping": float(damping)})
        if len(self.param_groups) > 1:
            found = f"{len(self.param_groups)} groups of parameters."
            raise RecipeError("train.optimizer: gauss_newton", found, "Give all parameters in one group.")
        self.trials, self.halvings, self.momentum = tuple(trials), halvings, momentum
        self.least_damping, self.jacobian, self.precision = least_damping, jacobian, precision
        self.forget = forget
        self.solve, self.rank, self.tolerance = solve, rank, tolerance

    @torch.no_grad()
    def step_on(self, problem: Problem) -> Losses:
        """One step; returns the losses before it.

        Raises:
            RecipeError: a decoder other than `free`, or a constraint that is no sum of squares.
        """
        weights = free_weights(problem, NAME)
        losses = {name: value.detach() for name, value in problem.losses().items()}
        linear = self._linearise(problem)
        before = {name: self.state[w].get("last") for name, w in weights.items()}
        last = {n: v.to(linear.residual) for n, v in before.items() if v is not None}
        group, start = self.param_groups[0], {name: w.clone() for name, w in weights.items()}
        steps, forgetting = self._trials(linear, last, problem.generator)

        def reached(tried: Sequence[Step]) -> list[Tensor]:
            found = []
            for _, length, direction in tried:
                _move(weights, start, direction, length)
                found.append(problem.losses()["loss"])
            return found

        # Numbers are read twice at most: those of whole steps together, then those of all that are halved.
        here, *whole = torch.stack([losses["loss"], *reached([*steps, *forgetting])]).tolist()
        if not isfinite(here):
            _back(weights, start)
            return losses
        kept = self._best_trial(here, steps, forgetting, whole, reached)
        if kept is None:
            # No trial lowers the loss: keep the parameters, raise the damping and halve the memory.
            group["damping"] = min(group["damping"] * max(*self.trials, 2.0), MOST_DAMPING)
            taken = {name: 0.5 * v for name, v in last.items()}
            _back(weights, start)
        else:
            _, (group["damping"], length, direction) = kept
            taken = {name: length * v for name, v in direction.items()}
            _move(weights, start, direction, length)
        if self.momentum:
            for name, v in taken.items():
                self.state[weights[name]]["last"] = v.to(weights[name].dtype)
        return losses

    def _trials(
        self, linear: Linearised | DenseJacobian, last: Direction, generator: torch.Generator | None
    ) -> tuple[list[Step], list[Step]]:
        """The steps to try, one for each damping; and with `forget` the most damped one without memory, in a list.

        Args:
            linear: the linearised residuals.
            last: the step before; empty at the first step.
            generator: source of random directions of `nystrom`.
        """
        group = self.param_groups[0]
        dampings = [max(group["damping"] * t, self.least_damping) for t in self.trials]
        remembers = bool(last and self.momentum)
        sides = [linear.residual + self.momentum * linear.push(last)] if remembers else []
        if not remembers or self.forget is not None:
            sides.append(linear.residual)
        steps: list[Step] = []
        forgetting: list[Step] = []
        for damping, directions in self._steps(linear, torch.stack(sides, 1), dampings, generator):
            direction = next(directions)
            if remembers:
                direction = {n: v.add(last[n], alpha=self.momentum) for n, v in direction.items()}
                if self.forget is not None and len(steps) + 1 == len(set(dampings)):
                    forgetting = [(damping, group["lr"], next(directions))]
            steps.append((damping, group["lr"], direction))
        return steps, forgetting

    def _best_trial(
        self,
        here: float,
        steps: list[Step],
        forgetting: list[Step],
        whole: list[float],
        reached: Callable[[Sequence[Step]], list[Tensor]],
    ) -> tuple[float, Step] | None:
        """The step to take and the loss after it; None where no trial lowers the loss.

        Args:
            here: the loss before the step.
            steps: see `_trials`.
            forgetting: see `_trials`.
            whole: the losses after all of these.
            reached: the losses after other steps.
        """
        whole, without = whole[: len(steps)], whole[len(steps) :]
        kept = _best(here, steps, whole)
        if forgetting and (kept is None or kept[0] > (self.forget or inf) * without[0]):
            kept = _best(here, forgetting, without) or kept
        halved = [
            (damping, length * 0.5**k, direction)
            for (damping, length, direction), value in zip(forgetting or steps, without or whole, strict=True)
            if not value < here
            for k in range(1, self.halvings + 1)
        ]
        if halved:
            lower = torch.stack(reached(halved)).tolist()
            kept = _best(here if kept is None else kept[0], *_first(halved, lower, here, self.halvings)) or kept
        return kept

    def _steps(
        self,
        linear: Linearised | DenseJacobian,
        targets: Tensor,
        dampings: list[float],
        generator: torch.Generator | None,
    ) -> Iterator[tuple[float, Iterator[Direction]]]:
        """For each lambda the steps of all right-hand sides (rows, sides) in turn."""
        if self.solve != "nystrom":
            return damped_steps(linear, targets, dampings, self.solve)
        return nystrom_steps(
            linear, targets, dampings, rank=self.rank, tolerance=self.tolerance, most=MOST_ITERATIONS,
            generator=generator,
        )  # fmt: skip

    def _linearise(self, problem: Problem) -> Linearised | DenseJacobian:
        dtype = torch.float64 if self.precision == "float64" else next(problem.model.parameters()).dtype
        field, blocks = field_and_blocks(problem, dtype, NAME)
        dense = self.jacobian == "rows" or (self.jacobian == "auto" and not capturable(field.siren))
        return (DenseJacobian if dense else Linearised)(field.siren, field.params, blocks)


def _best(below: float, steps: Sequence[Step], reached: Sequence[float]) -> tuple[float, Step] | None:
    """The least loss below a bound, with its step; the first of equals."""
    found = [(value, step) for value, step in zip(reached, steps, strict=True) if value < below]
    return min(found, key=lambda each: each[0]) if found else None


def _first(halved: Sequence[Step], reached: Sequence[float], here: float, each: int) -> tuple[list[Step], list[float]]:
    """Of each trial's `each` halvings the first that lowers the loss."""
    found: list[tuple[Step, float]] = []
    for start in range(0, len(halved), each):
        pairs = zip(halved[start : start + each], reached[start : start + each], strict=True)
        found += [pair for pair in pairs if pair[1] < here][:1]
    return [step for step, _ in found], [value for _, value in found]


def _back(weights: dict[str, nn.Parameter], start: Mapping[str, Tensor]) -> None:
    for name, w in weights.items():
        w.copy_(start[name])


def _move(weights: dict[str, nn.Parameter], start: Mapping[str, Tensor], direction: Direction, length: float) -> None:
    for name, w in weights.items():
        w.copy_(start[name] + (length * direction[name]).to(w.dtype))
