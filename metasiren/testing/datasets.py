"""Contract checks of datasets: items -> a batch with a context and named point sets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from metasiren.contracts import Batch, Dataset, Domain, Model, Points
from metasiren.nn.grids import grid
from metasiren.testing import common
from metasiren.testing.batches import expect_batch, tensors
from metasiren.testing.common import compare
from metasiren.testing.overfit import Memory, Sample, learns
from metasiren.testing.part import Part, seeded
from metasiren.testing.report import NotApplicable, demand
from metasiren.testing.signals import LastLayer, small_siren

FEW = (3, 7)


def construction(part: Part) -> None:
    """The factory gives a `Dataset` with a title, a training split and a domain."""
    made = part.make()
    demand(isinstance(made, Dataset), f"the factory gives {type(made).__name__}.", "Subclass metasiren.Dataset.")
    demand(isinstance(getattr(made, "title", None), str) and made.title, "there is no title.", "Set self.title.")
    demand(isinstance(getattr(made, "domain", None), Domain), "there is no Domain.", "Set self.domain.")
    counts = dict(getattr(made, "splits", {}))
    demand(counts.get("train", 0) > 0, f"splits are {counts}.", "Give a split 'train' with at least one item.")
    demand(made.domain.items == counts["train"], "domain.items is not the number of training items.")


def batches(part: Part) -> None:
    """In every split, batches of one item and of several have the shapes and types that the contract names."""
    made = part.make()
    for split, count in made.splits.items():
        for number in (1, min(3, count)):
            items = torch.arange(count - number, count)
            expect_batch(_draw(made, split, items, FEW), made.domain, items, split)


def context_sizes(part: Part) -> None:
    """Contexts have as many points as were asked for: 0, 1, between 3 and 7, and 1024 (or all there are)."""
    made = part.make()
    _contextual(made)
    items = torch.arange(min(4, made.splits["train"]))
    for least, most in ((0, 0), (1, 1), FEW, (1024, 1024)):
        counts = _draw(made, "train", items, (least, most)).context.mask.sum(1)
        found = f"contexts of {counts.tolist()} points where {least} to {most} were asked for."
        enough = counts.min() >= least if least < 1024 else counts.min() > 0
        demand(enough and counts.max() <= most, found)


def padding(part: Part) -> None:
    """Padding is at the end, and zero."""
    made = part.make()
    _contextual(made)
    context = _draw(made, "train", torch.arange(min(4, made.splits["train"])), FEW).context
    demand(bool((context.mask[:, 1:] <= context.mask[:, :-1]).all()), "padding stands before observed points.")
    for name in ("coords", "values", "cells"):
        tensor = getattr(context, name)
        if tensor is not None:
            demand(not bool(tensor[~context.mask].any()), f"padding of {name} is not zero.")


def observations(part: Part) -> None:
    """The values of a context on a grid equal those of the point set on that grid at the same cells."""
    made = part.make()
    _contextual(made)
    batch = _draw(made, "train", torch.arange(min(4, made.splits["train"])), FEW)
    whole = [p for p in batch.points.values() if "values" in p.targets and p.on_grid(made.domain)]
    context = batch.context
    if context.cells is None or not whole:
        raise NotApplicable("no known values on the context's grid to compare with")
    coords = grid(made.domain.grid or ())[context.cells]
    compare(context.coords[context.mask], coords[context.mask], "coords beside the grid's at `cells`")
    values = whole[0].values.expand(len(context.items), -1, -1)
    at_cells = values.gather(1, context.cells.unsqueeze(-1).expand(-1, -1, values.shape[-1]))
    compare(context.values[context.mask], at_cells[context.mask], "context values beside the point set's")


def independence(part: Part) -> None:
    """A signal is the same alone as in a batch, and in another order."""
    made = part.make()
    count = min(3, made.splits["train"])
    together = _draw(made, "train", torch.arange(count).flip(0), None)
    compared = False
    for i in range(count):
        alone = _draw(made, "train", torch.tensor([count - 1 - i]), None)
        for name, points in alone.points.items():
            mine = _item(together.points[name], i, count)
            if mine.coords.shape == points.coords.shape and torch.equal(mine.coords, points.coords):
                compared = True
                for known, tensor in points.targets.items():
                    compare(mine.targets[known], tensor, f"{known} at {name} of an item in a batch")
    if not compared:
        raise NotApplicable("points are drawn anew for each batch")


def determinism(part: Part) -> None:
    """Batches follow from split, items and generator alone: without that, no run could be repeated or resumed."""
    first, second = part.make(seed=0), part.make(seed=0)
    items = torch.arange(min(3, first.splits["train"]))
    with seeded(1):
        once = tensors(_draw(first, "train", items, FEW))
    with seeded(2):
        twice = tensors(_draw(first, "train", items, FEW))
    other = tensors(_draw(second, "train", items, FEW))
    advice = "Draw from the generator that is given, and from nothing else."
    for name, tensor in once.items():
        demand(torch.equal(tensor, twice[name]), f"{name} changes from call to call.", advice)
        demand(torch.equal(tensor, other[name]), f"{name} differs in a second data set.", advice)


def ownership(part: Part) -> None:
    """Values in a batch are the caller's: overwriting them leaves the data set alone."""
    made = part.make()
    items = torch.arange(min(2, made.splits["train"]))
    before = {name: tensor.clone() for name, tensor in tensors(_draw(made, "train", items, FEW)).items()}
    batch = _draw(made, "train", items, FEW)
    batch.context.values.fill_(9)
    for points in batch.points.values():
        if "values" in points.targets and points.values.shape[0] == len(items):
            points.values.fill_(9)
    for name, tensor in tensors(_draw(made, "train", items, FEW)).items():
        demand(torch.equal(tensor, before[name]), f"{name}: overwriting a batch changed the data set.", "Give a copy.")


def moving(part: Part) -> None:
    """`to` gives back a data set that works, on a GPU too where there is one."""
    made = part.make()
    places = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    for place in places:
        moved = made.to(place)
        demand(isinstance(moved, Dataset), f"to({place!r}) gives {type(moved).__name__}.", "Return self.")
        batch = moved.batch(
            "train", torch.zeros(1, dtype=torch.long, device=place), generator=torch.Generator(place).manual_seed(0)
        )
        for name, tensor in tensors(batch).items():
            demand(tensor.device.type == place, f"{name} lies on {tensor.device}, the items on {place}.")


def missing(part: Part) -> None:
    """`missing` says None where the data can be used, and otherwise why not."""
    factory: Any = part.loaded
    if not hasattr(factory, "missing"):
        raise NotApplicable("the factory is not a class")
    reason = factory.missing(**part.given())
    demand(reason is None, f"the data was read, yet missing() says {reason!r}.")


def overfit(part: Part) -> None:
    """50 steps with free latents and a small decoder halve the error on (up to) four signals."""
    made = part.make()
    items = min(4, made.splits["train"])
    batch = _draw(made, "train", torch.arange(items), None)
    known = [name for name, points in batch.points.items() if "values" in points.targets]
    if not known:
        raise NotApplicable("no point set has known values")
    with seeded(0):
        memory = Memory(replace(made.domain, items=items), 8)
        decoder = LastLayer(small_siren(made.domain), 8)
    learns(Model(memory, decoder), Sample(made, batch, known[0]), items, at=known[0], against="start")


CHECKS = (
    common.options,
    common.documented,
    construction,
    batches,
    context_sizes,
    padding,
    observations,
    independence,
    determinism,
    ownership,
    moving,
    missing,
    overfit,
)


def _draw(made: Any, split: str, items: Tensor, context: tuple[int, int] | None) -> Batch:
    batch: Batch = made.batch(split, items, context=context, generator=torch.Generator().manual_seed(0))
    return batch


def _contextual(made: Any) -> None:
    if not _draw(made, "train", torch.tensor([0]), (3, 3)).context.mask.any():
        raise NotApplicable("this data gives no contexts: its signals are fitted alone")


def _item(points: Points, i: int, batch: int) -> Points:
    def one(x: Tensor) -> Tensor:
        return x[i : i + 1] if x.shape[0] == batch else x

    return Points(one(points.coords), {name: one(tensor) for name, tensor in points.targets.items()})
