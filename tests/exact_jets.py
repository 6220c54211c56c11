"""Jets of exact solutions, by central differences of order six."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from metasiren import Batch, Context, Domain, Field, Jet, Points, Prediction, Siren

Array = NDArray[np.float64]

FIRST = {-3: -1 / 60, -2: 3 / 20, -1: -3 / 4, 1: 3 / 4, 2: -3 / 20, 3: 1 / 60}
SECOND = {-3: 1 / 90, -2: -3 / 20, -1: 3 / 2, 0: -49 / 18, 1: 3 / 2, 2: -3 / 20, 3: 1 / 90}


def jet_of(solution: Callable[[Array], Array], points: Array, h: float) -> Jet:
    """The jet of solution: (points, d) -> (points, channels), of order `hessian_diagonal`.

    Args:
        solution: real channels.
        points: (points, d).
        h: step; waves of length l have relative errors of about (2 pi h / l)**6.
    """
    d = points.shape[1]
    first, second = [], []
    for i in range(d):
        shift = h * np.eye(d)[i]
        near = {k: solution(points + k * shift) for k in SECOND}
        first.append(sum(w * near[k] for k, w in FIRST.items()) / h)
        second.append(sum(w * near[k] for k, w in SECOND.items()) / h**2)
    value = torch.from_numpy(solution(points)).unsqueeze(0)
    gradient = torch.from_numpy(np.stack(first, -1)).unsqueeze(0)
    diagonal = torch.from_numpy(np.stack(second, -1)).unsqueeze(0)
    return Jet(value, gradient, diagonal.sum(-1), diagonal)


def channels(wave: NDArray[np.complex128]) -> Array:
    """(points,) or (points, waves) complex -> (points, 2 * waves)."""
    wave = wave.reshape(len(wave), -1)
    return np.stack([wave.real, wave.imag], -1).reshape(len(wave), -1)


def fit_of(jet: Jet, points: Points, at: str = "interior") -> Prediction:
    """A fit whose jet at a point set is given; its field is never evaluated."""
    siren = Siren(in_features=2, out_features=1, hidden_features=1, hidden_layers=0)
    batch = Batch(Context.empty(torch.arange(1), Domain(2, 1)), {at: points})
    return Prediction(batch, torch.zeros(1, 0), Field(siren, siren.init()), {at: jet})
