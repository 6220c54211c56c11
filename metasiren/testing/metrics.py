"""Contract checks of metrics: Prediction -> one number per item."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from metasiren.contracts import Metric
from metasiren.testing import common, fits
from metasiren.testing.common import compare, finite
from metasiren.testing.fits import Bench, asked_twice
from metasiren.testing.part import Part
from metasiren.testing.report import demand
from metasiren.testing.signals import capacity


def construction(part: Part) -> None:
    """The factory gives a `Metric` with a unit (empty for a plain number)."""
    made = part.make()
    demand(isinstance(made, Metric), f"the factory gives {type(made).__name__}.", "Subclass metasiren.Metric.")
    demand(isinstance(made.unit, str), f"unit is {made.unit!r}.", "Give a word such as 'dB', or an empty one.")
    demand(made.at is None or isinstance(made.at, str), f"at is {made.at!r}.", "Name a point set, or None.")
    common.known_order(made.order)


def per_item(part: Part) -> None:
    """One finite float32 number for each item, for batches of one too."""
    made = part.make()
    bench = Bench(part, made)
    _expect(_ask(made, bench), len(bench.latent), torch.float32)
    _expect(_ask(made, bench, item=0), 1, torch.float32)


def context_sizes(part: Part) -> None:
    """Fits whose context observed 0, 1 and 1024 points (or all there are) have finite numbers."""
    made = part.make()
    for pairs in sorted({0, 1, capacity(part.dataset)}):
        bench = Bench(part, made, pairs=pairs)
        _expect(_ask(made, bench), len(bench.latent), torch.float32)


def float64(part: Part) -> None:
    """In float64 the numbers have float64, and agree with float32."""
    made = part.make()
    bench = Bench(part, made, dtype=torch.float64)
    double = _ask(made, bench)
    _expect(double, len(bench.latent), torch.float64)
    compare(_ask(made, Bench(part, made)), double, "float32 beside float64", 1e-2)


def independence(part: Part) -> None:
    """An item's number is the same alone as in a batch."""
    made = part.make()
    bench = Bench(part, made)
    together = _ask(made, bench)
    for i in range(len(together)):
        compare(together[i : i + 1], _ask(made, bench, item=i), "an item in a batch")


def determinism(part: Part) -> None:
    """The same fit gives the same numbers."""
    demand(torch.equal(*asked_twice(part, _ask)), "a second call gives other numbers.", "Draw nothing at random.")


def heeds_field(part: Part) -> None:
    """Another field has other numbers."""
    made = part.make()
    bench = Bench(part, made)
    before = _ask(made, bench)
    with torch.no_grad():
        bench.latent.neg_()
        for parameter in bench.decoder.parameters():
            parameter.mul_(0.5)
    demand(not torch.equal(before, _ask(made, bench)), "another field has the same numbers.")


def autocast(part: Part) -> None:
    """Under bfloat16 autocast the numbers are close to those of float32."""
    made = part.make()
    bench = Bench(part, made)
    exact = _ask(made, bench)
    with torch.no_grad():
        fit = bench.fit()
        with torch.autocast("cpu", torch.bfloat16):
            found = made(fit)
    finite([found], "numbers under autocast")
    compare(found.float(), exact, "numbers under autocast", 0.1)


CHECKS = (
    common.options,
    common.documented,
    construction,
    per_item,
    context_sizes,
    float64,
    independence,
    determinism,
    heeds_field,
    fits.device,
    autocast,
)


def _ask(made: Any, bench: Bench, item: int | None = None) -> Tensor:
    with torch.no_grad():
        numbers: Tensor = made(bench.fit(item=item))
    return numbers


def _expect(numbers: Any, count: int, dtype: torch.dtype) -> None:
    demand(isinstance(numbers, Tensor), f"the metric gives a {type(numbers).__name__}, not a tensor.")
    found = f"the numbers are {tuple(numbers.shape)}; expected ({count},)."
    demand(tuple(numbers.shape) == (count,), found, "Reduce over points and channels, not over items.")
    demand(numbers.dtype == dtype, f"the numbers have {numbers.dtype}; expected {dtype}.")
    finite([numbers], "the numbers")
