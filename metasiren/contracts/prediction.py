"""Evaluate a field once at every point, with the highest derivative that a constraint or metric of its set needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from metasiren.contracts.data import Batch
from metasiren.contracts.field import Field
from metasiren.contracts.objective import Constraint, Metric, Prediction
from metasiren.errors import RecipeError
from metasiren.nn.derivatives.orders import Jet, Order, highest

FEW = 2**13
"""Up to so many points together, sets of one order are evaluated at once.

With few points, the work of starting operations counts; with many, memory does: gradients of one set after the other
take less.
"""


def orders_of(asked: Iterable[Constraint | Metric]) -> dict[str, Order]:
    """Point set -> the highest order of derivatives that is asked for there. Parts without a point set are left out.

    Raises:
        RecipeError: an unknown order.
    """
    wanted: dict[str, list[Order]] = {}
    for each in asked:
        if each.at is not None:
            wanted.setdefault(each.at, []).append(each.order)
    return {at: highest(orders) for at, orders in wanted.items()}


def predict(
    field: Field, latent: Tensor, batch: Batch, orders: Mapping[str, Order], *, chunk_points: int | None = None
) -> Prediction:
    """Evaluate a field at every point set, for constraints and metrics; small sets of one order at once.

    Args:
        field: the decoded field.
        latent: from which it was decoded.
        batch: context and point sets.
        orders: point set -> order, as `orders_of` gives them.
        chunk_points: evaluate so many points at a time (see `metasiren.jet`).

    Raises:
        RecipeError: a point set that the batch lacks.
    """
    for at in orders:
        if at not in batch.points:
            found = f"the data has no such point set; it has {sorted(batch.points)}."
            raise RecipeError(f"at: {at}", found, "Name one of them.")
    options = {} if chunk_points is None else {"chunk_points": chunk_points}
    jets: dict[str, Jet] = {}
    for sets, order in _groups({at: batch.points[at].coords for at in orders}, orders):
        if len(sets) == 1:
            jets |= {at: field.jet(coords, order, **options) for at, coords in sets.items()}
        else:
            jets |= _parts(field.jet(torch.cat(list(sets.values()), 1), order, **options), sets)
    return Prediction(batch, latent, field, {at: jets[at] for at in orders})


def _groups(coords: Mapping[str, Tensor], orders: Mapping[str, Order]) -> list[tuple[dict[str, Tensor], Order]]:
    """Point sets that are evaluated together, and their order."""
    groups: dict[object, dict[str, Tensor]] = {}
    for at, x in coords.items():
        groups.setdefault((orders[at], x.shape[0], x.shape[2:], x.dtype), {})[at] = x
    found = []
    for sets in groups.values():
        few = sum(x.shape[0] * x.shape[1] for x in sets.values()) <= FEW
        found += [sets] if few else [{at: x} for at, x in sets.items()]
    return [(sets, orders[next(iter(sets))]) for sets in found]


def _parts(whole: Jet, sets: Mapping[str, Tensor]) -> dict[str, Jet]:
    """The jet of every set from that of all sets' points."""
    sizes = [x.shape[1] for x in sets.values()]
    split = {name: tensor.split(sizes, 1) for name, tensor in vars(whole).items() if tensor is not None}
    return {at: Jet(**{name: each[k] for name, each in split.items()}) for k, at in enumerate(sets)}
