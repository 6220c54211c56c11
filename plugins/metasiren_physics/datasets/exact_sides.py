"""Sides of a box where a field has given values exactly, and the factor that vanishes there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from metasiren import ExactConditions, RecipeError
from metasiren_physics.expressions import Expression

WHERE = "data: box: exact"
Side = Literal["start", "end", "both"]
Formula = str | float


@dataclass(frozen=True)
class Exact:
    """The field is g + m N: equal to g on the named sides whatever the network N, since m is zero there.

    m is a product of one factor for each axis, which runs from 0 to 1: (x - a) / (b - a) for `start`, (b - x) / (b - a)
    for `end`, and four times their product for `both` (Lagaris, Likas and Fotiadis 1998).

    Attributes:
        sides: axis -> `start`, `end` or `both`, such as {t: start, x: both}.
        values: g, a formula in the coordinates that has the wanted values on all of these sides, or a list of formulas
            for the first channels; 0 by default. Channels without one are the network's own.
    """

    sides: Mapping[str, Side]
    values: Formula | list[Formula] = field(default=0.0)


class ExactSides(ExactConditions):
    """The g and m of `Exact` on a box.

    Args:
        exact: sides and values.
        axes: name and interval of each coordinate.
        channels: of the field.

    Raises:
        RecipeError: no side, an unknown axis, more formulas than channels, a formula that cannot be read.
    """

    def __init__(self, exact: Exact, axes: Mapping[str, tuple[float, float]], channels: int) -> None:
        names = tuple(axes)
        if not exact.sides or any(name not in axes for name in exact.sides):
            found = f"sides of {', '.join(exact.sides) or 'no axis'}."
            raise RecipeError(f"{WHERE}: sides", found, f"axes: {', '.join(names)}; sides: start, end or both.")
        given = exact.values if isinstance(exact.values, list) else [exact.values]
        if not 1 <= len(given) <= channels:
            found = f"{len(given)} formulas; the field has {channels} channels."
            raise RecipeError(f"{WHERE}: values", found, "Give one for each channel that has values there.")
        self.formulas = tuple(Expression(text, names, f"{WHERE}: values") for text in given)
        self.sides = tuple((names.index(name), side, *axes[name]) for name, side in exact.sides.items())
        self.free = channels - len(given)

    def lift(self, x: Tensor) -> Tensor:
        """See `ExactConditions.lift`."""
        return self._padded([formula(x) for formula in self.formulas], 0.0)

    def factor(self, x: Tensor) -> Tensor:
        """See `ExactConditions.factor`."""
        product = torch.ones_like(x[..., 0])
        for i, side, low, high in self.sides:
            from_start, to_end = (x[..., i] - low) / (high - low), (high - x[..., i]) / (high - low)
            product = product * {"start": from_start, "end": to_end, "both": 4 * from_start * to_end}[side]
        return self._padded([product] * len(self.formulas), 1.0)

    def _padded(self, channels: Sequence[Tensor], rest: float) -> Tensor:
        return torch.stack([*channels, *[torch.full_like(channels[0], rest)] * self.free], -1)
