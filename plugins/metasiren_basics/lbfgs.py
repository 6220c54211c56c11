"""L-BFGS with the settings of the SIREN authors' code for physics-informed networks, batch by batch."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from metasiren import BatchOptimizer, Problem, RecipeError


class Lbfgs(BatchOptimizer):
    """L-BFGS with strong Wolfe line search (Liu and Nocedal 1989): each step minimises its own batch's loss.

    Curvature measured on one batch is wrong for the next, so each step begins without memory. Use it with few steps
    of many iterations on many points. The authors' code takes 50,000 iterations.

    It is PyTorch's `LBFGS`, which reads numbers from the device: in each iteration two for each pair of the history and
    at most 13 more. A GPU waits each time, so use a short history where evaluations are short.

    Args:
        parameters: on their device already.
        lr: length that each line search tries first.
        iterations: at most so many in a step, with as many evaluations; the paper's setting is 50000.
        history: pairs of steps and gradient changes that are kept.
        tolerance: a step ends where no gradient exceeds this.

    Raises:
        RecipeError: an option below its range.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        lr: float = 1.0,
        iterations: int = 50,
        history: int = 50,
        tolerance: float = 1e-9,
    ) -> None:
        for option, value, least in (("iterations", iterations, 1), ("history", history, 1)):
            if value < least:
                raise RecipeError(f"train.optimizer: lbfgs: {option}", f"{value}.", f"Give {least} or more.")
        if not (lr > 0 and tolerance >= 0):
            found = f"lr {lr}, tolerance {tolerance}."
            raise RecipeError("train.optimizer: lbfgs", found, "lr is positive, the tolerance is not negative.")
        super().__init__(parameters, {"lr": lr})
        self.iterations, self.history, self.tolerance = iterations, history, tolerance

    def step_on(self, problem: Problem) -> dict[str, Tensor]:
        """Minimise the loss on this batch; returns the losses before."""
        before: dict[str, Tensor] = {}
        parameters = [p for group in self.param_groups for p in group["params"]]
        inner = torch.optim.LBFGS(
            parameters,
            lr=self.param_groups[0]["lr"],
            max_iter=self.iterations,
            max_eval=self.iterations,
            history_size=self.history,
            tolerance_grad=self.tolerance,
            tolerance_change=0.0,
            line_search_fn="strong_wolfe",
        )

        def evaluate() -> Tensor:
            inner.zero_grad(set_to_none=True)
            losses = problem.losses()
            if not before:
                before.update({name: value.detach().clone() for name, value in losses.items()})
            losses["loss"].backward()  # type: ignore[no-untyped-call]
            return losses["loss"]

        inner.step(evaluate)  # type: ignore[no-untyped-call]
        return before
