"""Evaluate a field once per point set, at the highest derivative that a constraint or metric needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor

from metasiren.contracts.data import Batch
from metasiren.contracts.model import Field
from metasiren.contracts.objective import Constraint, Metric, Prediction
from metasiren.errors import RecipeError
from metasiren.nn.derivatives.orders import Order, highest


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
    """Evaluate a field at every point set, for constraints and metrics.

    Args:
        field: the decoded field.
        latent: from which it was decoded.
        batch: context and point sets.
        orders: point set -> order, as `orders_of` gives them.
        chunk_points: evaluate so many points at a time (see `metasiren.jet`).

    Raises:
        RecipeError: a point set that the batch lacks.
    """
    jets = {}
    for at, order in orders.items():
        if at not in batch.points:
            found = f"the data has no such point set; it has {sorted(batch.points)}."
            raise RecipeError(f"at: {at}", found, "Name one of them.")
        options = {} if chunk_points is None else {"chunk_points": chunk_points}
        jets[at] = field.jet(batch.points[at].coords, order, **options)
    return Prediction(batch, latent, field, jets)
