"""Stages, curricula and optimisers that take a whole problem: the loop's three extensions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import toys
from torch import Tensor

import metasiren as ms
from metasiren import BatchOptimizer, Dataset, Problem
from metasiren.engine import running
from metasiren.recipe import load_recipe, validate
from metasiren.registry.catalogue import Catalogue, load_catalogue
from metasiren.runs import checkpoints


class Rising(toys.Waves):
    """Waves whose values are the progress of training."""

    def __init__(self, *, progress: float = 0.0) -> None:
        super().__init__(count=4)
        self.progress = progress

    def at_progress(self, progress: float) -> Dataset:
        return Rising(progress=progress)

    def batch(self, split: str, items: Tensor, **rest: Any) -> ms.Batch:
        batch = super().batch(split, items, **rest)
        values = torch.full_like(batch.points["pixels"].values, self.progress)
        return ms.Batch(batch.context, {"pixels": ms.Points(self.coords, {"values": values})})


class Level(ms.Constraint):
    """The mean of what is known, independent of the weights: it shows which data the loop gave."""

    at = "pixels"

    def __call__(self, prediction: ms.Prediction) -> Tensor:
        return prediction.batch.points["pixels"].values.mean() + 0 * prediction.jets["pixels"].value.sum()


class Halving(BatchOptimizer):
    """Halves every parameter as often as the loss falls by it."""

    def __init__(self, parameters: Any, *, lr: float = 1.0) -> None:
        super().__init__(list(parameters), {"lr": lr})
        self.seen: list[tuple[str, ...]] = []

    def step_on(self, problem: Problem) -> dict[str, Tensor]:
        losses = problem.losses()
        before = float(losses["loss"].detach())
        self.seen.append(tuple(w.name for w in problem.constraints))
        kept = [p.detach().clone() for group in self.param_groups for p in group["params"]]
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    p.mul_(0.5)
            if float(problem.losses()["loss"].detach()) > before:
                for p, old in zip((p for g in self.param_groups for p in g["params"]), kept, strict=True):
                    p.copy_(old)
        return losses


@pytest.fixture
def catalogue() -> Catalogue:
    acme = toys.offering(
        "acme", datasets={"rising": Rising}, constraints={"level": Level}, optimizers={"halving": Halving}
    )
    return load_catalogue(extra=[toys.plugin(), acme])


def recipe(*, data: str = "waves", constraints: dict[str, Any] | None = None, **train: Any) -> ms.Recipe:
    tree = {
        "data": data,
        "siren": {"hidden_features": 8, "hidden_layers": 1, "first_omega": 5},
        "encoder": {"name": "mean_pair", "latent_dim": 3},
        "decoder": "shift",
        "constraints": constraints or {"squares": {"weight": 2.0}},
        "train": {"batch": 4, "optimizer": {"name": "toy_adam", "lr": 1e-2}, "log_every": 1, **train},
    }
    return validate(tree, "toy", name="toy")


def lines(run: ms.Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]


TWO = [
    {"name": "first", "steps": 3, "optimizer": {"name": "toy_adam", "lr": 1e-3}, "schedule": "cosine"},
    {"name": "second", "steps": 4, "constraints": ["squares"]},
]


def test_stages_follow_one_another_with_their_own_constraints(tmp_path: Path, catalogue: Catalogue) -> None:
    staged = recipe(constraints={"squares": 1.0, "level": 1.0}, stages=TWO)
    run = running.run(staged, tmp_path / "run", device="cpu", catalogue=catalogue)
    logged = lines(run)
    assert [line["step"] for line in logged] == list(range(1, 8))
    assert ["level" in line for line in logged] == [True] * 3 + [False] * 4
    assert run.environment["parts"]["train.stages.first.optimizer"]["name"] == "toy_adam"


def test_one_stage_is_plain_training(tmp_path: Path, catalogue: Catalogue) -> None:
    plain = running.run(recipe(steps=5), tmp_path / "plain", device="cpu", catalogue=catalogue)
    staged = recipe(stages=[{"name": "all", "steps": 5}])
    other = running.run(staged, tmp_path / "staged", device="cpu", catalogue=catalogue)
    assert [line["loss"] for line in lines(plain)] == [line["loss"] for line in lines(other)]


@pytest.mark.parametrize("stop_at", [2, 3, 5])
def test_a_resumed_staged_run_equals_an_uninterrupted_one(tmp_path: Path, catalogue: Catalogue, stop_at: int) -> None:
    staged = recipe(stages=TWO, checkpoint_every=1)
    whole = running.run(staged, tmp_path / "whole", device="cpu", catalogue=catalogue)
    part = running.run(staged, tmp_path / "part", device="cpu", max_time=1e-9, catalogue=catalogue)
    assert part.checkpoint().step == 0
    steps = 0

    class Stop(running.RunLogger):
        def step(self, step: int, *rest: Any) -> None:
            nonlocal steps
            super().step(step, *rest)
            steps = step
            if step == stop_at:
                raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "RunLogger", Stop)
        with pytest.raises(KeyboardInterrupt):
            running.resume(part.path, device="cpu", catalogue=catalogue)
    resumed = running.resume(part.path, device="cpu", catalogue=catalogue)
    a, b = whole.checkpoint(), resumed.checkpoint()
    assert a.step == b.step == 7
    assert all(torch.equal(a.tensors[name], b.tensors[name]) for name in a.tensors)


def test_a_curriculum_sees_the_share_of_training_that_is_done(tmp_path: Path, catalogue: Catalogue) -> None:
    run = running.run(
        recipe(data="rising", constraints={"level": 1.0}, steps=4), tmp_path / "run", device="cpu", catalogue=catalogue
    )
    assert [line["level"] for line in lines(run)] == [0, 0.25, 0.5, 0.75]


def test_an_optimiser_may_take_the_whole_problem(tmp_path: Path, catalogue: Catalogue) -> None:
    run = running.run(
        recipe(steps=6, optimizer={"name": "halving", "lr": 1.0}), tmp_path / "run", device="cpu", catalogue=catalogue
    )
    assert checkpoints.latest(run.checkpoints) is not None
    assert lines(run)[-1]["loss"] <= lines(run)[0]["loss"] * 1.5


def test_clipping_an_optimiser_without_gradients_is_refused(tmp_path: Path, catalogue: Catalogue) -> None:
    broken = recipe(steps=2, clip=1.0, optimizer={"name": "halving", "lr": 1.0})
    with pytest.raises(ms.RecipeError, match=r"train\.clip"):
        running.run(broken, tmp_path / "run", device="cpu", catalogue=catalogue)


def test_a_non_finite_loss_of_such_an_optimiser_is_found(tmp_path: Path, catalogue: Catalogue) -> None:
    broken = recipe(data="waves", steps=2, optimizer={"name": "halving", "lr": 1.0})
    tree = broken.model_dump(mode="json", exclude_none=True) | {"data": {"name": "waves", "poison": 0, "count": 4}}
    with pytest.raises(ms.TrainingError, match="squares"):
        running.run(validate(tree, "toy"), tmp_path / "run", device="cpu", catalogue=catalogue)


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        ({"stages": TWO, "steps": 3}, "exclude each other"),
        ({"stages": [TWO[0], TWO[0]]}, "names of their own"),
        ({"stages": [{"name": "a", "steps": 1, "constraints": ["sqares"]}]}, "no constraint is called 'sqares'"),
        ({"stages": []}, "at least 1"),
        ({"stages": [{"name": "a", "steps": 0}]}, "greater than or equal to 1"),
    ],
)
def test_broken_stages_are_refused(train: dict[str, Any], expected: str) -> None:
    with pytest.raises(ms.RecipeError, match=expected):
        recipe(**train)


def test_steps_given_later_displace_stages(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(recipe(stages=TWO).to_yaml())
    assert load_recipe(path, overrides={"train.steps": 5}).train.stages is None
