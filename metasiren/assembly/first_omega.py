"""`siren: {first_omega: auto}`: the frequency of the first layer from the spectrum of the signal.

The rule: the weights of the first layer are U(-1/d, 1/d) in d dimensions, so that its features have angular frequencies
of root mean square omega / (sqrt(3) d) along each axis. It is set to `SHARE` times the signal's own, which by
Parseval's theorem is the ratio of the norms of a derivative and of the deviation from the mean. On photographs that
scikit-image ships, shares from 0.1 to 0.3 are within a quarter of a decibel of one another
(`benchmarks/first_omega.py`, docs/starts.md).
"""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor

from metasiren.contracts import Dataset
from metasiren.errors import RecipeError
from metasiren.recipe import Recipe

SHARE = 0.25
"""Of the signal's root mean square frequency, which the layers that follow raise."""
ITEMS = 16
"""Signals of a set, at most, whose mean is taken."""
WHERE = "siren: first_omega: auto"


def rms_frequency(values: Tensor) -> float:
    """The root mean square angular frequency along an axis, the mean over axes, in radians per unit of [-1, 1].

    Args:
        values: (*grid, channels) on a grid over [-1, 1] with endpoints included.

    Raises:
        RecipeError: a signal that is constant.
    """
    values = values.double()
    shape = values.shape[:-1]
    deviation = values - values.mean(dim=tuple(range(len(shape))), keepdim=True)
    power = float(deviation.square().mean())
    squares = []
    for axis, count in enumerate(shape):
        if count > 1:
            slopes = values.diff(dim=axis) * (count - 1) / 2
            squares.append(float(slopes.square().mean()))
    if not squares or not power > 0:
        raise RecipeError(WHERE, "the signal is constant: it has no frequency.", "Give a number, such as 30.")
    return sqrt(sum(squares) / len(squares) / power)


def first_omega(values: Tensor) -> float:
    """The first layer's frequency for a signal (*grid, channels), to three digits."""
    axes = len(values.shape) - 1
    return float(f"{SHARE * sqrt(3) * axes * rms_frequency(values):.3g}")


def resolved(recipe: Recipe, dataset: Dataset) -> Recipe:
    """The recipe with a number in place of `auto`: the mean over some training signals.

    Raises:
        RecipeError: data that lies on no grid, or an activation that takes no frequency.
    """
    if recipe.siren.first_omega != "auto":
        return recipe
    if recipe.siren.nonlinearity != "sine" or recipe.siren.input_layer is not None:
        found = "the nonlinearity takes none, or an input layer comes before it."
        raise RecipeError(WHERE, found, "Leave first_omega out.")
    shape = dataset.domain.grid
    items = torch.arange(min(ITEMS, dataset.splits["train"]))
    split = "test" if dataset.splits["train"] == 1 and "test" in dataset.splits else "train"
    points = dataset.batch(split, items, generator=torch.Generator().manual_seed(0)).points if shape else {}
    sets = [p for p in points.values() if "values" in p.targets and p.on_grid(dataset.domain)]
    if shape is None or not sets:
        found = "no point set of this data has the values of a whole grid over [-1, 1], whose spectrum would settle it."
        raise RecipeError(WHERE, found, "Give a number, such as 30.")
    found_omegas = [first_omega(each.reshape(*shape, -1)) for each in sets[0].values]
    omega = float(f"{sum(found_omegas) / len(found_omegas):.3g}")
    return recipe.model_copy(update={"siren": recipe.siren.model_copy(update={"first_omega": omega})})
