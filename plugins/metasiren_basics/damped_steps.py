"""Damped least-squares steps from linearised residuals, by the smaller of two systems.

With residuals r and their Jacobian J, the same step has two forms,

    -J^T (J J^T + lambda m I)^-1 r = -(J^T J + lambda m I)^-1 J^T r,

m being the mean diagonal of J J^T. The first factors a matrix of the size of the batch (the dual or kernel form), the
second one of the number of weights (the primal form).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor

from metasiren import damped_cholesky
from metasiren.nn.cholesky import damped, mean_diagonal
from metasiren_basics.dense_jacobian import DenseJacobian
from metasiren_basics.linearised import Direction, Linearised, symmetric

Solve = Literal["auto", "dual", "primal"]


def damped_steps(
    linear: Linearised | DenseJacobian, targets: Tensor, dampings: Sequence[float], solve: Solve = "auto"
) -> Iterator[tuple[float, Iterator[Direction]]]:
    """The steps for each lambda in ascending order; right-hand sides share each factored matrix.

    Args:
        linear: the linearised residuals.
        targets: right-hand sides (rows, sides), such as r.
        dampings: each lambda, positive.
        solve: `dual` or `primal`; `auto` takes the one with the smaller matrix.

    Yields:
        the lambda that was used, and the step of each side in turn.
    """
    rows, parameters = len(targets), linear.siren.parameter_count
    dual = solve == "dual" or (solve == "auto" and rows <= parameters)
    if dual:
        gram, right, size = linear.gram(), targets, 1.0
    else:
        matrix = linear.rows()
        gram, right = symmetric(matrix), matrix.mT @ targets
        # Both mean diagonals have the same sum, the squared norm of J.
        size = parameters / rows
    for used, solution in damped_solutions(gram, right, [damping * size for damping in dampings]):
        yield used / size, (linear.pull(-x) if dual else linear.named(-x) for x in solution.unbind(1))


def damped_solutions(gram: Tensor, target: Tensor, dampings: Sequence[float]) -> Iterator[tuple[float, Tensor]]:
    """Solve (G + lambda m I) x = target for each lambda, m being G's mean diagonal; target is (rows,) or (rows, sides).

    A matrix that rounding has made indefinite is damped ten times more, until it can be factored. The host waits for
    the device once, for all lambdas together, where that is not needed.

    Yields:
        the lambda that was used, and x of the target's shape.
    """
    wanted, mean = sorted(set(dampings)), mean_diagonal(gram)
    sides = target if target.dim() == 2 else target.unsqueeze(1)
    solutions, states = [], [torch.isfinite(mean).logical_not().to(torch.int32)]
    for damping in wanted:
        factor, failed = torch.linalg.cholesky_ex(damped(gram, damping * mean))
        solutions.append(torch.cholesky_solve(sides, factor).view_as(target))
        states.append(failed)
    hopeless, *failures = torch.stack(states).tolist()
    for damping, solution, failure in zip(wanted, solutions, failures, strict=True):
        if hopeless:
            return
        if not failure:
            yield damping, solution
        elif (found := damped_cholesky(gram, 10 * damping)) is not None:
            used, factor = found
            yield used, torch.cholesky_solve(sides, factor).view_as(target)
