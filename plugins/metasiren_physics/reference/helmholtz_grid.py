"""Eq. 11 by finite differences on a square grid, with 5 or 9 points.

The stencil is that of Chen, Cheng, Feng and Wu, "An optimal 9-point finite difference scheme for the Helmholtz
equation with PML" (2013): second differences in conservative form are averaged over three neighbouring lines with
weights ((1-b)/2, b, (1-b)/2), and k²m u over nine nodes with weights c (centre), d/4 (four beside), e/4 (four
diagonal), c + d + e = 1. The layer's factors separate, so that with one-dimensional matrices

    A = D1 ⊗ W E2 + W E1 ⊗ D2 + k² M diag(e1 e2 m),    (D u)_i = [(u_{i+1} - u_i)/e_{i+½} - (u_i - u_{i-1})/e_{i-½}]/h².

b = 1, d = e = 0 is the 5-point scheme. For nine points the weights minimise the dispersion over the waves that the
medium holds (the paper's refined choice): a plane wave cos θ, sin θ of wavenumber k leaves
k²h² (c + d (P+Q)/2 + e PQ) - 2(1-P)(b + (1-b)Q) - 2(1-Q)(b + (1-b)P), P = cos(kh cos θ), Q = cos(kh sin θ), linear in
(b, d, e). The source is averaged as k²m u is: then amplitudes, not only phases, are right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from metasiren import DataError, RecipeError
from metasiren_physics.arrays import Complex, Real
from metasiren_physics.media import check_medium
from metasiren_physics.pml import Pml
from metasiren_physics.problems import HelmholtzProblem, check_resolution
from metasiren_physics.reference.sparse_lu import Sparse, factorised, tridiagonal
from metasiren_physics.sources import Gaussian

FOURTH_ORDER = (5 / 6, 1 / 3, 0.0)
"""(b, d, e) of the compact scheme of order four in a uniform medium: the optimum for long waves."""


@dataclass(frozen=True)
class Stencil:
    """Weights of the 9-point scheme; the default is the 5-point scheme."""

    b: float = 1.0
    d: float = 0.0
    e: float = 0.0

    @property
    def c(self) -> float:
        """The centre's weight in k²m u."""
        return 1 - self.d - self.e


def optimal_stencil(shortest: float, longest: float | None = None) -> Stencil:
    """The least dispersion over all directions, for waves of kh between `longest` and `shortest` (kh = 2π/points).

    Args:
        shortest: kh of the shortest wave.
        longest: kh of the longest; by default the same.
    """
    kh = np.linspace((longest or shortest) * 0.95, shortest * 1.05, 24)[:, None]
    theta = np.linspace(0, np.pi / 4, 24)
    P, Q = np.cos(kh * np.cos(theta)), np.cos(kh * np.sin(theta))
    fixed = kh**2 - 2 * (1 - P) * Q - 2 * (1 - Q) * P
    columns = [-2 * (1 - P) * (1 - Q) * 2, kh**2 * ((P + Q) / 2 - 1), kh**2 * (P * Q - 1)]
    rows = np.stack([column / kh**2 for column in columns], -1).reshape(-1, 3)
    target = -(fixed / kh**2).reshape(-1)
    # Three weights are more than a narrow band determines: where it does not, stay at the fourth-order scheme.
    keep = 1e-6 * np.linalg.norm(rows) * np.eye(3)
    found = np.linalg.lstsq(np.vstack([rows, keep]), np.concatenate([target, keep @ FOURTH_ORDER]), rcond=None)[0]
    return Stencil(*map(float, found))


@dataclass(frozen=True)
class GridOperator:
    """The equation on the inner nodes of a grid over [-1, 1]²; u = 0 on its border.

    A(m) = stretched + k² mass @ diag(weight * m), over nodes in C order, (nodes - 2)² of them.

    Attributes:
        nodes: points along each axis, border included.
        stretched: the second differences, sparse.
        mass: M, the average over nine nodes, sparse and real.
        weight: k² e1 e2, complex (inner nodes,).
    """

    nodes: int
    stretched: Sparse
    mass: Sparse
    weight: Complex

    @property
    def spacing(self) -> float:
        """The distance h between nodes."""
        return 2 / (self.nodes - 1)

    @property
    def points(self) -> Real:
        """The inner nodes (nodes - 2, nodes - 2, 2)."""
        return grid_points(self.nodes)[1:-1, 1:-1]

    def matrix(self, squared_slowness: Real) -> Sparse:
        """A(m), for m (inner nodes,)."""
        return sparse.csr_array(self.stretched + self.mass @ sparse.diags_array(self.weight * squared_slowness))

    def source(self, source: Gaussian, where: str = "grid") -> Complex:
        """The right-hand side (inner nodes,).

        Raises:
            DataError: the grid is too coarse for the source.
        """
        values = source(self.points).reshape(-1)
        total = abs(values.sum()) * self.spacing**2 / abs(source.strength)
        if abs(total - 1) > 0.02:
            need = math.ceil(2 / (1.5 * source.variance**0.5)) + 1
            found = f"{self.nodes} points per axis sum the source to {total:.3g}, not 1."
            raise DataError(where, found, f"Take at least {need} points per axis, or a wider source.")
        found_source: Complex = self.mass @ values
        return found_source

    def whole(self, inner: Complex) -> Complex:
        """Values (inner nodes,) as a grid (nodes, nodes) with a border of zeros."""
        side = self.nodes - 2
        return np.pad(inner.reshape(side, side), 1)


def grid_points(nodes: int) -> Real:
    """Nodes (nodes, nodes, 2) of a regular grid over [-1, 1]², end points included."""
    axis = np.linspace(-1, 1, nodes)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), -1)


def grid_operator(nodes: int, wavenumber: float, pml: Pml, stencil: Stencil) -> GridOperator:
    """Assemble everything but the medium."""
    axis = np.linspace(-1, 1, nodes)
    h = axis[1] - axis[0]
    side = nodes - 2
    e = pml.stretch(axis[1:-1])
    half = 1 / pml.stretch((axis[:-1] + axis[1:]) / 2)
    second = tridiagonal(half[1:-1], -(half[:-1] + half[1:]), half[1:-1]) / h**2
    beside = tridiagonal(np.ones(side - 1), np.zeros(side), np.ones(side - 1))
    one = sparse.eye_array(side)
    lines = (stencil.b * one + (1 - stencil.b) / 2 * beside) @ sparse.diags_array(e)
    stretched = sparse.kron(second, lines) + sparse.kron(lines, second)
    mass = stencil.c * sparse.eye_array(side**2) + stencil.e / 4 * sparse.kron(beside, beside)
    mass = mass + stencil.d / 4 * (sparse.kron(beside, one) + sparse.kron(one, beside))
    weight = wavenumber**2 * np.multiply.outer(e, e).reshape(-1)
    return GridOperator(nodes, sparse.csr_array(stretched), sparse.csr_array(mass), weight)


def solve_helmholtz(problem: HelmholtzProblem, nodes: int = 257, scheme: int = 9) -> Complex:
    """The wave u (nodes, nodes) on a regular grid over [-1, 1]², border included.

    Args:
        problem: medium, source and layer.
        nodes: points along each axis.
        scheme: 5 or 9 points.

    Raises:
        RecipeError: another scheme.
        DataError: too few points for the shortest wave or for the source.
    """
    check_resolution("grid", problem, nodes)
    operator = grid_operator(nodes, problem.wavenumber, problem.pml, stencil_for(problem, nodes, scheme))
    slowness = problem.medium.averaged(operator.points, (operator.spacing, operator.spacing)).reshape(-1)
    solved = factorised(operator.matrix(slowness)).solve(operator.source(problem.source))
    return operator.whole(solved)


def stencil_for(problem: HelmholtzProblem, nodes: int, scheme: int) -> Stencil:
    """The stencil of a scheme, fitted to the waves of a problem where it can be.

    Raises:
        RecipeError: neither 5 nor 9 points.
    """
    if scheme not in (5, 9):
        raise RecipeError("grid: scheme", f"{scheme} points.", "Choose 5 or 9.")
    if scheme == 5:
        return Stencil()
    slowest, fastest = check_medium(problem.medium)
    kh = problem.wavenumber * 2 / (nodes - 1)
    return optimal_stencil(kh / slowest, kh / fastest)
