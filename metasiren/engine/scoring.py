"""Metrics of a trained model: `results/metrics.json`, one number by name."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping

import torch
from torch import Tensor

from metasiren.assembly.parts import check_point_sets, evaluated_split
from metasiren.contracts import Dataset, Metric, Model, orders_of, predict

ITEMS_AT_ONCE = 16
POINTS_AT_ONCE = 1 << 16


def score(
    model: Model,
    dataset: Dataset,
    metrics: Mapping[str, Metric],
    *,
    context: tuple[int, int] | None = None,
    limit: int | None = None,
    device: torch.device | str = "cpu",
) -> dict[str, float | None]:
    """The mean of each metric over the items of the split `test`, or else `val`, or else `train`.

    Args:
        model: in evaluation mode, on `device`.
        dataset: on `device`.
        metrics: by the names that the numbers shall have; a unit is appended where the name does not end with it.
        context: least and most observed points of an item, drawn under a fixed seed.
        limit: evaluate only the first so many items.
        device: where to compute.

    Returns:
        name -> mean; None where it is not finite.

    Raises:
        RecipeError: a metric names a point set that the data lacks.
    """
    split = evaluated_split(dataset)
    count = min(limit or dataset.splits[split], dataset.splits[split])
    generator = torch.Generator(device).manual_seed(0)
    found: dict[str, list[Tensor]] = defaultdict(list)
    with torch.no_grad():
        for items in torch.split(torch.arange(count, device=device), ITEMS_AT_ONCE):
            batch = dataset.batch(split, items, context=context, generator=generator)
            dtype = next((p.dtype for p in model.parameters()), torch.float32)
            batch = batch.cast(dtype)
            latent = model.encoder(batch.context, model.decoder)
            field = model.decoder.field(latent)
            check_point_sets(metrics, batch.points)
            orders = orders_of(metrics.values())
            prediction = predict(field, latent, batch, orders, chunk_points=POINTS_AT_ONCE)
            for name, metric in metrics.items():
                found[name].append(metric(prediction).double().cpu())
    means = {_with_unit(name, metrics[name].unit): float(torch.cat(parts).mean()) for name, parts in found.items()}
    return {name: mean if math.isfinite(mean) else None for name, mean in means.items()}


def _with_unit(name: str, unit: str) -> str:
    suffix = re.sub(r"\W+", "_", unit.lower()).strip("_")
    return name if not suffix or name.lower().endswith(suffix) else f"{name}_{suffix}"
