"""Contexts with their pairs reordered, padded, cut and joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from metasiren.contracts import Context


def _over_pairs(context: Context, change: Callable[[Tensor], Tensor]) -> Context:
    """Apply `change` to all tensors of shape (batch, pairs, ...)."""
    cells = None if context.cells is None else change(context.cells)
    changed: dict[str, Any] = {name: change(getattr(context, name)) for name in ("coords", "values", "mask")}
    return replace(context, cells=cells, **changed)


def reorder(context: Context, order: Tensor) -> Context:
    """The pairs in the order (batch, pairs) of their indices."""

    def take(x: Tensor) -> Tensor:
        return x.gather(1, order.view(*order.shape, *[1] * (x.dim() - 2)).expand_as(x))

    return _over_pairs(context, take)


def pad(context: Context, pairs: int) -> Context:
    """Zeros behind the pairs, up to `pairs` of them."""

    def zeros(x: Tensor) -> Tensor:
        return torch.cat([x, x.new_zeros(x.shape[0], pairs - x.shape[1], *x.shape[2:])], dim=1)

    return _over_pairs(context, zeros)


def trim(context: Context, pairs: int) -> Context:
    """The first `pairs` pairs."""
    return _over_pairs(context, lambda x: x[:, :pairs])


def blank(context: Context) -> Context:
    """Nothing but padding."""
    return _over_pairs(context, torch.zeros_like)


def item(context: Context, i: int) -> Context:
    """One item as a batch of its own."""
    return replace(_over_pairs(context, lambda x: x[i : i + 1]), items=context.items[i : i + 1])


def join(contexts: Sequence[Context]) -> Context:
    """One batch of all, padded to the longest."""
    most = max(context.mask.shape[1] for context in contexts)
    padded = [pad(context, most) for context in contexts]

    def together(name: str) -> Tensor:
        return torch.cat([getattr(context, name) for context in padded])

    cells = None if padded[0].cells is None else together("cells")
    return Context(together("items"), together("coords"), together("values"), together("mask"), padded[0].grid, cells)
