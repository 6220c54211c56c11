"""Contract checks of constraints: Prediction -> scalar."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from metasiren.contracts import Constraint
from metasiren.testing import common, fits
from metasiren.testing.common import compare, finite
from metasiren.testing.fits import Bench, asked_twice
from metasiren.testing.overfit import STEPS
from metasiren.testing.part import Part
from metasiren.testing.report import NotApplicable, demand
from metasiren.testing.signals import capacity


def construction(part: Part) -> None:
    """The factory gives a `Constraint` that names its point set and the derivatives it needs."""
    made = part.make()
    demand(isinstance(made, Constraint), f"the factory gives {type(made).__name__}.", "Subclass metasiren.Constraint.")
    demand(made.at is None or isinstance(made.at, str), f"at is {made.at!r}.", "Name a point set, or None.")
    common.known_order(made.order)
    hidden = isinstance(made, nn.Module) and any(True for _ in made.parameters())
    demand(not hidden, "it has parameters, which would be neither trained nor saved.", "Give them to the decoder.")


def scalar(part: Part) -> None:
    """The loss is one finite float32 number, for one item and for several."""
    made = part.make()
    bench = Bench(part, made)
    for item in (None, 0):
        _expect(made(bench.fit(item=item)), torch.float32)


def context_sizes(part: Part) -> None:
    """Fits whose context observed 0, 1 and 1024 points (or all there are) have finite losses."""
    made = part.make()
    for pairs in sorted({0, 1, capacity(part.dataset)}):
        _expect(made(Bench(part, made, pairs=pairs).fit()), torch.float32)


def float64(part: Part) -> None:
    """In float64 the loss has float64, and agrees with float32."""
    made = part.make()
    double = made(Bench(part, made, dtype=torch.float64).fit())
    _expect(double, torch.float64)
    compare(made(Bench(part, made).fit()).detach(), double.detach(), "float32 beside float64", 1e-2)


def batch_mean(part: Part) -> None:
    """A batch's loss is the mean of its items' losses, so that the batch size does not act as a weight."""
    made = part.make()
    bench = Bench(part, made)
    count = len(bench.latent)
    if count < 2:
        raise NotApplicable("the data has one item")
    alone = torch.stack([made(bench.fit(item=i)) for i in range(count)])
    compare(made(bench.fit()).detach(), alone.mean().detach(), "a batch beside the mean of its items", 1e-3)


def determinism(part: Part) -> None:
    """The same fit gives the same loss."""
    demand(
        torch.equal(*asked_twice(part, lambda made, bench: made(bench.fit()))),
        "a second call gives another loss.",
        "Draw random points in the data set.",
    )


def gradients(part: Part) -> None:
    """The loss sends a finite gradient that is not zero to the field's weights, or to the latent."""
    bench = Bench(part, made := part.make())
    grads = _gradients(made(bench.fit()), bench)
    demand(any(bool((g != 0).any()) for g in grads), "no gradient reaches the weights or the latent.")


def autocast(part: Part) -> None:
    """Under bfloat16 autocast the loss is close to that of float32, and gradients are finite."""
    bench = Bench(part, made := part.make())
    exact = made(bench.fit()).detach()
    fit = bench.fit()
    with torch.autocast("cpu", torch.bfloat16):
        loss = made(fit)
    compare(loss.detach().float(), exact, "the loss under autocast", 0.1)
    _gradients(loss, bench)


def overfit(part: Part) -> None:
    """50 steps of Adam on a small field lower the loss by a fifth or more."""
    made = part.make()
    bench = Bench(part, made)
    optimizer = torch.optim.Adam(bench.leaves, lr=1e-2)
    start = float(made(bench.fit()).detach())
    for _ in range(STEPS):
        loss = made(bench.fit())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    end = float(made(bench.fit()).detach())
    demand(end <= start - abs(start) / 5, f"the loss went from {start:.4g} to {end:.4g} in {STEPS} steps.")


CHECKS = (
    common.options,
    common.documented,
    construction,
    scalar,
    context_sizes,
    float64,
    batch_mean,
    determinism,
    fits.device,
    gradients,
    autocast,
    overfit,
)


def _expect(loss: Any, dtype: torch.dtype) -> None:
    demand(isinstance(loss, Tensor), f"the loss is a {type(loss).__name__}, not a tensor.")
    demand(loss.dim() == 0, f"the loss is {tuple(loss.shape)}, not a scalar.", "Take the mean.")
    demand(loss.dtype == dtype, f"the loss has {loss.dtype}; expected {dtype}.")
    finite([loss], "the loss")


def _gradients(loss: Tensor, bench: Bench) -> list[Tensor]:
    demand(loss.requires_grad, "the loss carries no gradient.", "Look for detach(), no_grad() or .item().")
    grads = torch.autograd.grad(loss, bench.leaves, allow_unused=True)
    found = [g for g in grads if g is not None]
    finite(found, "gradients")
    return found
