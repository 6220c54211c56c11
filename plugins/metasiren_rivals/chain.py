"""Derivatives of compositions and products of functions of one variable, up to the third."""

from __future__ import annotations

from torch import Tensor

Derivatives = tuple[Tensor, ...]


def compose(outer: Derivatives, inner: Derivatives) -> Derivatives:
    """h(g(z)) and its derivatives, from those of h at g(z) and of g at z (Faà di Bruno), to the order of `outer`."""
    h, g = outer, inner
    made = [h[0]]
    if len(h) > 1:
        made.append(h[1] * g[1])
    if len(h) > 2:
        made.append(h[2] * g[1] ** 2 + h[1] * g[2])
    if len(h) > 3:
        made.append(h[3] * g[1] ** 3 + 3 * h[2] * g[1] * g[2] + h[1] * g[3])
    return tuple(made)


def multiply(a: Derivatives, b: Derivatives) -> Derivatives:
    """The product a b and its derivatives (Leibniz), to the order of `a`."""
    binomials = ((1,), (1, 1), (1, 2, 1), (1, 3, 3, 1))
    made = []
    for n in range(len(a)):
        total = a[0] * b[n]
        for k in range(1, n + 1):
            total = total + binomials[n][k] * a[k] * b[n - k]
        made.append(total)
    return tuple(made)
