"""Full-waveform inversion by wavefield reconstruction with the alternating direction method of multipliers.

The paper compares with it (its reference 46). For data d = P u of sources b, look for m and waves u with A(m) u = b
and P u = d. Both are relaxed to penalties with scaled multipliers β and δ, and each iteration

    u  minimises  |P u - d - δ|² + μ |A(m) u - b - β|²     (exactly, through the receivers: see `_waves`),
    m  minimises  Σ |A(m) u - b - β|² + γ |∇m|²            (linear in m), then is clipped to the box of speeds,
    β += b - A(m) u,   δ += d - P u.

A(m) = M⁻¹L + diag(k² e1 e2 m) is the 9-point operator of `helmholtz_grid` with its absorbing layer, multiplied by the
inverse of its average over nodes M: then the step for m is one sparse symmetric solve, with a diagonal from the waves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from metasiren import DataError, RecipeError
from metasiren_physics.arrays import Complex, Real
from metasiren_physics.media import Uniform
from metasiren_physics.problems import InversionProblem, check_resolution
from metasiren_physics.reference.helmholtz_grid import GridOperator, grid_operator, optimal_stencil
from metasiren_physics.reference.receivers import sampling
from metasiren_physics.reference.sparse_lu import Factors, Sparse, factorised, slopes


@dataclass(frozen=True)
class Inversion:
    """What an inversion found, on a regular grid over [-1, 1]², end points included.

    Attributes:
        squared_slowness: m (nodes, nodes).
        waves: u (sources, nodes, nodes), complex.
        data_errors: relative L2 error at the receivers of the relaxed waves, after each iteration; `waves` are the
            found medium's own.
    """

    squared_slowness: Real
    waves: Complex
    data_errors: Real

    @property
    def speed(self) -> Real:
        """The speed c = 1/√m (nodes, nodes)."""
        found: Real = self.squared_slowness**-0.5
        return found


def invert(
    problem: InversionProblem,
    data: Complex,
    *,
    nodes: int = 129,
    iterations: int = 40,
    penalty: float = 1e-2,
    smoothness: float = 1e-2,
    speeds: tuple[float, float] = (0.7, 2.5),
    watch: Callable[[int, float], object] | None = None,
) -> Inversion:
    """Find the medium from the receiver data.

    Args:
        problem: sources, receivers, wavenumber, layer and start; its true medium is not used.
        data: (sources, receivers).
        nodes: points along each axis of the grid.
        iterations: of the alternation; each takes one sparse LU.
        penalty: μ, relative to the largest eigenvalue of P A⁻¹ A⁻ᴴ Pᵀ at the start: a small μ weighs the equation less.
        smoothness: γ h⁻², relative to the mean of Σ |k² e1 e2 u|² at the start.
        speeds: the slowest and fastest that are allowed.
        watch: called with the iteration and the data's relative error after it.

    Raises:
        RecipeError: an option out of its range.
        DataError: data of the wrong shape or not finite; a grid too coarse for wave or source.
    """
    _check(problem, data, iterations, penalty, smoothness, speeds)
    kh = problem.wavenumber * 2 / (nodes - 1)
    check_resolution("admm", _slow(problem), nodes)
    stencil = optimal_stencil(kh / problem.start, kh / (problem.start * speeds[1]))
    operator = grid_operator(nodes, problem.wavenumber, problem.pml, stencil)
    received = sampling(nodes, problem.receivers)
    averaged = np.stack([operator.source(source, "admm") for source in problem.sources], -1)
    spread = factorised(operator.mass.astype(np.complex128))
    sources = spread.solve(averaged)
    medium_solver = _MediumSolver(operator, (np.abs(operator.points) < problem.free).all(-1).reshape(-1), smoothness)
    box = (max(speeds) ** -2.0, min(speeds) ** -2.0)

    m = np.full(len(operator.weight), problem.start**-2.0)
    beta, delta = np.zeros_like(sources), np.zeros_like(data.T)
    errors: list[float] = []
    scale = 0.0
    for number in range(iterations):
        solve = _Solver(operator, factorised(operator.matrix(m)))
        # G = P A⁻¹, by its few rows.
        rows = solve.adjoint(received)
        gram = rows @ rows.conj().T
        scale = scale or float(np.linalg.eigvalsh(gram)[-1]) * penalty
        u = _waves(solve, sources + beta, rows, gram + scale * np.eye(len(gram)), data.T + delta, received)
        bent = spread.solve(operator.stretched @ u)
        m = np.clip(medium_solver.model(u, sources + beta - bent, m), *box)
        beta += sources - bent - (operator.weight * m)[:, None] * u
        delta += data.T - received @ u
        errors.append(float(np.linalg.norm(received @ u - data.T) / np.linalg.norm(data)))
        if watch is not None:
            watch(number + 1, errors[-1])
    waves = factorised(operator.matrix(m)).solve(averaged)
    side = nodes - 2
    return Inversion(
        np.pad(m.reshape(side, side), 1, mode="edge"),
        np.stack([operator.whole(waves[:, k]) for k in range(waves.shape[1])]),
        np.array(errors),
    )


@dataclass(frozen=True)
class _Solver:
    """A⁻¹ = (M A)⁻¹ M, from the factors of M A."""

    operator: GridOperator
    factors: Factors

    def __call__(self, right: Complex) -> Complex:
        """A⁻¹ b, (nodes, columns)."""
        return self.factors.solve(self.operator.mass @ right)

    def adjoint(self, received: Sparse) -> Complex:
        """P A⁻¹, (receivers, nodes)."""
        columns = self.factors.solve(received.toarray().T.astype(np.complex128), transposed=True)
        return np.ascontiguousarray((self.operator.mass.T @ columns).T)


def _waves(solve: _Solver, right: Complex, rows: Complex, gram: Complex, wanted: Complex, received: Sparse) -> Complex:
    """The best waves (nodes, sources), in the space of receivers instead of nodes.

    With ε = A u - b - β, P u = P A⁻¹(b + β) + G ε: the least |G ε - ρ|² + μ|ε|² is at ε = Gᴴ (G Gᴴ + μ)⁻¹ ρ.

    Args:
        solve: A⁻¹.
        right: b + β, (nodes, sources).
        rows: G = P A⁻¹, (receivers, nodes).
        gram: G Gᴴ + μ.
        wanted: d + δ, (receivers, sources).
        received: P.
    """
    missing = wanted - rows @ right
    return solve(right + rows.conj().T @ np.linalg.solve(gram, missing))


class _MediumSolver:
    """The least squares for m on the nodes where it is free."""

    def __init__(self, operator: GridOperator, free: NDArray[np.bool_], smoothness: float) -> None:
        self.weight, self.smoothness = operator.weight, smoothness
        self.free = np.flatnonzero(free)
        side = operator.nodes - 2
        slope = slopes(side)
        one, bend = sparse.eye_array(side), slope.T @ slope
        self.roughness = sparse.csr_array(sparse.kron(bend, one) + sparse.kron(one, bend))
        self.scale = 0.0

    def model(self, u: Complex, wanted: Complex, m: Real) -> Real:
        """The m for which k² e1 e2 m u = wanted (nodes, sources) holds best; elsewhere than free it stays."""
        v = self.weight[:, None] * u
        diagonal = (np.abs(v) ** 2).sum(-1)
        self.scale = self.scale or float(diagonal[self.free].mean()) * self.smoothness
        normal = sparse.csr_array(sparse.diags_array(diagonal) + self.scale * self.roughness)
        right = (v.conj() * wanted).sum(-1).real - normal @ m
        found = m.copy()
        found[self.free] += factorised(normal[self.free][:, self.free]).solve(right[self.free]).real
        return found


def _slow(problem: InversionProblem) -> InversionProblem:
    """The problem with its starting medium: what can be checked without the truth."""
    return replace(problem, medium=Uniform(problem.start))


def _check(
    problem: InversionProblem, data: Complex, iterations: int, penalty: float, smoothness: float,
    speeds: tuple[float, float],
) -> None:  # fmt: skip
    expected = (len(problem.sources), len(problem.receivers))
    if data.shape != expected or not np.isfinite(data).all():
        found = f"shape {data.shape}" if data.shape != expected else "some are not finite"
        raise DataError("admm: data", f"{found}.", f"Give finite values (sources, receivers) = {expected}.")
    if iterations < 1:
        raise RecipeError("admm: iterations", f"{iterations}.", "Take at least 1.")
    if not (penalty > 0 and smoothness >= 0):
        raise RecipeError("admm", f"penalty {penalty}, smoothness {smoothness}.", "Positive; smoothness may be 0.")
    if not 0 < speeds[0] <= problem.start <= speeds[1]:
        found = f"{speeds} do not hold the start, {problem.start}."
        raise RecipeError("admm: speeds", found, "Give [slowest, fastest] around it.")
