"""Meta-learned initial weights: the outer gradients of first-order MAML and of Reptile, item by item."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Literal

import pytest
import torch
from resuming import check_resumed_equals_uninterrupted

import metasiren as ms
from metasiren import Batch, Context, Domain, Model, Points, Problem, RecipeError, Siren
from metasiren.contracts.optimizer import Weighted
from metasiren.engine.objective import Objective
from metasiren_basics.fixed import FixedEncoder
from metasiren_basics.free import FreeDecoder
from metasiren_basics.hypernetwork import Hypernetwork
from metasiren_basics.meta_adam import MetaAdam
from metasiren_basics.priors import Mse
from metasiren_fields.export.formats import write

DOMAIN = Domain(1, 1, items=3)
SIREN = Siren(in_features=1, out_features=1, hidden_features=6, hidden_layers=1, first_omega=5)


def task(items: int = 3) -> Problem:
    """Sines of several phases, whose values an Mse of weight 2 wants."""
    torch.manual_seed(0)
    model = Model(FixedEncoder(DOMAIN), FreeDecoder(SIREN, 0)).double()
    coords = torch.linspace(-1, 1, 9, dtype=torch.float64).view(1, 9, 1)
    values = torch.sin(4 * coords + torch.arange(items).view(-1, 1, 1))
    points = {"pixels": Points(coords, {"values": values})}
    batch = Batch(Context.empty(torch.arange(items), DOMAIN, torch.float64), points)
    weighted = (Weighted("mse", 2.0, Mse()),)
    return Problem(model, weighted, batch, None, partial(Objective(model, weighted), batch, None))


def one_by_one(problem: Problem, method: str, steps: int, rate: float) -> list[torch.Tensor]:
    """The outer gradient by a loop over items, with torch's own SGD."""
    points, start = problem.batch.points["pixels"], problem.model.decoder(torch.zeros(1, 0))
    found = [torch.zeros_like(w[0]) for w in start.values()]
    for values in points.values:
        own = {name: w.detach().clone().requires_grad_() for name, w in start.items()}
        sgd = torch.optim.SGD(own.values(), lr=rate)
        for step in range(steps + 1):
            sgd.zero_grad()
            (2 * (SIREN(own, points.coords) - values).square().mean()).backward()
            if step < steps:
                sgd.step()
        for total, w, p in zip(found, start.values(), own.values(), strict=True):
            assert p.grad is not None
            total += (p.grad if method == "maml" else w.detach() - p.detach())[0] / len(points.values)
    return found


@pytest.mark.parametrize("method", ["maml", "reptile"])
def test_the_outer_gradient_is_that_of_a_loop_over_signals(method: Literal["maml", "reptile"]) -> None:
    problem = task()
    expected = one_by_one(problem, method, 4, 0.03)
    MetaAdam(problem.model.parameters(), lr=1e-3, method=method, inner_steps=4, inner_lr=0.03).step_on(problem)
    for w, gradient in zip(problem.model.parameters(), expected, strict=True):
        torch.testing.assert_close(w.grad, gradient, rtol=1e-10, atol=1e-14)


def test_one_signal_and_steps_of_no_length_are_adam() -> None:
    """With inner steps that go nowhere MAML is Adam on the mean loss."""
    problem, plain = task(), task()
    meta = MetaAdam(problem.model.parameters(), lr=1e-2, inner_steps=1, inner_lr=1e-300)
    adam = torch.optim.Adam(plain.model.parameters(), lr=1e-2)
    for _ in range(5):
        logged = meta.step_on(problem)
        adam.zero_grad()
        loss = plain.losses()["loss"]
        loss.backward()
        adam.step()
        torch.testing.assert_close(logged["loss"], loss.detach(), rtol=1e-9, atol=0)
        torch.testing.assert_close(logged["adapted"], logged["loss"], rtol=1e-9, atol=0)


@pytest.mark.parametrize("method", ["maml", "reptile"])
def test_signals_are_fitted_better_after_the_same_few_steps(method: Literal["maml", "reptile"]) -> None:
    problem = task()
    optimizer = MetaAdam(problem.model.parameters(), lr=1e-3, method=method, inner_steps=3, inner_lr=0.003)
    reached = [float(optimizer.step_on(problem)["adapted"]) for _ in range(200)]
    assert reached[-1] < 0.05 * reached[0]


def test_a_resumed_training_is_the_uninterrupted_one_and_its_weights_begin_a_picture(tmp_path: Path) -> None:
    overrides = {
        "siren.hidden_features": 8, "siren.hidden_layers": 1, "data.train": 8, "data.val": 2, "data.test": 0,
        "data.size": 8, "train.batch": 4, "train.schedule": "constant", "train.steps": 4,
        "train.checkpoint_every": 2, "evaluate.steps": [0, 3],
    }  # fmt: skip
    recipe = ms.load_recipe("meta_start", preset="quick", overrides=overrides)
    made = check_resumed_equals_uninterrupted(recipe, tmp_path)
    numbers = json.loads((made.results / "metrics.json").read_text("utf-8"))
    assert {"psnr_db_after_0", "psnr_db_after_3", "drawn_psnr_db_after_0", "drawn_psnr_db_after_3"} <= set(numbers)
    write(made.path, f"{tmp_path}/start/")
    begun = FreeDecoder(made.field().siren, 0, start=tmp_path / "start" / "model.safetensors", keep_last=True)
    assert all(torch.equal(value, made.field().params[name]) for name, value in begun(torch.zeros(1, 0)).items())


def test_what_does_not_fit_is_refused() -> None:
    problem = task()
    for options, found in (({"inner_steps": 0}, "inner_steps: 0"), ({"inner_lr": 0.0}, "inner_lr: 0.0")):
        with pytest.raises(RecipeError, match=f"meta_adam: {found}"):
            MetaAdam(problem.model.parameters(), lr=1e-3, **options)  # type: ignore[arg-type]
    model = Model(FixedEncoder(DOMAIN), Hypernetwork(SIREN, 0))
    other = Problem(model, problem.constraints, problem.batch, None, problem.evaluate)
    with pytest.raises(RecipeError, match=r"meta_adam: the decoder is Hypernetwork[\s\S]*decoder `free`"):
        MetaAdam(model.parameters(), lr=1e-3).step_on(other)
