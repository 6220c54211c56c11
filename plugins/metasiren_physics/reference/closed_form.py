"""Exact solutions of the Helmholtz problem: a Gaussian source in a uniform medium, or beside a disc.

Both hold in the absorbing layer too. Eq. 11 is Δu + k²m u = f in the stretched coordinates z_i = ∫ e_i dx_i, so a
solution that is analytic in the coordinates stays one when they turn complex.
"""

from __future__ import annotations

import numpy as np
from scipy.special import hankel2, jv

from metasiren import RecipeError
from metasiren_physics.arrays import Complex, Real
from metasiren_physics.conventions import gaussian_factor
from metasiren_physics.media import Disc, Uniform
from metasiren_physics.pml import Pml
from metasiren_physics.problems import HelmholtzProblem
from metasiren_physics.reference.disc_series import scattered, transmitted
from metasiren_physics.sources import Gaussian

REACH = 9.0
"""A Gaussian is negligible (3e-18) beyond so many standard deviations."""


def has_closed_form(problem: HelmholtzProblem) -> bool:
    """Whether the medium is uniform, or a disc that the source does not touch."""
    if isinstance(problem.medium, Disc):
        gap = np.hypot(*np.subtract(problem.source.position, problem.medium.centre)) - problem.medium.radius
        return bool(gap > problem.source.radius()) and _clear(problem.medium, problem.pml)
    return isinstance(problem.medium, Uniform)


def closed_form(problem: HelmholtzProblem, points: Real) -> Complex:
    """The exact u (...) at points (..., 2), inside the source and in the layer too.

    Raises:
        RecipeError: the medium has no closed form, or the source lies in or on its disc.
    """
    medium, source = problem.medium, problem.source
    if not has_closed_form(problem):
        found = f"none is known for {type(medium).__name__.lower()} with the source at {source.position}."
        advice = "It is for a uniform medium, or a disc in the physics with the source clear of it. Use the grid."
        raise RecipeError("closed form", found, advice)
    flat = points.reshape(-1, 2)
    stretched = stretched_coordinates(flat, problem.pml)
    if isinstance(medium, Uniform):
        return incident(flat, stretched, source, problem.wavenumber / medium.value).reshape(points.shape[:-1])
    assert isinstance(medium, Disc)
    k = problem.wavenumber / medium.background
    inside = np.hypot(*(flat - medium.centre).T) < medium.radius
    u = np.empty(len(flat), dtype=np.complex128)
    factor = source.strength * gaussian_factor(k, source.variance)
    u[inside] = factor * transmitted(medium, source.position, k, flat[inside])
    u[~inside] = incident(flat[~inside], stretched[~inside], source, k)
    u[~inside] += factor * scattered(medium, source.position, k, stretched[~inside])
    return u.reshape(points.shape[:-1])


def stretched_coordinates(points: Real, pml: Pml) -> Complex:
    """z_i = x_i - j a0 d_i³ / 3L² (with the sign of x_i): the integral of the layer's e, complex, like `points`."""
    depth = np.clip(np.abs(points) - pml.start, 0, None)
    found: Complex = points - 1j * pml.strength * np.sign(points) * depth**3 / (3 * pml.width**2)
    return found


def incident(points: Real, stretched: Complex, source: Gaussian, k: float) -> Complex:
    """The wave of a Gaussian source in a uniform medium, (points,).

    Outside it s exp(-k²σ²/2) (j/4) H0⁽²⁾(kr). Inside, by the same Green's function split at the radius r,
    s (jπ/2) [H0(kr) ∫₀ʳ g J0(kρ) ρ dρ + J0(kr) ∫ᵣ^∞ g H0(kρ) ρ dρ].

    Args:
        points: (points, 2).
        stretched: the same points in stretched coordinates.
        source: the Gaussian.
        k: wavenumber in the medium.
    """
    shifts = stretched - np.asarray(source.position)
    r = np.sqrt((shifts**2).sum(-1))  # the branch with a positive real part
    reach = REACH * source.variance**0.5
    near = np.sqrt(source.distance_squared(points)) < reach
    u = np.empty(len(points), dtype=np.complex128)
    u[~near] = gaussian_factor(k, source.variance) * 0.25j * hankel2(0, k * r[~near])
    if near.any():
        u[near] = _within(np.maximum(r[near].real, 1e-12), reach, source, k)
    return source.strength * u


def _within(r: Real, reach: float, source: Gaussian, k: float) -> Complex:
    nodes, weights = np.polynomial.legendre.leggauss(40)
    nodes, weights = (nodes + 1) / 2, weights / 2

    def density(rho: Real) -> Real:
        found: Real = np.exp(-(rho**2) / (2 * source.variance)) / (2 * np.pi * source.variance)
        return found

    rho = r[:, None] * nodes
    inner = (density(rho) * jv(0, k * rho) * rho) @ weights * r
    # ρ = r + (reach - r) t² takes the edge off the logarithm of H0 at r = 0.
    span = (reach - r)[:, None]
    rho = r[:, None] + span * nodes**2
    outer = (density(rho) * hankel2(0, k * rho) * rho * 2 * span * nodes) @ weights
    found: Complex = 0.5j * np.pi * (hankel2(0, k * r) * inner + jv(0, k * r) * outer)
    return found


def _clear(disc: Disc, pml: Pml) -> bool:
    return max(map(abs, disc.centre)) + disc.radius <= pml.start
