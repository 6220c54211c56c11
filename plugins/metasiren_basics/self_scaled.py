"""Self-scaled quasi-Newton methods: BFGS and Broyden's family, whose inverse Hessian is kept between steps.

The inverse Hessian H is a dense matrix. With s the step, y the change of the gradient and

    b = s·B s / y·s,  h = y·H y / y·s,  a = b h - 1,    B = H^-1,

the update of Al-Baali (1998, "Numerical experience with a class of self-scaling quasi-Newton algorithms") is

    H+ = (H - H y yᵀ H / y·H y + φ v vᵀ) / τ + s sᵀ / y·s,    v = sqrt(y·H y) (s / y·s - H y / y·H y),

with τ = min(1, 1 / b) for self-scaled BFGS, whose φ is 1. Self-scaled Broyden chooses φ and τ by b, h and a. Urbán,
Stefanou and Pons (2025, "Unveiling the optimization process of physics informed neural networks: How accurate and
competitive can PINNs be?", J. Comput. Phys. 523) found these far better than L-BFGS on equations.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt
from typing import Literal

import torch
from torch import Tensor, nn

from metasiren import BatchOptimizer, Problem, RecipeError

NAME = "train.optimizer: self_scaled"
Losses = dict[str, Tensor]
MOST_PARAMETERS = 12_000


class SelfScaled(BatchOptimizer):
    """Self-scaled BFGS or Broyden; each training step makes `iterations` of them on its batch.

    H is kept from step to step, so that points may be drawn anew without beginning again; the first gradient on a new
    batch is computed anew. Weights should be float64: the line search compares losses that differ in late digits.

    Args:
        parameters: on their device already.
        lr: length that each line search tries first; 1 is a full quasi-Newton step.
        method: `broyden` or `bfgs`.
        iterations: quasi-Newton iterations in one training step.
        evaluations: at most so many evaluations in one line search.

    Raises:
        RecipeError: an option outside its range; more parameters than a dense matrix serves.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        lr: float = 1.0,
        method: Literal["broyden", "bfgs"] = "broyden",
        iterations: int = 50,
        evaluations: int = 20,
    ) -> None:
        if not lr > 0:
            raise RecipeError(f"{NAME}: lr", f"lr is {lr}.", "Give a number above 0; 1 is a full step.")
        if iterations < 1 or evaluations < 2:
            found = f"iterations {iterations}, evaluations {evaluations}."
            raise RecipeError(NAME, found, "Give at least 1 iteration and 2 evaluations.")
        super().__init__(list(parameters), {"lr": lr})
        self.method, self.iterations, self.evaluations = method, iterations, evaluations
        self.held = [p for group in self.param_groups for p in group["params"]]
        count = sum(p.numel() for p in self.held)
        if count > MOST_PARAMETERS:
            found = f"{count:,} parameters need a matrix of {8 * count**2 / 2**30:.1f} GiB."
            raise RecipeError(NAME, found, f"It serves up to {MOST_PARAMETERS:,}; use lbfgs or gauss_newton.")

    def step_on(self, problem: Problem) -> Losses:
        """Iterate on this batch; returns the losses before."""
        losses, loss, gradient = self._evaluate(problem)
        if not bool(torch.isfinite(loss)):
            return losses
        state = self.state[self.held[0]]
        inverse: Tensor = state.get("inverse_hessian", torch.eye(len(gradient)).to(gradient))
        place = self._flat()
        for _ in range(self.iterations):
            direction = -(inverse @ gradient)
            slope = float(direction @ gradient)
            if not slope < 0:
                # Rounding has made H useless: reset it, and stop where the gradient itself is zero.
                inverse = torch.eye(len(gradient)).to(gradient)
                direction, slope = -gradient, -float(gradient @ gradient)
                if slope == 0:
                    break
            found = self._search(problem, place, direction, float(loss), slope)
            if found is None:
                break
            length, new_loss, new_gradient = found
            step, change = length * direction, new_gradient - gradient
            inverse = updated(inverse, step, change, -length * gradient, self.method)
            place, loss, gradient = place + step, new_loss, new_gradient
        self._set(place)
        state["inverse_hessian"] = inverse
        return losses

    def _search(
        self, problem: Problem, place: Tensor, direction: Tensor, loss: float, slope: float
    ) -> tuple[float, Tensor, Tensor] | None:
        """A length that meets the strong Wolfe conditions, or the lowest one met that meets the first of them.

        Bisection of Nocedal and Wright (2006), algorithms 3.5 and 3.6, with cubic interpolation.

        Returns:
            the length, the loss and the gradient there; None where no length lowers the loss.
        """
        low, low_loss, low_slope = 0.0, loss, slope
        high: tuple[float, float, float] | None = None
        best: tuple[float, Tensor, Tensor] | None = None
        length = float(self.param_groups[0]["lr"])
        for _ in range(self.evaluations):
            self._set(place + length * direction)
            _, reached, gradient = self._evaluate(problem)
            value, along = float(reached), float(gradient @ direction)
            lower = value <= loss + ARMIJO * length * slope
            if lower and (best is None or value < float(best[1])):
                best = (length, reached, gradient)
            if not lower or value >= low_loss:
                high = (length, value, along)
            elif abs(along) <= CURVATURE * abs(slope):
                return length, reached, gradient
            else:
                if along * ((high[0] if high else length + 1) - low) >= 0:
                    high = (low, low_loss, low_slope)
                low, low_loss, low_slope = length, value, along
            length = 2 * length if high is None else between((low, low_loss, low_slope), high)
            if high is not None and abs(high[0] - low) < 1e-14 * max(abs(low), 1e-3):
                break
        return best

    def _evaluate(self, problem: Problem) -> tuple[Losses, Tensor, Tensor]:
        """The losses by name, their weighted sum and its gradient, flat."""
        losses = problem.losses()
        found = torch.autograd.grad(losses["loss"], self.held, materialize_grads=True)
        kept = {name: value.detach() for name, value in losses.items()}
        return kept, kept["loss"], torch.cat([g.flatten() for g in found])

    def _flat(self) -> Tensor:
        return torch.cat([p.detach().flatten() for p in self.held])

    @torch.no_grad()
    def _set(self, place: Tensor) -> None:
        for p, part in zip(self.held, torch.split(place, [p.numel() for p in self.held]), strict=True):
            p.copy_(part.view_as(p))


ARMIJO, CURVATURE = 1e-4, 0.9


def between(low: tuple[float, float, float], high: tuple[float, float, float]) -> float:
    """The minimiser of the cubic through two (length, loss, slope), off the ends; the middle where there is none."""
    (a, f_a, d_a), (b, f_b, d_b) = low, high
    middle, left, right = (a + b) / 2, min(a, b), max(a, b)
    first = d_a + d_b - 3 * (f_a - f_b) / (a - b)
    inside = first * first - d_a * d_b
    if not inside >= 0:
        return middle
    second = sqrt(inside) * (1 if b > a else -1)
    below = d_b - d_a + 2 * second
    found = b - (b - a) * (d_b + second - first) / below if below else middle
    margin = 0.1 * (right - left)
    return found if left + margin <= found <= right - margin else middle


def updated(inverse: Tensor, s: Tensor, y: Tensor, bs: Tensor, method: str) -> Tensor:
    """H after a step; H itself where the curvature along the step is not positive.

    Args:
        inverse: H (n, n), symmetric and positive definite.
        s: the step (n,).
        y: the change of the gradient (n,).
        bs: H^-1 s (n,), which needs no inversion: it is the old gradient times minus the step's length.
        method: `broyden` or `bfgs`.
    """
    ys, sbs = float(y @ s), float(s @ bs)
    hy = inverse @ y
    yhy = float(y @ hy)
    if not (ys > 0 and sbs > 0 and yhy > 0):
        return inverse
    b, h = sbs / ys, yhy / ys
    if method == "bfgs":
        phi, tau = 1.0, min(1.0, 1.0 / b)
    else:
        phi, tau = broyden(b, h, len(s))
    v = sqrt(yhy) * (s / ys - hy / yhy)
    found = inverse - torch.outer(hy / yhy, hy)
    if phi:
        found.addr_(v, v, alpha=phi)
    found.div_(tau).addr_(s / ys, s)
    return found


def broyden(b: float, h: float, n: int) -> tuple[float, float]:
    """φ (of the inverse update) and τ of self-scaled Broyden, from b = s·Bs / y·s and h = y·Hy / y·s.

    Urbán et al. 2025, Eqs. 14 to 23: θ is the parameter of the update of B, between its bounds for definiteness.
    """
    a = max(b * h - 1, 0.0)
    if a < 1e-15:
        return 1.0, min(1.0, 1.0 / b)
    bound = min(1.0, h * (1 - sqrt(a / (1 + a))))
    theta = max((bound - 1) / a, min(1 / bound, (1 - b) / b))
    sigma, rho = 1 + theta * a, min(1.0, 1.0 / b)
    sigma_n = abs(sigma) ** (1 / (1 - n)) if n > 1 else 1.0
    tau = min(rho * sigma_n, sigma) if theta <= 0 else rho * min(sigma_n, 1 / theta)
    return (1 - theta) / (1 + theta * a), tau
