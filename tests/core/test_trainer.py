"""Training: resumed equals uninterrupted, stopping is clean, errors are named and lose no earlier result."""

from __future__ import annotations

import json
import os
import signal
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import toys
from hypothesis import given, settings
from hypothesis import strategies as st

import metasiren as ms
from metasiren.engine import running
from metasiren.engine.trainer import Items, learning_rate
from metasiren.recipe import Schedule, validate
from metasiren.registry.catalogue import Catalogue, load_catalogue
from metasiren.runs import checkpoints


@pytest.fixture
def catalogue() -> Catalogue:
    return load_catalogue(extra=[toys.plugin()])


def recipe(**train: Any) -> ms.Recipe:
    return toys.recipe({"steps": 12, "optimizer": {"name": "toy_adam", "lr": 1e-2}, "log_every": 1, **train})


def final(run: ms.Run) -> checkpoints.Checkpoint:
    return run.checkpoint()


def test_a_run_directory_explains_itself(tmp_path: Path, catalogue: Catalogue) -> None:
    made = running.run(recipe(ema=0.9, clip=1.0), tmp_path / "run", device="cpu", catalogue=catalogue)
    names = {p.name for p in made.path.iterdir()}
    assert {"recipe.yaml", "environment.json", "metrics.jsonl", "checkpoints", "results"} <= names
    assert any(name.startswith("events.out") for name in names)
    lines = [json.loads(line) for line in (made.path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 13))
    assert lines[0]["loss"] == pytest.approx(2 * lines[0]["squares"], rel=1e-6)
    environment = json.loads((made.path / "environment.json").read_text())
    assert environment["seed"] == 0
    assert environment["parts"]["encoder"]["name"] == "mean_pair"
    again = ms.open_run(made.path)
    assert again.recipe.model_dump() == made.recipe.model_dump()


@pytest.mark.parametrize("stop_at", [1, 3, 7])
@pytest.mark.parametrize("extra", [{}, {"ema": 0.8, "schedule": {"name": "cosine", "warmup": 2}, "clip": 0.5}])
def test_stopped_and_resumed_equals_uninterrupted_bit_for_bit(
    tmp_path: Path, catalogue: Catalogue, stop_at: int, extra: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = running.run(recipe(**extra), tmp_path / "whole", device="cpu", catalogue=catalogue)

    steps: list[int] = []
    original = running.RunLogger.step

    def step(self: Any, step: int, *rest: Any) -> None:
        original(self, step, *rest)
        steps.append(step)
        if step == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(running.RunLogger, "step", step)
    with pytest.raises(running.InterruptedRunError, match="SIGTERM"):
        running.run(recipe(**extra), tmp_path / "parts", device="cpu", catalogue=catalogue)
    assert steps[-1] == stop_at
    torch.manual_seed(1234)
    resumed = running.resume(tmp_path / "parts", device="cpu", catalogue=catalogue)
    a, b = final(whole), final(resumed)
    assert a.step == b.step == 12
    assert set(a.tensors) == set(b.tensors)
    for name, tensor in a.tensors.items():
        assert torch.equal(tensor, b.tensors[name]), name
    losses = [[line["loss"] for line in run.losses()] for run in (whole, resumed)]
    assert losses[0] == losses[1]


def test_a_second_run_with_the_seed_is_the_same(tmp_path: Path, catalogue: Catalogue) -> None:
    runs = [running.run(recipe(), tmp_path / n, device="cpu", seed=5, catalogue=catalogue) for n in ("a", "b")]
    other = running.run(recipe(), tmp_path / "c", device="cpu", seed=6, catalogue=catalogue)
    losses = [[line["loss"] for line in run.losses()] for run in (*runs, other)]
    assert losses[0] == losses[1] != losses[2]


def test_a_run_is_never_overwritten(tmp_path: Path, catalogue: Catalogue) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "precious").write_text("x")
    with pytest.raises(ms.RunError, match="not empty"):
        running.run(recipe(), tmp_path / "run", device="cpu", catalogue=catalogue)


def test_the_time_limit_stops_with_a_checkpoint_and_judges(tmp_path: Path, catalogue: Catalogue) -> None:
    made = running.run(recipe(steps=1_000_000), tmp_path / "run", device="cpu", max_time="0.5s", catalogue=catalogue)
    training = json.loads((made.results / "training.json").read_text())
    assert training["stopped"] == "the time is up"
    assert 0 < final(made).step == training["steps"] < 1_000_000
    assert (made.results / "table.json").is_file()


def test_nan_in_the_loss_names_step_and_culprit_and_keeps_checkpoints(tmp_path: Path, catalogue: Catalogue) -> None:
    broken = recipe(steps=40, batch=1, checkpoint_every=1)
    tree = {**broken.model_dump(), "data": {"name": "waves", "poison": 3}}
    with pytest.raises(ms.TrainingError, match=r"step \d+: the loss is nan; not finite: squares"):
        running.run(validate(tree, "toy"), tmp_path / "run", device="cpu", catalogue=catalogue)
    for path in checkpoints.found(tmp_path / "run" / "checkpoints"):
        kept = checkpoints.load(path)
        assert all(bool(torch.isfinite(v).all()) for k, v in kept.tensors.items() if k.startswith("model."))


def test_a_full_disk_during_training_is_one_message(
    tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = checkpoints.save_file, []

    def sometimes_full(tensors: Any, path: Path, metadata: Any) -> None:
        calls.append(path)
        if len(calls) > 2:
            raise OSError(28, "No space left on device")
        real(tensors, path, metadata)

    monkeypatch.setattr(checkpoints, "save_file", sometimes_full)
    with pytest.raises(ms.RunError, match="No space left on device"):
        running.run(recipe(checkpoint_every=2), tmp_path / "run", device="cpu", catalogue=catalogue)
    newest = checkpoints.latest(tmp_path / "run" / "checkpoints")
    assert newest is not None
    assert newest.step == 4
    monkeypatch.setattr(checkpoints, "save_file", real)
    assert final(running.resume(tmp_path / "run", device="cpu", catalogue=catalogue)).step == 12


def test_an_unknown_point_set_is_named(tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toys.Squares, "at", "boundary")
    with pytest.raises(ms.RecipeError, match=r"no such point set; it has \['pixels'\]"):
        running.run(recipe(), tmp_path / "run", device="cpu", catalogue=catalogue)


def test_float64_runs_in_float64(tmp_path: Path, catalogue: Catalogue) -> None:
    made = running.run(recipe(dtype="float64"), tmp_path / "run", device="cpu", catalogue=catalogue)
    assert final(made).tensors["model.decoder.shift.weight"].dtype == torch.float64


def test_a_bf16_run_trains(tmp_path: Path, catalogue: Catalogue) -> None:
    made = running.run(recipe(precision="bf16", steps=120), tmp_path / "run", device="cpu", catalogue=catalogue)
    losses = [line["loss"] for line in made.losses()]
    assert sum(losses[-30:]) < 0.8 * sum(losses[:30])


def test_a_run_is_judged_again_and_the_first_table_kept(tmp_path: Path, catalogue: Catalogue) -> None:
    made = running.run(recipe(), tmp_path / "run", device="cpu", catalogue=catalogue)
    first = (made.results / "table.json").read_text()
    running.evaluate(made.path, limit=3, device="cpu", catalogue=catalogue)
    assert json.loads((made.results / "table.json").read_text())["items"] == 3
    assert (made.results / "earlier-1" / "table.json").read_text() == first


def test_the_judged_model_is_the_saved_one(tmp_path: Path, catalogue: Catalogue) -> None:
    made = running.run(recipe(ema=0.9), tmp_path / "run", device="cpu", catalogue=catalogue)
    first = json.loads((made.results / "table.json").read_text())
    running.evaluate(made.path, device="cpu", catalogue=catalogue)
    assert json.loads((made.results / "table.json").read_text()) == first


def test_a_missing_plugin_names_the_package(tmp_path: Path, catalogue: Catalogue) -> None:
    made = running.run(recipe(), tmp_path / "run", device="cpu", catalogue=catalogue)
    with pytest.raises(ms.PluginError, match="pip install"):
        ms.open_run(made.path).model(catalogue=load_catalogue())


def test_hooks_watch(tmp_path: Path) -> None:
    calls: list[Any] = []
    plugin = toys.plugin()

    @ms.hookimpl
    def metasiren_run_started(run: ms.Run) -> None:
        calls.append("started")

    @ms.hookimpl
    def metasiren_step_ended(step: int, losses: dict[str, float]) -> None:
        calls.append(step)

    @ms.hookimpl
    def metasiren_run_ended(run: ms.Run) -> None:
        calls.append("ended")

    for hook in (metasiren_run_started, metasiren_step_ended, metasiren_run_ended):
        setattr(plugin, hook.__name__, hook)
    running.run(recipe(steps=3), tmp_path / "run", device="cpu", catalogue=load_catalogue(extra=[plugin]))
    assert calls == ["started", 1, 2, 3, "ended"]


def test_training_in_a_thread_leaves_signals_alone(tmp_path: Path, catalogue: Catalogue) -> None:
    done: list[ms.Run] = []
    job = threading.Thread(
        target=lambda: done.append(running.run(recipe(), tmp_path / "run", device="cpu", catalogue=catalogue))
    )
    job.start()
    job.join()
    assert done


@given(count=st.integers(1, 50), batch=st.integers(1, 60), seed=st.integers(0, 9))
@settings(deadline=None, max_examples=40, derandomize=True)
def test_an_epoch_sees_every_item_once(count: int, batch: int, seed: int) -> None:
    items = Items(count, batch, seed)
    for epoch in range(2):
        steps = range(epoch * items.steps_per_epoch, (epoch + 1) * items.steps_per_epoch)
        seen = torch.cat([items.at(step) for step in steps])
        assert torch.equal(seen.sort().values, torch.arange(count))


def test_the_schedule_warms_up_and_falls() -> None:
    cosine = Schedule(name="cosine", warmup=4, final=0.1)
    rates = [learning_rate(cosine, step, 20) for step in range(21)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[4] == 1.0
    assert rates[-1] == pytest.approx(0.1)
    assert all(a >= b for a, b in pairwise(rates[4:]))
    assert learning_rate(Schedule(), 17, 20) == 1.0


@pytest.mark.parametrize("word", ["", "5x", "-3m", "m", "0s"])
def test_a_duration_that_is_none(word: str) -> None:
    with pytest.raises(ms.RecipeError, match="90s, 5m or 1h30m"):
        running.seconds_of(word)


def test_durations() -> None:
    assert [running.seconds_of(w) for w in ("90", "90s", "5m", "1h30m")] == [90, 90, 300, 5400]


@pytest.mark.parametrize("word", ["gpu", "cuda:99"])
def test_a_device_that_is_not_here(word: str) -> None:
    with pytest.raises(ms.RecipeError, match="--device"):
        ms.pick_device(word)
