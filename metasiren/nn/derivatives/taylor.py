"""Unmixed derivatives up to the fourth, along every coordinate: truncated Taylor series through the layers.

Along coordinate i a layer's pre-activation has the derivatives z_1, z_2, z_3, z_4. A linear layer multiplies each by
its weight; an activation f gives (Faà di Bruno)

    h_1 = f' z_1
    h_2 = f' z_2 + f'' z_1²
    h_3 = f' z_3 + 3 f'' z_1 z_2 + f''' z_1³
    h_4 = f' z_4 + f'' (4 z_1 z_3 + 3 z_2²) + 6 f''' z_1² z_2 + f'''' z_1⁴.

One pass has a column for the value and one for each derivative, where nested automatic differentiation would double the
graph with each order. It is ordinary torch: parameter gradients are one backward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from metasiren.nn.activations import Activation

HIGHER = {"third": 3, "fourth": 4}
"""Orders of jets that are evaluated here, and the highest derivative of each."""


@dataclass(frozen=True)
class AxisColumns:
    """The columns of one pass: the value, then all first derivatives, all second ones, and so on.

    Args:
        tops: the highest derivative along each of d coordinates, from 1 to 4.
    """

    tops: tuple[int, ...]

    @property
    def places(self) -> dict[tuple[int, int], int]:
        """(order, coordinate) -> the column that has this derivative."""
        pairs = [(k, i) for k in range(1, max(self.tops) + 1) for i, top in enumerate(self.tops) if top >= k]
        return {pair: place for place, pair in enumerate(pairs, 1)}

    @property
    def count(self) -> int:
        """Number of columns."""
        return 1 + sum(self.tops)

    def of_coordinates(self, x: Tensor) -> list[Tensor]:
        """Columns of the coordinates themselves, each of the shape of x (..., d)."""
        d = len(self.tops)
        tangents = torch.eye(d, dtype=x.dtype, device=x.device)
        return [x, *[tangents[i].expand_as(x) for i in range(d)], *[torch.zeros_like(x)] * (self.count - 1 - d)]

    def of_features(self, features: Callable[[Tensor], Tensor], x: Tensor) -> list[Tensor]:
        """Columns of features (..., n) of coordinates x (..., d), by nested automatic differentiation."""
        with torch.enable_grad():
            place = x if x.requires_grad else x.detach().requires_grad_()
            columns = [features(place)]
            last = dict.fromkeys(range(len(self.tops)), columns[0])
            for _, i in self.places:
                last[i] = _along(last[i], place, i)
                columns.append(last[i])
        return columns if torch.is_grad_enabled() else [column.detach() for column in columns]

    def activated(self, columns: Sequence[Tensor], activation: Activation) -> list[Tensor]:
        """Columns after the activation, each of the same shape as before."""
        z, top, places = columns[0], max(self.tops), self.places
        f = [*activation.derivatives(z, min(top, 3))]
        if top == 4:
            f.append(_derivative(activation, z))
        made = [f[0]]
        for k, i in places:
            z_1, *higher = (columns[places[j, i]] for j in range(1, k + 1))
            if k == 1:
                made.append(f[1] * z_1)
                continue
            z_2, square = higher[0], z_1 * z_1
            if k == 2:
                made.append(f[1] * z_2 + f[2] * square)
            elif k == 3:
                made.append(f[1] * higher[1] + 3 * f[2] * z_1 * z_2 + f[3] * square * z_1)
            else:
                bent = f[2] * (4 * z_1 * higher[1] + 3 * z_2 * z_2) + 6 * f[3] * square * z_2 + f[4] * square * square
                made.append(f[1] * higher[2] + bent)
        return made

    def derivatives(self, columns: Sequence[Tensor]) -> list[Tensor]:
        """For each order from 1 on the derivatives (..., d) of columns (...); NaN where there is no column."""
        places, none = self.places, torch.full_like(columns[0], torch.nan)
        return [
            torch.stack([columns[places[k, i]] if top >= k else none for i, top in enumerate(self.tops)], -1)
            for k in range(1, max(self.tops) + 1)
        ]


def _along(y: Tensor, x: Tensor, i: int) -> Tensor:
    """The derivative of y (..., n) along coordinate i of x (..., d), each y depending on its own point.

    Reverse passes twice: the first is linear in its weights v, and the derivative of it by v is what is wanted.
    """
    if not y.requires_grad:
        return torch.zeros_like(y)
    v = torch.zeros_like(y, requires_grad=True)
    (pull,) = torch.autograd.grad(y, x, v, create_graph=True, materialize_grads=True)
    if not pull.requires_grad:
        return torch.zeros_like(y)
    (found,) = torch.autograd.grad(pull[..., i].sum(), v, create_graph=True, materialize_grads=True)
    return found


def _derivative(activation: Activation, z: Tensor) -> Tensor:
    """The fourth derivative of an activation, which states three: that of the third."""
    with torch.enable_grad():
        place = z if z.requires_grad else z.detach().requires_grad_()
        third = activation.derivatives(place, 3)[3]
        if not third.requires_grad:
            return torch.zeros_like(z)
        (found,) = torch.autograd.grad(third.sum(), place, create_graph=True, materialize_grads=True)
    return found if torch.is_grad_enabled() else found.detach()
