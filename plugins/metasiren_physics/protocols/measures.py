"""Sampling of fitted waves, and how far they are from the truth."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch

from metasiren import Dataset, Field, Model, RecipeError
from metasiren_physics.arrays import Complex, Real
from metasiren_physics.problems import HelmholtzProblem
from metasiren_physics.reference.closed_form import closed_form, has_closed_form
from metasiren_physics.reference.helmholtz_grid import solve_helmholtz

NUMBERS_AT_ONCE = 1 << 24
"""Of one layer's values; a layer of 3,000 features is evaluated at 5,592 points at a time."""

D = TypeVar("D", bound=Dataset)


def cells(half_width: float, nodes: int) -> Real:
    """Centres (nodes, nodes, 2) of the cells of a grid over [-half_width, half_width]²."""
    axis = half_width * ((np.arange(nodes) + 0.5) * (2 / nodes) - 1)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), -1)


def sample(field: Field, points: Real) -> Real:
    """Values (..., channels) of a fitted field at points (..., d), in float64."""
    weight = next(iter(field.params.values()))
    at_once = max(NUMBERS_AT_ONCE // field.siren.hidden_features, 256)
    flat = torch.from_numpy(points.reshape(-1, points.shape[-1])).to(weight)
    with torch.no_grad():
        values = field.jet(flat, "value", chunk_points=at_once).value[0]
    found: Real = values.double().cpu().numpy().reshape(*points.shape[:-1], -1)
    return found


def waves_of(channels: Real, count: int) -> Complex:
    """Channels (..., 2 * count or more) as complex waves (..., count)."""
    found: Complex = channels[..., 0 : 2 * count : 2] + 1j * channels[..., 1 : 2 * count : 2]
    return found


def truth_at(problem: HelmholtzProblem, points: Real, nodes: int) -> tuple[Complex, str]:
    """The true wave (...) at points (..., 2), and where it is from: a closed form, or else a grid of so many nodes."""
    if has_closed_form(problem):
        return closed_form(problem, points), "the closed form"
    return on_grid(problem, points, nodes, 9), f"a 9-point grid of {nodes} x {nodes}"


def on_grid(problem: HelmholtzProblem, points: Real, nodes: int, scheme: int) -> Complex:
    """The grid solver's wave (...) at points (..., 2), between nodes by cubic interpolation."""
    from scipy.interpolate import RegularGridInterpolator

    axis = np.linspace(-1, 1, nodes)
    wave = solve_helmholtz(problem, nodes, scheme)
    real, imaginary = (RegularGridInterpolator((axis, axis), part, method="cubic") for part in (wave.real, wave.imag))
    found: Complex = real(points) + 1j * imaginary(points)
    return found


def relative(error: Complex | Real, truth: Complex | Real) -> float:
    """The norm of the error over that of the truth."""
    return float(np.linalg.norm(error) / np.linalg.norm(truth))


def require(dataset: Dataset, kind: type[D], protocol: str) -> D:
    """The data set, where it is of the kind that a protocol evaluates.

    Raises:
        RecipeError: it is of another kind.
    """
    if not isinstance(dataset, kind):
        found = f"{dataset.title} is no such problem."
        raise RecipeError(f"evaluate: protocol: {protocol}", found, f"It evaluates data: {protocol}.")
    return dataset


def single(model: Model, dataset: Dataset) -> Field:
    """The fitted field."""
    with torch.no_grad():
        return model.signal(dataset.domain)
