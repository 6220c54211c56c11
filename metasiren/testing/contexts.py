"""Contexts taken apart and put together: reordered, padded, blanked, joined."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from metasiren.contracts import Context


def _take(context: Context, order: Tensor) -> Context:
    def along(x: Tensor) -> Tensor:
        return x.gather(1, order.view(*order.shape, *[1] * (x.dim() - 2)).expand_as(x))

    cells = None if context.cells is None else along(context.cells)
    return replace(
        context, coords=along(context.coords), values=along(context.values), mask=along(context.mask), cells=cells
    )


def _take_items(context: Context, items: list[int]) -> Context:
    return context._map(lambda tensor: tensor[items])


def _trim(context: Context, pairs: int) -> Context:
    cells = None if context.cells is None else context.cells[:, :pairs]
    return replace(
        context,
        coords=context.coords[:, :pairs],
        values=context.values[:, :pairs],
        mask=context.mask[:, :pairs],
        cells=cells,
    )


def _pad(x: Tensor, to: int | None = None) -> Tensor:
    """Zeros behind the pairs: seven of them, or up to `to` pairs."""
    extra = 7 if to is None else to - x.shape[1]
    return torch.cat([x, x.new_zeros(x.shape[0], extra, *x.shape[2:])], dim=1)


def _stack(contexts: list[Context], pairs: int) -> Context:
    """Contexts of one item each as one batch, padded to `pairs`."""

    def join(name: str) -> Any:
        tensors = [getattr(context, name) for context in contexts]
        return None if tensors[0] is None else torch.cat([_pad(t, pairs) for t in tensors])

    return Context(
        items=torch.cat([context.items for context in contexts]),
        coords=join("coords"),
        values=join("values"),
        mask=join("mask"),
        grid=contexts[0].grid,
        cells=join("cells"),
    )


def _blank(context: Context) -> Context:
    return replace(
        context,
        coords=torch.zeros_like(context.coords),
        values=torch.zeros_like(context.values),
        mask=torch.zeros_like(context.mask),
        cells=None if context.cells is None else torch.zeros_like(context.cells),
    )
