"""The derivatives that pass through the layers, and the elementwise operations on them, without an autograd graph."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from metasiren.nn.activations import Derivatives

Term = tuple[int, int, float]


@dataclass(frozen=True)
class Columns:
    """The columns that pass through the layers: the value, `tangents` first derivatives, then the second-order columns.

    Attributes:
        tangents: dimension d of the coordinates.
        second: for each second-order column its terms (i, j, w): the column carries the sum of w u_ij.
    """

    tangents: int
    second: tuple[tuple[Term, ...], ...] = ()

    @property
    def count(self) -> int:
        """Number of columns."""
        return 1 + self.tangents + len(self.second)

    @property
    def terms(self) -> tuple[int, list[int], list[int], list[int], list[float]]:
        """Tangents, where each second-order column's terms end, and i, j, w of all terms: as kernels take them."""
        flat = [term for terms in self.second for term in terms]
        ends = [0, *accumulate(map(len, self.second))]
        return self.tangents, ends, [i for i, _, _ in flat], [j for _, j, _ in flat], [float(w) for *_, w in flat]


def quadratics(z: Tensor, columns: Columns) -> list[Tensor]:
    """For every second-order column the sum of w z_i z_j, each (instances, points, features)."""

    def form(terms: tuple[Term, ...]) -> Tensor:
        (i, j, w), *rest = terms
        total = z[:, 1 + i] * z[:, 1 + j]
        if w != 1:
            total = total * w
        for i, j, w in rest:
            total = torch.addcmul(total, z[:, 1 + i], z[:, 1 + j], value=w)
        return total

    return [form(terms) for terms in columns.second]


def activate(z: Tensor, f: Derivatives, forms: list[Tensor]) -> Tensor:
    """Columns z after an activation with values and derivatives f at z[:, 0]; `forms` are `quadratics(z, columns)`."""
    h = torch.empty_like(z)
    h[:, 0] = f[0]
    torch.mul(z[:, 1:], f[1].unsqueeze(1), out=h[:, 1:])
    for column, form in enumerate(forms, z.shape[1] - len(forms)):
        h[:, column].addcmul_(f[2], form)
    return h


def deactivate(z: Tensor, f: Derivatives, forms: list[Tensor], columns: Columns, g: Tensor) -> Tensor:
    """Turn the gradient g of `activate(z, f, forms)` into that of z, in place. Overwrites `forms`."""
    value = z[:, 1] * g[:, 1]
    for c in range(2, columns.count):
        value.addcmul_(z[:, c], g[:, c])
    value *= f[2]
    start, curved = 1 + columns.tangents, []
    for c, form in enumerate(forms, start):
        value.addcmul_(f[3], form.mul_(g[:, c]))
        curved.append(f[2] * g[:, c])
    g *= f[1].unsqueeze(1)
    g[:, 0] += value
    for terms, bend in zip(columns.second, curved, strict=True):
        for i, j, w in terms:
            if i == j:
                g[:, 1 + i].addcmul_(z[:, 1 + i], bend, value=2 * w)
            else:
                g[:, 1 + i].addcmul_(z[:, 1 + j], bend, value=w)
                g[:, 1 + j].addcmul_(z[:, 1 + i], bend, value=w)
    return g
