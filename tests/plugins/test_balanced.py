"""Balanced Adam: every term's gradient has equal size, whatever the recipe's weights, and logged losses stay
unweighted."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

from metasiren import Batch, Constraint, Context, Domain, Model, Points, Prediction, Problem, RecipeError, Siren
from metasiren.contracts.optimizer import Weighted
from metasiren.engine.trainer import Objective
from metasiren_basics.balanced import BalancedAdam
from metasiren_basics.fixed import FixedEncoder
from metasiren_basics.free import FreeDecoder

DOMAIN = Domain(1, 1)


class Value(Constraint):
    """The field is one."""

    at = "points"

    def __call__(self, prediction: Prediction) -> Tensor:
        return (prediction.jets[self.at].value - 1).square().mean()


class Slope(Constraint):
    """The field's slope is zero."""

    at, order = "points", "gradient"

    def __call__(self, prediction: Prediction) -> Tensor:
        gradient = prediction.jets[self.at].gradient
        assert gradient is not None
        return gradient.square().mean()


def problem(weight: float) -> Problem:
    torch.manual_seed(0)
    siren = Siren(in_features=1, out_features=1, hidden_features=8, hidden_layers=1, first_omega=3)
    model = Model(FixedEncoder(DOMAIN), FreeDecoder(siren, 0))
    batch = Batch(Context.empty(torch.arange(1), DOMAIN), {"points": Points(torch.linspace(-1, 1, 9).view(1, 9, 1))})
    weighted = (Weighted("value", weight, Value()), Weighted("slope", 1.0, Slope()))
    return Problem(model, weighted, batch, None, partial(Objective(model, weighted), batch, None))


def test_terms_pull_equally_hard() -> None:
    task = problem(1e4)
    optimizer = BalancedAdam(task.model.parameters(), lr=1e-4)
    parameters = list(task.model.parameters())
    losses = task.losses()
    norms = [
        torch.cat([g.flatten() for g in torch.autograd.grad(w.weight * losses[w.name], parameters, retain_graph=True,
                                                            materialize_grads=True)]).norm()
        for w in task.constraints
    ]  # fmt: skip
    logged = optimizer.step_on(task)
    factors = optimizer.param_groups[0]["factors"]
    pulls = [factors[w.name] * float(n) for w, n in zip(task.constraints, norms, strict=True)]
    assert pulls[0] == pytest.approx(pulls[1], rel=1e-4)
    assert float(logged["loss"]) == pytest.approx(1e4 * float(logged["value"]) + float(logged["slope"]), rel=1e-5)


def test_factors_move_slowly() -> None:
    task = problem(1.0)
    optimizer = BalancedAdam(task.model.parameters(), lr=1e-1, every=1, memory=0.9)
    optimizer.step_on(task)
    first = dict(optimizer.param_groups[0]["factors"])
    optimizer.step_on(task)
    second = optimizer.param_groups[0]["factors"]
    # A tenth of the way to a number above zero, so never below nine tenths.
    assert all(second[name] >= 0.9 * first[name] for name in first)
    assert second != first


def test_it_learns() -> None:
    task = problem(1e3)
    optimizer = BalancedAdam(task.model.parameters(), lr=1e-2, every=10)
    first = float(optimizer.step_on(task)["loss"])
    for _ in range(100):
        optimizer.step_on(task)
    assert float(task.losses()["loss"].detach()) < 1e-2 * first


@pytest.mark.parametrize(("every", "memory", "match"), [(0, 0.5, "every"), (1, 1.0, "memory")])
def test_options_have_ranges(every: int, memory: float, match: str) -> None:
    with pytest.raises(RecipeError, match=f"balanced_adam: {match}"):
        BalancedAdam(problem(1.0).model.parameters(), lr=1e-3, every=every, memory=memory)
