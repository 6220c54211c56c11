"""Least squares for the output layer: the solution of linear algebra, and errors for problems that are not linear."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from resuming import check_resumed_equals_uninterrupted
from torch import Tensor

import metasiren as ms
from metasiren import (
    Batch,
    Constraint,
    Context,
    Domain,
    Model,
    Points,
    Prediction,
    Problem,
    RecipeError,
    RunError,
    Siren,
    TrainingError,
)
from metasiren.contracts.optimizer import Weighted
from metasiren.engine import running
from metasiren.engine.trainer import Objective
from metasiren.runs import checkpoints
from metasiren_basics.fixed import FixedEncoder
from metasiren_basics.free import FreeDecoder
from metasiren_basics.least_squares import LeastSquares

F64 = torch.float64
DOMAIN = Domain(2, 2)


class Values(Constraint):
    """Known values."""

    at = "points"

    def residuals(self, prediction: Prediction) -> Tensor:
        return prediction.jets[self.at].value - prediction.batch.points[self.at].values

    def __call__(self, prediction: Prediction) -> Tensor:
        return self.residuals(prediction).square().sum(-1).mean()


class Bend(Values):
    """A known Laplacian."""

    order = "laplacian"

    def residuals(self, prediction: Prediction) -> Tensor:
        laplacian = prediction.jets[self.at].laplacian
        assert laplacian is not None
        return laplacian - prediction.batch.points[self.at].values


class Squares(Values):
    """The field's square, which is not affine in it."""

    def residuals(self, prediction: Prediction) -> Tensor:
        return prediction.jets[self.at].value.square() - prediction.batch.points[self.at].values


class Absolute(Constraint):
    """No sum of squares."""

    at = "points"

    def __call__(self, prediction: Prediction) -> Tensor:
        return prediction.jets[self.at].value.abs().mean()


def problem(
    constraint: Constraint, seed: int = 0, count: int = 60, model: Model | None = None, **siren: Any
) -> Problem:
    """A step on `count` points with random values, for the same network whatever the seed."""
    if model is None:
        torch.manual_seed(0)
        net = Siren(in_features=2, out_features=2, hidden_features=12, hidden_layers=1, first_omega=5, **siren)
        model = Model(FixedEncoder(DOMAIN), FreeDecoder(net, 0)).to(F64)
    draw = partial(torch.rand, generator=torch.Generator().manual_seed(seed), dtype=F64)
    points = Points(2 * draw(1, count, 2) - 1, {"values": draw(1, count, 2)})
    batch = Batch(Context.empty(torch.arange(1), DOMAIN), {"points": points})
    weighted = (Weighted("c", 0.5, constraint),)
    return Problem(model, weighted, batch, None, partial(Objective(model, weighted), batch, None))


def output_layer(task: Problem) -> Tensor:
    weight, bias = list(task.model.parameters())[-2:]
    return torch.cat([weight, bias.unsqueeze(-1)], -1).detach()


def solve(*tasks: Problem, **options: Any) -> Tensor:
    optimizer = LeastSquares(tasks[0].model.parameters(), **options)
    for task in tasks:
        optimizer.step_on(task)
    return output_layer(tasks[0])


def features(task: Problem) -> Tensor:
    """What the output layer sees, and its Laplacian, by autograd; (points, width + 1) each."""
    decoder = task.model.decoder
    assert isinstance(decoder, FreeDecoder)
    w1, b1, w2, b2 = list(decoder.weights)[:4]
    omegas = [layer.omega for layer in decoder.siren.layers]

    def hidden(x: Tensor) -> Tensor:
        return torch.sin(omegas[1] * (torch.sin(omegas[0] * (x @ w1.T + b1)) @ w2.T + b2))

    x = task.batch.points["points"].coords[0]
    bend = torch.stack([torch.autograd.functional.hessian(partial(_one, hidden, k), p).trace() for p in x
                        for k in range(12)]).view(len(x), 12)  # fmt: skip
    return torch.stack([_with(hidden(x), 1.0), _with(bend, 0.0)]).detach()


def _one(hidden: Any, k: int, point: Tensor) -> Tensor:
    found: Tensor = hidden(point)[k]
    return found


def _with(columns: Tensor, last: float) -> Tensor:
    return torch.cat([columns, torch.full_like(columns[:, :1], last)], 1)


@pytest.mark.parametrize(("constraint", "kind"), [(Values(), 0), (Bend(), 1)])
def test_the_solution_is_that_of_linear_algebra(constraint: Constraint, kind: int) -> None:
    task = problem(constraint)
    design = features(task)[kind]
    if kind:
        design = design[:, :-1]  # no residual knows the bias
    expected = torch.linalg.lstsq(design, task.batch.points["points"].values[0]).solution.T
    torch.testing.assert_close(solve(task)[:, : design.shape[1]], expected, rtol=1e-5, atol=1e-7)


def test_only_the_output_layer_moves() -> None:
    task = problem(Values())
    before = [p.clone() for p in task.model.parameters()]
    solve(task)
    moved = [not torch.equal(a, b) for a, b in zip(before, task.model.parameters(), strict=True)]
    assert moved == [False] * 4 + [True] * 2


def test_batches_add_up() -> None:
    """Two steps with memory equal one step on all points; two without equal the last."""
    first, second = problem(Values(), 1), problem(Values(), 2)
    both = problem(Values())
    points = {
        name: torch.cat([t.batch.points["points"].known[name] for t in (first, second)], 1) for name in ("values",)
    }
    coords = torch.cat([t.batch.points["points"].coords for t in (first, second)], 1)
    batch = Batch(both.batch.context, {"points": Points(coords, points)})
    objective = Objective(both.model, both.constraints)
    whole = Problem(both.model, both.constraints, batch, None, partial(objective, batch, None))
    expected = solve(whole).clone()
    for memory, answer in ((1.0, expected), (0.0, solve(problem(Values(), 2)))):
        one = problem(Values(), 1)
        found = solve(one, problem(Values(), 2, model=one.model), memory=memory)
        torch.testing.assert_close(found, answer, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("memory", [0.0, 1.0])
def test_only_equations_that_were_kept_are_dropped(memory: float) -> None:
    one = problem(Values())
    solver = LeastSquares(one.model.parameters(), memory=memory)
    solver.step_on(one)
    assert solver.drop_state() == (memory > 0)
    assert not solver.drop_state()


def test_it_does_not_depend_on_where_it_began() -> None:
    one, other = problem(Values()), problem(Values())
    with torch.no_grad():
        list(other.model.parameters())[-2].mul_(100)
    torch.testing.assert_close(solve(one), solve(other), rtol=1e-6, atol=1e-8)


def test_half_a_step_goes_half_the_way() -> None:
    start, end = output_layer(problem(Values())), solve(problem(Values()))
    torch.testing.assert_close(solve(problem(Values()), lr=0.5), (start + end) / 2)


@pytest.mark.parametrize("input_layer", [{"name": "rbf_gaussian", "centres": 9, "sigma": 1.0}, None])
def test_any_architecture_will_do(input_layer: dict[str, Any] | None) -> None:
    task = problem(Values(), nonlinearity="tanh", input_layer=input_layer)
    before = float(task.losses()["loss"].detach())
    solve(task)
    gradient = torch.autograd.grad(task.losses()["loss"], list(task.model.parameters())[-2])[0]
    assert float(gradient.norm()) < 1e-6 * before


def test_features_that_are_all_alike_are_damped_until_they_can_be_solved_for() -> None:
    task = problem(Values())
    with torch.no_grad():
        list(task.model.parameters())[2].zero_()  # every feature is constant
    found = solve(task, ridge=1e-30)
    mean = task.batch.points["points"].values[0].mean(0)
    torch.testing.assert_close(task.model.signal(DOMAIN)(torch.zeros(1, 1, 2, dtype=F64))[0, 0], mean)
    assert bool(found.isfinite().all())


@pytest.mark.parametrize(
    ("constraint", "message"), [(Squares(), "affine in the field"), (Absolute(), "no residuals, which least_squares")]
)
def test_what_is_not_linear_is_named(constraint: Constraint, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        solve(problem(constraint))


def test_a_loss_that_is_no_number_is_left_to_the_trainer() -> None:
    task = problem(Values())
    with torch.no_grad():
        next(iter(task.model.parameters())).fill_(float("nan"))
    before = output_layer(task)
    assert torch.equal(solve(task), before)


def test_equations_that_are_no_numbers_are_named() -> None:
    task = problem(Values())
    optimizer = LeastSquares(task.model.parameters())
    broken = torch.full((3, 3), float("nan"), dtype=F64)
    with pytest.raises(TrainingError, match="not finite"):
        optimizer._solution(broken, broken[0])


@pytest.mark.parametrize(("option", "value"), [("lr", 0.0), ("lr", 1.5), ("ridge", 0.0), ("memory", 1.1)])
def test_options_have_ranges(option: str, value: float) -> None:
    options: dict[str, Any] = {option: value}
    with pytest.raises(RecipeError, match=f"least_squares: {option}"):
        LeastSquares(problem(Values()).model.parameters(), **options)


def wave(**changes: Any) -> ms.Recipe:
    """The preset whose checkpoint was largest, in small: a few plane waves, solved for in four steps."""
    small = {"data.points": 20, "data.initial": 30, "data.boundary": 30, "siren.hidden_features": 40}
    steps = {"train.steps": 4, "train.checkpoint_every": 2, "evaluate.protocol": None, "siren.first_omega": 8}
    return ms.load_recipe("wave", preset="cpu_border", overrides={**small, **steps, **changes})


def test_a_finished_run_keeps_no_equations_and_an_unfinished_one_all_that_it_needs(tmp_path: Path) -> None:
    made = check_resumed_equals_uninterrupted(wave(), tmp_path)
    middle, last = map(checkpoints.load, checkpoints.found(made.checkpoints))
    assert {key.rpartition(".")[2]: value.numel() for key, value in middle.part("optimizer").items()} == {
        "gram": 41**2,
        "moment": 41,
    }
    assert not last.part("optimizer")
    text = (made.path / "recipe.yaml").read_text("utf-8")
    (made.path / "recipe.yaml").write_text(text.replace("steps: 4", "steps: 6"), "utf-8")
    words = "the training was complete, and its optimiser kept nothing for more steps, up to 6"
    with pytest.raises(RunError, match=words):
        running.resume(made.path, device="cpu")
    # Earlier versions kept the equations at the end, too: such a run goes on.
    checkpoints.save(
        made.checkpoints, replace(last, tensors={**middle.tensors, **last.tensors}, metadata=middle.metadata)
    )
    assert running.resume(made.path, device="cpu").checkpoint().step == 6
