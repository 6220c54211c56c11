"""`--max-time` by a clock of the test: as many steps as fit, and the same run as with that number from the start."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import toys
from torch import Tensor

import metasiren as ms
from metasiren import BatchOptimizer, Dataset, Problem
from metasiren.engine import running
from metasiren.engine.time_limit import too_few
from metasiren.recipe import validate
from metasiren.registry.catalogue import Catalogue, load_catalogue


class Clock:
    """Seconds that pass with the steps."""

    def __init__(self) -> None:
        self.now, self.each, self.steps = 100.0, 0.1, -1

    def __call__(self) -> float:
        self.steps = max(0, self.steps)
        return self.now

    def step(self) -> None:
        if self.steps >= 0:
            self.steps += 1
            self.now += self.each * (5 if self.steps == 1 else 1)  # a first step takes longer


CLOCK = Clock()


class Timed(toys.Waves):
    """A batch takes time."""

    def batch(self, split: str, items: Tensor, **rest: Any) -> ms.Batch:
        CLOCK.step()
        return super().batch(split, items, **rest)


class Rising(Timed):
    """A curriculum, and a set that training changes: both decide the values."""

    def __init__(self, *, progress: float = 0.0, drawn: list[int] | None = None) -> None:
        super().__init__(count=8)
        self.progress, self.drawn = progress, drawn if drawn is not None else [0]

    def at_progress(self, progress: float) -> Dataset:
        return type(self)(progress=progress, drawn=self.drawn)

    def batch(self, split: str, items: Tensor, **rest: Any) -> ms.Batch:
        batch = super().batch(split, items, **rest)
        self.drawn[0] += 1
        values = batch.points["pixels"].values * (1 + self.progress) + 1e-3 * self.drawn[0]
        return ms.Batch(batch.context, {"pixels": ms.Points(self.coords, {"values": values})})

    def state(self) -> dict[str, Tensor]:
        return {"drawn": torch.tensor(self.drawn)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.drawn[0] = int(state["drawn"][0])


class Slowing(Rising):
    """The last fifth of the steps takes four times as long."""

    def batch(self, split: str, items: Tensor, **rest: Any) -> ms.Batch:
        CLOCK.now += 3 * CLOCK.each * (self.progress >= 0.8)
        return super().batch(split, items, **rest)


class Descent(BatchOptimizer):
    """Steepest descent as an optimiser that takes whole problems."""

    def __init__(self, parameters: Any, *, lr: float = 1e-3) -> None:
        super().__init__(list(parameters), {"lr": lr})

    @torch.no_grad()
    def step_on(self, problem: Problem) -> dict[str, Tensor]:
        with torch.enable_grad():
            losses = problem.losses()
            weights = [p for p in problem.model.parameters() if p.requires_grad]
            slopes = torch.autograd.grad(losses["loss"], weights)
        for weight, slope in zip(weights, slopes, strict=True):
            weight.sub_(self.param_groups[0]["lr"] * slope)
        return {name: value.detach() for name, value in losses.items()}


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    CLOCK.__init__()  # type: ignore[misc]
    monkeypatch.setattr("metasiren.engine.time_limit.monotonic", CLOCK)
    acme = toys.offering(
        "acme", datasets={"timed": Timed, "rising": Rising, "slowing": Slowing}, optimizers={"descent": Descent}
    )
    return load_catalogue(extra=[toys.plugin(), acme])


def recipe(data: str = "timed", **train: Any) -> ms.Recipe:
    options = {
        "steps": 1000, "batch": 4, "optimizer": {"name": "toy_adam", "lr": 1e-2}, "log_every": 10, "schedule": "cosine",
    }  # fmt: skip
    tree = {
        "data": data,
        "siren": {"hidden_features": 8, "hidden_layers": 1, "first_omega": 5},
        "encoder": {"name": "mean_pair", "latent_dim": 3},
        "decoder": "shift",
        "constraints": {"squares": 1.0},
        "train": {**options, **train},
        "evaluate": {"protocol": "judge"},
    }
    return validate(tree, "toy", name="toy")


def training(made: ms.Run) -> dict[str, Any]:
    return dict(json.loads((made.results / "training.json").read_text()))


def demand_equal(made: ms.Run, other: ms.Run) -> None:
    a, b = made.checkpoint(), other.checkpoint()
    assert a.step == b.step
    assert a.tensors.keys() == b.tensors.keys()
    for name, tensor in a.tensors.items():
        assert torch.equal(tensor, b.tensors[name]), name
    losses = [[(line["step"], line["loss"]) for line in run.losses()] for run in (made, other)]
    assert losses[0] == losses[1]


# The steps of a 10 s training: 5 are timed, in 0.9 s of which the first two took 0.6; then 0.9 (10 - 0.9 - 0.6) / 0.1.
FITTING = 76
FULL = {"ema": 0.8, "schedule": {"name": "cosine", "warmup": 100}, "clip": 0.5, "checkpoint_every": 1}


@pytest.mark.parametrize(
    ("data", "train"),
    [("timed", {}), ("rising", {"schedule": "constant"}), ("rising", FULL), ("timed", {"steps": None, "epochs": 400})],
)
def test_a_fitted_run_is_the_run_of_that_many_steps_bit_for_bit(
    data: str, train: dict[str, Any], tmp_path: Path, catalogue: Catalogue
) -> None:
    made = running.run(recipe(data, **train), tmp_path / "fitted", device="cpu", max_time=10, catalogue=catalogue)
    of = 1200 if "epochs" in train else 1000
    words = f"fitted to 10 s: {FITTING} of {of:,} steps"
    assert (training(made)["stopped"], training(made)["fitted"], training(made)["steps"]) == (None, words, FITTING)
    assert 0.9 + 0.4 + 0.1 * FITTING < 10
    plain = {**train, "steps": FITTING, "epochs": None}
    changes: dict[str, Any] = {"train.steps": FITTING}
    if train is FULL:
        plain["schedule"] = {"name": "cosine", "warmup": round(100 * FITTING / of)}
        changes["train.schedule.warmup"] = 8
    other = running.run(recipe(data, **plain), tmp_path / "plain", device="cpu", catalogue=catalogue)
    demand_equal(made, other)
    again = ms.open_run(made.path)
    assert again.recipe.model_dump() == other.recipe.model_dump() == made.recipe.model_dump()
    assert again.environment["changes"] == changes
    assert again.environment["steps"] == FITTING
    assert again.environment["fitted"] == {"seconds": 10, "steps": FITTING, "of": of}
    assert (again.status["state"], again.status["step"], again.status["steps"]) == ("finished", FITTING, FITTING)
    assert len(list(made.path.glob("events.out.*"))) == 1
    assert "steps=76" in made.label


def test_what_fits_anyway_is_unchanged(tmp_path: Path, catalogue: Catalogue) -> None:
    limited = running.run(
        recipe("rising", steps=60, **{**FULL, "schedule": "cosine"}), tmp_path / "limited", device="cpu", max_time=10,
        catalogue=catalogue,
    )  # fmt: skip
    free = running.run(
        recipe("rising", steps=60, **{**FULL, "schedule": "cosine"}), tmp_path / "free", device="cpu",
        catalogue=catalogue,
    )  # fmt: skip
    demand_equal(limited, free)
    assert (limited.path / "recipe.yaml").read_bytes() == (free.path / "recipe.yaml").read_bytes()
    assert limited.environment["changes"] == {}
    assert "fitted" not in training(limited)


@pytest.mark.parametrize("stop_at", [1, 31])
def test_a_fitted_run_resumed_equals_an_uninterrupted_one(
    stop_at: int, tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is resumed by its own recipe, whatever the new limit; a run stopped before it was fitted is trained whole."""
    whole = running.run(
        recipe("rising", **({} if stop_at > 5 else {"steps": 150})), tmp_path / "whole", device="cpu",
        max_time=10 if stop_at > 5 else None, catalogue=catalogue,
    )  # fmt: skip
    calls = 0
    original = running.RunLogger.step

    def step(self: Any, *rest: Any) -> None:
        nonlocal calls
        original(self, *rest)
        calls += 1
        if rest[0] == stop_at and (stop_at == 1 or calls > 1):
            os.kill(os.getpid(), signal.SIGTERM)

    CLOCK.__init__()  # type: ignore[misc]
    with monkeypatch.context() as patch:
        patch.setattr(running.RunLogger, "step", step)
        parts = recipe("rising", **({} if stop_at > 5 else {"steps": 150}))
        with pytest.raises(running.InterruptedRunError, match=f"SIGTERM after step {stop_at}"):
            running.run(parts, tmp_path / "parts", device="cpu", max_time=10, catalogue=catalogue)
    resumed = running.resume(tmp_path / "parts", device="cpu", max_time=1e6, catalogue=catalogue)
    demand_equal(whole, resumed)
    assert training(resumed).get("fitted") == training(whole).get("fitted")


class Hooked:
    """A plugin that keeps the steps it is told."""

    def __init__(self) -> None:
        self.told: list[int] = []

    @ms.hookimpl
    def metasiren_step_ended(self, step: int) -> None:
        self.told.append(step)


@pytest.mark.parametrize("steps", [1000, 60, 4])
def test_hooks_hear_of_the_steps_that_are_kept_once(steps: int, tmp_path: Path, catalogue: Catalogue) -> None:
    hooked = Hooked()
    catalogue.manager.register(hooked)
    made = running.run(
        recipe(log_every=1, steps=steps), tmp_path / "run", device="cpu", max_time=10, catalogue=catalogue
    )
    assert hooked.told == list(range(1, min(steps, FITTING) + 1))
    assert made.recipe.train.steps == len(hooked.told)


@pytest.mark.parametrize("within", ["_measure", "begin_anew"])
def test_a_signal_while_training_is_shortened_leaves_a_run_to_resume(
    within: str, tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, sent = getattr(running.TimeLimit, within), list[int]()

    def signalling(self: Any, *rest: Any) -> Any:
        if within == "begin_anew":
            sent.append(0)
            os.kill(os.getpid(), signal.SIGINT)
        found = original(self, *rest)
        if self.begins_anew and not sent:
            sent.append(0)
            os.kill(os.getpid(), signal.SIGINT)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(running.TimeLimit, within, signalling)
        with pytest.raises(running.InterruptedRunError, match="SIGINT after step 0"):
            running.run(recipe(), tmp_path / "parts", device="cpu", max_time=10, catalogue=catalogue)
    stopped = ms.open_run(tmp_path / "parts")
    assert stopped.recipe.train.steps == stopped.environment["steps"] == FITTING
    assert stopped.checkpoint().step == 0
    CLOCK.__init__()  # type: ignore[misc]
    whole = running.run(recipe(), tmp_path / "whole", device="cpu", max_time=10, catalogue=catalogue)
    demand_equal(whole, running.resume(stopped.path, device="cpu", catalogue=catalogue))


def stages(first: int, last: int, warmup: int = 0) -> dict[str, Any]:
    schedule = {"name": "cosine", "warmup": warmup}
    search = {"name": "search", "steps": first, "schedule": schedule}
    return {"steps": None, "ema": 0.8, "stages": [search, {"name": "settle", "steps": last, "optimizer": "descent"}]}


# Of 40 s the timing takes 0.9 s and 5 * 0.4 s, of which the first steps took 0.6 and 0.8; then 0.9 (40 - 2.9 - 1.4)
# are 0.2008 of the 800 * 0.1 and 200 * 0.4 s.
STAGED = (160, 40)


def test_stages_keep_their_shares_and_the_run_is_that_of_these_numbers_bit_for_bit(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    made = running.run(
        recipe("slowing", **stages(800, 200, 80)), tmp_path / "fitted", device="cpu", max_time=40, catalogue=catalogue
    )
    words = "fitted to 40 s: 160 of 800 steps of search, 40 of 200 steps of settle"
    assert (training(made)["stopped"], training(made)["fitted"], training(made)["steps"]) == (None, words, 200)
    assert CLOCK.now - 100 < 40
    other = running.run(recipe("slowing", **stages(*STAGED, 16)), tmp_path / "plain", device="cpu", catalogue=catalogue)
    demand_equal(made, other)
    again = ms.open_run(made.path)
    assert again.recipe.model_dump() == other.recipe.model_dump() == made.recipe.model_dump()
    assert again.environment["fitted"] == {
        "seconds": 40, "steps": 200, "of": 1000, "stages": {"search": [160, 800], "settle": [40, 200]},
    }  # fmt: skip
    assert (again.status["state"], again.status["step"], again.status["steps"]) == ("finished", 200, 200)
    assert len(list(made.path.glob("events.out.*"))) == 1


@pytest.mark.parametrize("stop_at", [70, 180])
def test_fitted_stages_resumed_equal_uninterrupted_ones(
    stop_at: int, tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {**stages(800, 200), "log_every": 1}
    whole = running.run(
        recipe("slowing", **options), tmp_path / "whole", device="cpu", max_time=40, catalogue=catalogue
    )
    original = running.RunLogger.step

    def step(self: Any, *rest: Any) -> None:
        original(self, *rest)
        if rest[0] == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)

    CLOCK.__init__()  # type: ignore[misc]
    with monkeypatch.context() as patch:
        patch.setattr(running.RunLogger, "step", step)
        with pytest.raises(running.InterruptedRunError, match=f"SIGTERM after step {stop_at}"):
            running.run(
                recipe("slowing", **options), tmp_path / "parts", device="cpu", max_time=40, catalogue=catalogue
            )
    demand_equal(whole, running.resume(tmp_path / "parts", device="cpu", catalogue=catalogue))


def test_a_signal_while_a_later_stage_is_timed_leaves_the_first_step_to_resume(
    tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = running.TimeLimit._measure

    def signalling(self: Any, *rest: Any) -> None:
        original(self, *rest)
        if self.trainer.step == 803:
            os.kill(os.getpid(), signal.SIGINT)

    hooked = Hooked()
    catalogue.manager.register(hooked)
    with monkeypatch.context() as patch:
        patch.setattr(running.TimeLimit, "_measure", signalling)
        with pytest.raises(running.InterruptedRunError, match="SIGINT after step 0"):
            running.run(
                recipe("slowing", **stages(800, 200)), tmp_path / "parts", device="cpu", max_time=40,
                catalogue=catalogue,
            )  # fmt: skip
    stopped = ms.open_run(tmp_path / "parts")
    assert stopped.recipe == recipe("slowing", **stages(800, 200))
    assert (stopped.checkpoint().step, list(stopped.losses()), hooked.told) == (0, [], [])


@pytest.mark.parametrize("lengths", [(40, 10), (40, 1), (1, 40), (3, 2)])
def test_stages_that_fit_anyway_are_unchanged(lengths: tuple[int, int], tmp_path: Path, catalogue: Catalogue) -> None:
    hooked = Hooked()
    catalogue.manager.register(hooked)
    options = {**stages(*lengths), "log_every": 1, "checkpoint_every": 1}
    limited = running.run(
        recipe("slowing", **options), tmp_path / "limited", device="cpu", max_time=40, catalogue=catalogue
    )
    assert hooked.told == list(range(1, sum(lengths) + 1))
    free = running.run(recipe("slowing", **options), tmp_path / "free", device="cpu", catalogue=catalogue)
    demand_equal(limited, free)
    assert limited.recipe.model_dump() == free.recipe.model_dump()
    assert limited.environment["changes"] == {}
    assert "fitted" not in training(limited)
    assert (limited.status["state"], limited.status["step"]) == ("finished", sum(lengths))


def test_a_short_last_stage_is_fitted_with_the_others(tmp_path: Path, catalogue: Catalogue) -> None:
    """Its one step is not timed but taken to cost as much as those before."""
    made = running.run(
        recipe("rising", **stages(1000, 1)), tmp_path / "run", device="cpu", max_time=10, catalogue=catalogue
    )
    assert [stage.steps for stage in made.recipe.train.stages or []] == [FITTING, 1]


def test_stages_that_are_too_slow_to_time_are_cut_at_the_time(tmp_path: Path, catalogue: Catalogue) -> None:
    class Slow(running.RunLogger):
        def step(self, step: int, *rest: Any) -> None:
            super().step(step, *rest)
            CLOCK.each = 4.0 if step > 800 else 0.1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "RunLogger", Slow)
        made = running.run(
            recipe("rising", **{**stages(800, 200), "log_every": 1}), tmp_path / "run", device="cpu", max_time=10,
            catalogue=catalogue,
        )  # fmt: skip
    found = training(made)
    assert found["stopped"] == "the time is up"
    assert "not fitted to the time, because the steps of its stages take too long to be timed" in found["cut"]
    assert 0 < found["steps"] < 100


STAGES = [{"name": "all", "steps": 1000, "schedule": "cosine"}]


@pytest.mark.parametrize(
    ("train", "fit", "each", "reason"),
    [
        ({"schedule": "constant"}, True, 0.1, None),
        ({}, False, 0.1, "the recipe's number was to be kept"),
        ({"steps": None, "stages": STAGES}, True, 0.5, "only about 4 steps would fit"),
        ({"optimizer": "descent"}, True, 0.5, "only about 4 steps would fit"),
        ({}, True, 0.5, "only about 4 steps would fit"),
        ({}, True, 9.0, "the first steps took all of it"),
    ],
)
def test_where_the_length_cannot_be_fitted_the_run_says_what_was_cut(
    train: dict[str, Any], fit: bool, each: float, reason: str | None, tmp_path: Path, catalogue: Catalogue
) -> None:
    CLOCK.each = each
    made = running.run(recipe(**train), tmp_path / "run", device="cpu", max_time=10, fit=fit, catalogue=catalogue)
    found = training(made)
    assert found["stopped"] == "the time is up"
    assert f"stopped after step {found['steps']} of 1,000" in found["cut"]
    assert ("not fitted to the time, because " + reason in found["cut"]) if reason else "fitted" not in found["cut"]
    # The first step takes five times as long: it is no measure of the others.
    whole = {0.1: "1 min 40 s", 0.5: "8 min 20 s"}
    words = f"all steps take about {whole[each]} here" if each in whole else "later steps take less time"
    assert words in found["cut"]
    assert made.recipe == recipe(**train)
    assert 10 - 1e-6 <= each * (found["steps"] + 4) < 10 + each + 1e-6 or found["steps"] == 1


@pytest.mark.parametrize(
    ("each", "steps", "limit", "words"),
    [
        (
            8,
            1,
            5,
            "one step, with what was saved after it, took 40 s; the limit of 5 s was passed by 35 s",
        ),  # the last step of the recipe
        (8, 1000, 30, "one step, with what was saved after it, took 40 s; the limit of 30 s was passed by 10 s"),
        (8, 1000, 35, ""),  # by less than a fifth
        (8, 2, 41, ""),
    ],
)
def test_a_step_that_passes_the_limit_is_named_with_the_time_it_took(
    each: float, steps: int, limit: float, words: str, tmp_path: Path, catalogue: Catalogue
) -> None:
    CLOCK.each = each
    made = running.run(recipe(steps=steps), tmp_path / "run", device="cpu", max_time=limit, catalogue=catalogue)
    assert training(made).get("overrun", "") == words


def test_a_training_that_stops_in_its_warm_up_says_how_far_the_learning_rate_had_risen(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    CLOCK.each = 0.5
    schedule = {"name": "cosine", "warmup": 200}
    made = running.run(recipe(schedule=schedule), tmp_path / "run", device="cpu", max_time=10, catalogue=catalogue)
    found = training(made)
    rise = 100 * (found["steps"] + 1) / 200
    assert f"the learning rate had risen to {rise:.0f} % of its peak (its warm-up has 200 steps)" in found["cut"]


def test_a_time_that_is_over_when_the_steps_are_timed_has_room_for_no_number_of_steps() -> None:
    assert (too_few(4), too_few(1)) == ("only about 4 steps would fit", "only about 1 step would fit")
    assert too_few(0) == too_few(-3) == "the first steps took all of it"


def test_steps_that_become_slower_stop_at_the_time(tmp_path: Path, catalogue: Catalogue) -> None:
    class Slower(running.RunLogger):
        def step(self, step: int, *rest: Any) -> None:
            super().step(step, *rest)
            if step == 41:
                CLOCK.each = 0.3

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "RunLogger", Slower)
        made = running.run(recipe(), tmp_path / "run", device="cpu", max_time=10, catalogue=catalogue)
    found = training(made)
    assert found["stopped"] == "the time is up"
    assert found["fitted"] == f"fitted to 10 s: {FITTING} of 1,000 steps"
    assert f"stopped after step {found['steps']} of {FITTING}; the learning rate was still" in found["cut"]
    assert 41 < found["steps"] < FITTING
    resumed = running.resume(made.path, device="cpu", max_time=1, catalogue=catalogue)
    assert "the run is resumed" in training(resumed)["cut"]


def test_a_comparison_says_that_its_runs_were_fitted(tmp_path: Path, catalogue: Catalogue) -> None:
    from metasiren_studies.members import Member

    made = running.run(recipe(), tmp_path / "run", device="cpu", max_time=10, catalogue=catalogue)
    assert Member(made.path).note == f"fitted to 10 s: {FITTING} of 1,000 steps"
