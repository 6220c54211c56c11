"""Damped least-squares steps by conjugate gradients, preconditioned by a randomised Nyström approximation.

The matrix A = J J^T or J^T J, whichever is smaller, is multiplied with but never formed. A sketch Y = A Q of `rank`
random directions Q gives eigenvalues l and eigenvectors U of its largest part (Frangella, Tropp and Udell 2023,
"Randomized Nyström preconditioning", SIAM J. Matrix Anal. Appl. 44, algorithms 2.1 and 5.1), and

    P^-1 = (l_min + d) U (diag(l) + d)^-1 U^T + (I - U U^T)

preconditions A + d I. One sketch serves every damping d and right-hand side of a step. Factoring costs the cube of the
number of rows; this method costs the rows times the parameters for each of some hundred products. It is faster for
thousands of rows and of parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import inf

import torch
from torch import Tensor

from metasiren_basics.dense_jacobian import DenseJacobian
from metasiren_basics.linearised import Direction, Linearised

MOST_ENTRIES = 2**26
"""Jacobians of up to so many entries (512 MiB) are held in memory, which makes products with them faster."""


def nystrom_steps(
    linear: Linearised | DenseJacobian,
    targets: Tensor,
    dampings: Sequence[float],
    *,
    rank: int,
    tolerance: float,
    most: int,
    generator: torch.Generator | None,
) -> Iterator[tuple[float, Iterator[Direction]]]:
    """The steps -J^T (J J^T + d m I)^-1 target for each damping d in ascending order, m as in `damped_steps`.

    Args:
        linear: the linearised residuals.
        targets: right-hand sides (rows, sides), such as r.
        dampings: each d, positive.
        rank: number of random directions.
        tolerance: of the linear system, relative to its right-hand side.
        most: iterations of conjugate gradients at most.
        generator: source of the random directions.

    Yields:
        d, and the step of each side in turn, found when it is asked for; nothing where J is zero or not finite.
    """
    rows, parameters = len(targets), linear.siren.parameter_count
    matrix = linear.rows() if rows * parameters <= MOST_ENTRIES else None
    dual = rows <= parameters

    def onto(w: Tensor) -> Tensor:
        """J^T w for w (rows, n)."""
        if matrix is not None:
            return matrix.mT @ w
        return torch.stack([linear.flat(linear.pull(each)) for each in w.mT], 1)

    def back(v: Tensor) -> Tensor:
        """J v for v (parameters, n)."""
        return matrix @ v if matrix is not None else torch.stack([linear.push(linear.named(each)) for each in v.mT], 1)

    def product(v: Tensor) -> Tensor:
        return back(onto(v)) if dual else onto(back(v))

    scale = linear.norm_squared() / rows
    if not 0 < float(scale) < inf:
        return
    values, vectors = sketch(product, rows if dual else parameters, rank, targets, generator)

    def step(target: Tensor, damping: float) -> Direction:
        right = target if dual else onto(target)
        found = solve(product, right, damping * scale, values, vectors, tolerance, most)
        return linear.named(-(onto(found) if dual else found).squeeze(1))

    for damping in sorted(set(dampings)):
        yield damping, (step(target, damping) for target in torch.split(targets, 1, 1))


def sketch(
    product: Callable[[Tensor], Tensor], size: int, rank: int, like: Tensor, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Eigenvalues (rank,), descending, and eigenvectors (size, rank) of the randomised Nyström approximation."""
    rank = min(rank, size)
    drawn = torch.randn(size, rank, generator=generator, device=like.device, dtype=like.dtype)
    directions = torch.linalg.qr(drawn).Q
    seen = product(directions)
    # A small shift keeps the factor real in spite of rounding; it is taken off the eigenvalues again.
    shift = (torch.finfo(like.dtype).eps * seen.norm() * size**0.5).clamp(min=torch.finfo(like.dtype).tiny)
    seen = seen + shift * directions
    core = directions.mT @ seen
    values, turned = torch.linalg.eigh((core + core.mT) / 2)
    root = turned * values.clamp(min=shift).rsqrt()
    left, singular, _ = torch.linalg.svd(seen @ root, full_matrices=False)
    return (singular.square() - shift).clamp(min=0), left


def solve(
    product: Callable[[Tensor], Tensor],
    right: Tensor,
    shift: Tensor,
    values: Tensor,
    vectors: Tensor,
    tolerance: float,
    most: int,
) -> Tensor:
    """Solve (A + shift) x = right for right (size, 1), to a relative residual of `tolerance` or `most` iterations."""

    def preconditioned(v: Tensor) -> Tensor:
        part = vectors.mT @ v
        return v + vectors @ (((values[-1] + shift) / (values + shift) - 1).unsqueeze(1) * part)

    x, r = torch.zeros_like(right), right
    z = preconditioned(r)
    p, rz, enough = z, (r * z).sum(), tolerance * right.norm()
    for _ in range(most):
        if bool(r.norm() <= enough):
            break
        applied = product(p) + shift * p
        length = rz / (p * applied).sum()
        x, r = x + length * p, r - length * applied
        z = preconditioned(r)
        rz, old = (r * z).sum(), rz
        p = z + rz / old * p
    return x
