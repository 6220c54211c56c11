"""Sparse factors, typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from metasiren_physics.arrays import Complex, Real

Sparse = Any
"""A scipy.sparse array; its type stubs do not state that its product with a dense array is dense."""


@dataclass(frozen=True)
class Factors:
    """A = LU of a sparse square matrix."""

    superlu: Any

    def solve(self, right: Complex, transposed: bool = False) -> Complex:
        """A⁻¹ b, or A⁻ᵀ b, for b (nodes,) or (nodes, columns)."""
        found: Complex = self.superlu.solve(right, trans="T" if transposed else "N")
        return found


def factorised(matrix: Sparse) -> Factors:
    """Factors of a matrix that is symmetric in its pattern, which halves the fill."""
    columns = sparse.csc_array(matrix)
    return Factors(splu(columns, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.1, options={"SymmetricMode": True}))


def tridiagonal(below: Real | Complex, centre: Real | Complex, above: Real | Complex) -> Sparse:
    """A square matrix of three diagonals."""
    diagonals: Any = [below, centre, above]
    return sparse.diags_array(diagonals, offsets=[-1, 0, 1])


def slopes(side: int) -> Sparse:
    """First differences of `side` nodes, (side - 1, side)."""
    diagonals: Any = [-np.ones(side - 1), np.ones(side - 1)]
    return sparse.diags_array(diagonals, offsets=[0, 1], shape=(side - 1, side))
