"""Many fields fitted at once: one batched evaluation and one Adam over stacked weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from metasiren import Params, Siren, TrainingError


@dataclass(frozen=True)
class Fits:
    """Fitted weights.

    Attributes:
        params: (items, ...) as `Siren.init` lays them out.
        mse: (items,) mean squared error over points and channels, in the signals' own range.
        steps: (items,) steps taken.
        marked: (marks, items) the mean squared error after each number of steps that was asked for.
        kept: the weights after the number of steps that was asked for; `params` where none was.
    """

    params: dict[str, Tensor]
    mse: Tensor
    steps: Tensor
    marked: Tensor
    kept: dict[str, Tensor]


def fit_together(
    siren: Siren,
    params: Params,
    coords: Tensor,
    values: Tensor,
    *,
    steps: int,
    lr: float,
    until: float = 0.0,
    check_every: int = 10,
    points: int | None = None,
    seed: int = 0,
    marks: Sequence[int] = (),
    keep_at: int | None = None,
    stepped: Callable[[int], object] = lambda count: None,
) -> Fits:
    """Fit every item as if it were alone.

    The loss is the sum of the items' mean squared errors, and Adam works on each number by itself: an item's weights
    do not depend on the others. An item that reaches `until` leaves the batch, and the rest goes on faster.

    Args:
        siren: the architecture.
        params: initial weights (items, ...).
        coords: (items, points, in), or (1, points, in) where all share them.
        values: (items, points, out).
        steps: at most.
        lr: Adam's learning rate.
        until: mean squared error at which an item stops.
        check_every: steps between two evaluations of the errors, over all points.
        points: random points of each step, the same for all items; all of them by default.
        seed: of the random points.
        marks: numbers of steps after which all errors are kept; an item that stopped before keeps its last.
        keep_at: a number of steps after which all weights are kept, too.
        stepped: called with 1 after each step.

    Raises:
        TrainingError: an item's error is not finite; it names the items.
    """
    count = values.shape[0]
    final = kept = {name: p.detach().clone() for name, p in params.items()}
    mse, taken = values.new_zeros(count), torch.zeros(count, dtype=torch.long, device=values.device)
    marked = values.new_zeros(len(marks), count)
    active = torch.arange(count, device=values.device)
    weights = {name: p.clone().requires_grad_() for name, p in final.items()}
    adam = torch.optim.Adam(weights.values(), lr=lr)
    draw, size = torch.Generator().manual_seed(seed), values.shape[1]

    def errors(chosen: Tensor | slice) -> Tensor:
        return (siren(weights, coords[:, chosen]) - values[:, chosen]).square().mean((1, 2))

    for step in range(steps + 1):
        if step == keep_at:
            kept = {name: p.index_copy(0, active, weights[name].detach()) for name, p in final.items()}
        looks = step == steps or (until > 0 and step % check_every == 0)
        if looks or step in marks:
            with torch.no_grad():
                losses = mse[active] = errors(slice(None))
            for row, mark in zip(marked, marks, strict=True):
                if step == mark:
                    row[:] = mse
            ended = (losses <= until) | (step == steps)
            if looks and ended.any():
                gone = active[ended]
                taken[gone] = step
                for name, p in weights.items():
                    final[name][gone] = p.detach()[ended]
                if ended.all():
                    break
                left = ~ended
                active, values = active[left], values[left]
                coords = coords if coords.shape[0] == 1 else coords[left]
                weights, adam = _only(weights, adam, left, lr)
        chosen = slice(None) if points is None else torch.randint(size, (points,), generator=draw).to(values.device)
        adam.zero_grad()
        errors(chosen).sum().backward()  # type: ignore[no-untyped-call]
        adam.step()
        stepped(1)
    for row, mark in zip(marked, marks, strict=True):
        if mark > step:
            row[:] = mse
    if not bool(mse.isfinite().all()):
        wrong = (~mse.isfinite()).nonzero().flatten().tolist()
        raise TrainingError("zoo", f"the error of items {wrong} is not finite.", "Lower the learning rate.")
    return Fits(final, mse, taken, marked, kept)


def fit_from(
    siren: Siren,
    start: Params,
    coords: Tensor,
    values: Tensor,
    *,
    steps: Sequence[int],
    lr: float,
    keep_at: int | None = None,
) -> Fits:
    """Fit every item from the same weights; `Fits.marked` has the errors after each number of steps.

    Args:
        siren: the architecture.
        start: one set of weights (1, ...), which stays as it is.
        coords: (items, points, in), or (1, points, in) where all share them.
        values: (items, points, out), in the dtype of the weights.
        steps: numbers of steps, ascending.
        lr: Adam's learning rate.
        keep_at: as in `fit_together`.
    """
    stacked = {name: p.detach().expand(len(values), *p.shape[1:]) for name, p in start.items()}
    with torch.enable_grad():
        return fit_together(siren, stacked, coords, values, steps=steps[-1], lr=lr, marks=steps, keep_at=keep_at)


def _only(
    weights: dict[str, Tensor], adam: torch.optim.Adam, kept: Tensor, lr: float
) -> tuple[dict[str, Tensor], torch.optim.Adam]:
    """Weights and optimiser of the items that go on."""
    fewer = {name: p.detach()[kept].requires_grad_() for name, p in weights.items()}
    narrowed = torch.optim.Adam(fewer.values(), lr=lr)
    for name, p in weights.items():
        if state := adam.state.get(p):
            narrowed.state[fewer[name]] = {k: v[kept] if v.dim() else v for k, v in state.items()}
    return fewer, narrowed
