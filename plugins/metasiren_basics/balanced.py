"""Adam with constraint weights that balance themselves, for losses of several equations and conditions."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from metasiren import BatchOptimizer, Problem, RecipeError

WHERE = "train.optimizer: balanced_adam"


class BalancedAdam(torch.optim.Adam, BatchOptimizer):
    """Adam on a loss whose terms are weighted so that their gradients have equal norms.

    Every `every` steps each term's gradient norm g_i is measured, and its factor moves towards mean(g) / g_i; the
    factors multiply the recipe's weights. (Wang, Sankaran, Wang and Perdikaris 2023, "An Expert's Guide
    to Training Physics-informed Neural Networks", arXiv 2308.08468, algorithm 1, with the mean in place of the sum.)
    Logged losses are those of the recipe's weights.

    Args:
        parameters: on their device already.
        lr: learning rate; the schedule multiplies it.
        betas: decay of the first and the second moment.
        eps: added to the root of the second moment.
        every: steps between two measurements, each of which costs a backward pass for every constraint.
        memory: share of the old factor that a measurement keeps.

    Raises:
        RecipeError: an option outside its range.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        every: int = 50,
        memory: float = 0.9,
    ) -> None:
        if every < 1:
            raise RecipeError(f"{WHERE}: every", f"{every}.", "Give one or more.")
        if not 0 <= memory < 1:
            raise RecipeError(f"{WHERE}: memory", f"{memory}.", "Give a number from 0 to below 1.")
        torch.optim.Adam.__init__(self, list(parameters), lr=lr, betas=betas, eps=eps)
        self.every, self.memory = every, memory
        self.param_groups[0] |= {"factors": {}, "taken": 0}

    def step_on(self, problem: Problem) -> dict[str, Tensor]:
        """One step; returns the losses before it."""
        group = self.param_groups[0]
        losses = problem.losses()
        if group["taken"] % self.every == 0:
            self._measure(problem, losses)
        group["taken"] += 1
        self.zero_grad()
        total = torch.stack([group["factors"][w.name] * w.weight * losses[w.name] for w in problem.constraints]).sum()
        total.backward()  # type: ignore[no-untyped-call]
        self.step()
        return {name: value.detach() for name, value in losses.items()}

    def _measure(self, problem: Problem, losses: dict[str, Tensor]) -> None:
        parameters = [p for group in self.param_groups for p in group["params"] if p.requires_grad]
        norms = {}
        for each in problem.constraints:
            found = torch.autograd.grad(
                each.weight * losses[each.name], parameters, retain_graph=True, materialize_grads=True
            )
            norms[each.name] = float(torch.stack([g.square().sum() for g in found]).sum().sqrt())
        mean = sum(norms.values()) / len(norms)
        factors: dict[str, float] = self.param_groups[0]["factors"]
        for name, norm in norms.items():
            if norm > 0:
                wanted = mean / norm
                factors[name] = self.memory * factors[name] + (1 - self.memory) * wanted if name in factors else wanted
            factors.setdefault(name, 1.0)
