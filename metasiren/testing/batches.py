"""The shapes and types that a data set's batches must have."""

from __future__ import annotations

import torch
from torch import Tensor

from metasiren.contracts import Batch, Context, Domain
from metasiren.testing.common import finite
from metasiren.testing.report import demand


def tensors(batch: Batch) -> dict[str, Tensor]:
    """All tensors of a batch, by name."""
    context = batch.context
    found = {f"context.{name}": getattr(context, name) for name in ("items", "coords", "values", "mask")}
    if context.cells is not None:
        found["context.cells"] = context.cells
    for name, points in batch.points.items():
        found[f"{name}.coords"] = points.coords
        found |= {f"{name}.{known}": tensor for known, tensor in points.targets.items()}
    return found


def expect_batch(batch: Batch, domain: Domain, items: Tensor, split: str) -> None:
    """Demand what `Dataset.batch` promises."""
    context, number = batch.context, len(items)
    _expect_context(context, domain, items, split)
    demand(batch.points, f"{split}: there is no point set.", "Give at least one, such as 'pixels'.")
    for name, points in batch.points.items():
        size = points.coords.shape[1] if points.coords.dim() == 3 else -1
        found = f"{split}: {name}: coords are {tuple(points.coords.shape)}; expected (batch or 1, points, d_in)."
        demand(tuple(points.coords.shape) in ((number, size, domain.d_in), (1, size, domain.d_in)), found)
        for known, tensor in points.targets.items():
            found = f"{split}: {name}: {known} is {tuple(tensor.shape)}; expected (batch or 1, {size}, ...)."
            demand(tensor.dim() >= 2 and tensor.shape[0] in (1, number) and tensor.shape[1] == size, found)
        if "values" in points.targets:
            wrong = f"{split}: {name}: values have {points.values.shape[-1]} channels, the domain {domain.d_out}."
            demand(points.values.shape[-1] == domain.d_out, wrong)
    floating = {name: t for name, t in tensors(batch).items() if t.is_floating_point()}
    finite(floating.values(), split)
    wide = [name for name, tensor in floating.items() if tensor.dtype != torch.float32]
    demand(not wide, f"{split}: not float32: {', '.join(wide)}.", "The trainer casts where a recipe wants float64.")


def _expect_context(context: Context, domain: Domain, items: Tensor, split: str) -> None:
    demand(
        torch.equal(context.items, items), f"{split}: context.items is {context.items.tolist()}, not {items.tolist()}."
    )
    number, pairs = len(items), context.mask.shape[-1]
    shapes = {
        "coords": (number, pairs, domain.d_in),
        "values": (number, pairs, domain.d_out),
        "mask": (number, pairs),
        "cells": (number, pairs),
    }
    for name, shape in shapes.items():
        tensor = getattr(context, name)
        if tensor is not None:
            found = f"{split}: context.{name} is {tuple(tensor.shape)}; expected {shape}."
            demand(tuple(tensor.shape) == shape, found)
    demand(context.mask.dtype == torch.bool, f"{split}: context.mask is {context.mask.dtype}, not bool.")
