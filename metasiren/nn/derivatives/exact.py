"""Conditions that a field meets exactly: u(x) = g(x) + m(x) N(x), where m vanishes at the conditions and g meets them.

N is the network. At a point where m is zero, u is g to the last bit, whatever the weights. (Lagaris, Likas and Fotiadis
1998, "Artificial neural networks for solving ordinary and partial differential equations", IEEE Trans. Neural Networks
9, section II.) Jets of u follow from those of g, m and N by the product rule.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from math import comb

import torch
from torch import Tensor

from metasiren.nn.by_value import ByValue
from metasiren.nn.derivatives.orders import Jet, weighted

UNMIXED = ("gradient", "hessian_diagonal", "third", "fourth")
"""The fields of a jet that hold the derivatives along each coordinate, from the first on."""


class ExactConditions(ByValue, ABC):
    """The functions g and m, for coordinates of one domain. Two are equal if they are of one class and attributes."""

    @abstractmethod
    def lift(self, x: Tensor) -> Tensor:
        """g: coordinates (..., in) -> values (..., out) that meet the conditions. Ordinary torch, point by point."""

    @abstractmethod
    def factor(self, x: Tensor) -> Tensor:
        """m: coordinates (..., in) -> (..., out), zero where the conditions are. Ordinary torch, point by point."""

    def values(self, x: Tensor, network: Tensor) -> Tensor:
        """The field's values at x (..., in) for the network's values (..., out) there."""
        return self.lift(x) + self.factor(x) * network

    def jet(self, x: Tensor, network: Jet, weights: Sequence[float]) -> Jet:
        """The jet of u at x (..., in) for the network's jet there; the same derivatives are given.

        Args:
            x: coordinates.
            network: the jet of N.
            weights: factors of the unmixed second derivatives in the Laplacian, one for each coordinate.
        """
        top = max((k for k, name in enumerate(UNMIXED, 1) if getattr(network, name) is not None), default=0)
        top = max(top, 2) if network.laplacian is not None else top
        m, g = function_jet(self.factor, x, top, weights), function_jet(self.lift, x, top, weights)
        product = _product(m, network, weights)
        return Jet(**{k: v + getattr(g, k) for k, v in vars(product).items() if v is not None})


def function_jet(
    function: Callable[[Tensor], Tensor], x: Tensor, top: int, weights: Sequence[float] | None = None
) -> Jet:
    """The jet of a function in torch, by nested automatic differentiation.

    Args:
        function: coordinates (..., d) -> values (..., channels), point by point.
        x: coordinates; gradients reach them where they need any.
        top: the highest derivative, 0 to 4.
        weights: factors of the unmixed second derivatives in the Laplacian; all one by default.

    Returns:
        all derivatives up to the second, and the unmixed ones up to `top`.
    """
    if top == 0:
        return Jet(function(x))
    keep = x.requires_grad and torch.is_grad_enabled()
    with torch.enable_grad():
        place = x if keep else x.detach().requires_grad_()
        value = function(place)
        levels: list[list[Tensor]] = [[] for _ in range(top)]
        for channel in value.unbind(-1):
            last = _slope(channel, place)
            levels[0].append(last)
            for k in range(1, top):
                rows = torch.stack([_slope(d, place) for d in last.unbind(-1)], -2)
                last = rows.diagonal(dim1=-2, dim2=-1)
                levels[k].append(rows if k == 1 else last)
    parts = [value, *(torch.stack(level, -3 if k == 1 else -2) for k, level in enumerate(levels))]
    parts = parts if keep else [part.detach() for part in parts]
    if top == 1:
        return Jet(*parts)
    first, hessian, higher = parts[1], parts[2], parts[3:]
    diagonal = hessian.diagonal(dim1=-2, dim2=-1)
    laplacian = diagonal.sum(-1) if weights is None else weighted(diagonal, weights)
    return Jet(value=parts[0], gradient=first, laplacian=laplacian, hessian_diagonal=diagonal, hessian=hessian,
               **dict(zip(("third", "fourth"), higher, strict=False)))  # fmt: skip


def _slope(sums: Tensor, x: Tensor) -> Tensor:
    if not sums.requires_grad:
        return torch.zeros_like(x)
    return torch.autograd.grad(sums.sum(), x, create_graph=True, materialize_grads=True)[0]


def _product(m: Jet, n: Jet, weights: Sequence[float]) -> Jet:
    """The jet of m n, with the derivatives that n has; m has all that it takes."""
    made: dict[str, Tensor] = {"value": m.value * n.value}
    if n.gradient is None:
        return Jet(**made)
    assert m.gradient is not None
    # Along each coordinate the derivatives of m and n in turn, each (..., out, in).
    ms, ns = ([jet.value.unsqueeze(-1), *(getattr(jet, name) for name in UNMIXED)] for jet in (m, n))
    for k, name in enumerate(UNMIXED, 1):
        if ns[k] is not None:
            made[name] = sum((comb(k, j) * ms[k - j] * ns[j] for j in range(1, k + 1)), ms[k] * ns[0])
    if n.laplacian is not None:
        assert m.laplacian is not None
        crossed = weighted(m.gradient * n.gradient, weights)
        made["laplacian"] = m.laplacian * n.value + 2 * crossed + m.value * n.laplacian
    if n.hessian is not None:
        assert m.hessian is not None
        outer = m.gradient.unsqueeze(-1) * n.gradient.unsqueeze(-2)
        whole = m.value[..., None, None] * n.hessian
        made["hessian"] = m.hessian * n.value[..., None, None] + outer + outer.mT + whole
    return Jet(**made)
