"""Parts of a batch whose mean losses add up to the loss of the whole: for several processes, and for less memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from metasiren.contracts import Batch, Points

Factors = Mapping[str | None, float]
"""By point set (None for constraints without one): what a part's mean loss is multiplied by."""


def part_of(batch: Batch, part: int, parts: int, whole: Collection[str] = ()) -> tuple[Batch, Factors]:
    """Part number `part` (from 0) of `parts`.

    A batch of several items is cut into groups of items. A batch of a single item is cut into groups of points, every
    `parts`-th of each set; sets named in `whole`, and those of fewer points than parts, are in every part.

    The mean over all parts of (factor times the part's loss) is the loss of the whole batch, for losses that are means
    over items or over the points of their set; a constraint without a point set counts items.

    Returns:
        the part, and the factors of its losses: 1 where parts are equal.
    """
    if parts == 1:
        return batch, {}
    count = len(batch.context.items)
    if count == 1:
        sets, factors = {}, dict[str | None, float]()
        for name, points in batch.points.items():
            sets[name], factors[name] = (points, 1.0) if name in whole else _some_points(points, part, parts)
        return replace(batch, points=sets), factors
    # Fewer items than parts: those left over repeat the first item, and do not count.
    mine = torch.arange(count).tensor_split(parts)[part].tolist()
    rows = slice(mine[0], mine[-1] + 1) if mine else slice(0, 1)

    def take(tensor: Tensor) -> Tensor:
        return tensor[rows] if tensor.dim() and tensor.shape[0] == count else tensor

    factor = len(mine) * parts / count
    cut = Batch(batch.context._map(take), {name: points._map(take) for name, points in batch.points.items()})
    names: list[str | None] = [None, *batch.points]
    return cut, dict.fromkeys(names, factor)


def _some_points(points: Points, part: int, parts: int) -> tuple[Points, float]:
    count = points.coords.shape[1]
    if count < parts:
        return points, 1.0

    def take(tensor: Tensor) -> Tensor:
        return tensor[:, part::parts] if tensor.dim() > 1 and tensor.shape[1] == count else tensor

    cut = points._map(take)
    return cut, cut.coords.shape[1] * parts / count
