"""Unmixed derivatives up to the fourth, along every coordinate: truncated Taylor series through the layers.

Along coordinate i a layer's pre-activation has the derivatives z_1, z_2, z_3, z_4. A linear layer multiplies each by
its weight; an activation f gives (Faà di Bruno)

    h_1 = f' z_1
    h_2 = f' z_2 + f'' z_1²
    h_3 = f' z_3 + 3 f'' z_1 z_2 + f''' z_1³
    h_4 = f' z_4 + f'' (4 z_1 z_3 + 3 z_2²) + 6 f''' z_1² z_2 + f'''' z_1⁴.

One pass has 1 + order * coordinates columns, where nested automatic differentiation would double the graph with each
order. It is ordinary torch: parameter gradients are one backward pass.
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
        coordinates: their number d.
        top: the highest derivative, 3 or 4.
    """

    coordinates: int
    top: int

    @property
    def count(self) -> int:
        """Number of columns."""
        return 1 + self.top * self.coordinates

    def of_coordinates(self, x: Tensor) -> list[Tensor]:
        """Columns of the coordinates themselves, each of the shape of x (..., d)."""
        tangents = torch.eye(self.coordinates, dtype=x.dtype, device=x.device)
        first = [tangents[i].expand_as(x) for i in range(self.coordinates)]
        return [x, *first, *[torch.zeros_like(x)] * (self.count - 1 - self.coordinates)]

    def of_features(self, features: Callable[[Tensor], Tensor], x: Tensor) -> list[Tensor]:
        """Columns of features (..., n) of coordinates x (..., d), by nested automatic differentiation."""
        with torch.enable_grad():
            place = x if x.requires_grad else x.detach().requires_grad_()
            columns = [features(place)]
            for _ in range(self.top):
                last = columns[-self.coordinates :] if len(columns) > 1 else columns * self.coordinates
                columns += [_along(column, place, i) for i, column in enumerate(last)]
        return columns if torch.is_grad_enabled() else [column.detach() for column in columns]

    def activated(self, columns: Sequence[Tensor], activation: Activation) -> list[Tensor]:
        """Columns after the activation, each of the same shape as before."""
        z, d = columns[0], self.coordinates
        f = [*activation.derivatives(z, 3)]
        if self.top == 4:
            f.append(_derivative(activation, z))
        made: list[list[Tensor]] = [[] for _ in range(self.top)]
        for i in range(d):
            z_1, z_2, z_3, *rest = (columns[1 + k * d + i] for k in range(self.top))
            square = z_1 * z_1
            made[0].append(f[1] * z_1)
            made[1].append(f[1] * z_2 + f[2] * square)
            made[2].append(f[1] * z_3 + 3 * f[2] * z_1 * z_2 + f[3] * square * z_1)
            for z_4 in rest:
                made[3].append(
                    f[1] * z_4
                    + f[2] * (4 * z_1 * z_3 + 3 * z_2 * z_2)
                    + 6 * f[3] * square * z_2
                    + f[4] * square * square
                )
        return [f[0], *(column for each in made for column in each)]

    def derivatives(self, columns: Sequence[Tensor]) -> list[Tensor]:
        """For each order from 1 on the derivatives (..., d) of columns (...)."""
        d = self.coordinates
        return [torch.stack(list(columns[1 + k * d : 1 + (k + 1) * d]), -1) for k in range(self.top)]


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
