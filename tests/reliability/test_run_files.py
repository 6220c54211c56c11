"""A run directory is whole or absent, has one writer, and knows its data."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toys
from click.testing import CliRunner
from PIL import Image

import metasiren as ms
from metasiren.cli.commands import cli
from metasiren.engine import running
from metasiren.engine.progress import Silent
from metasiren.registry.catalogue import Catalogue, load_catalogue
from metasiren.runs import creation, lock
from metasiren_images.single.protocol import PictureProtocol
from metasiren_report import at_the_end


@pytest.fixture
def catalogue() -> Catalogue:
    return load_catalogue(extra=[toys.plugin()])


def toy(**train: Any) -> ms.Recipe:
    return toys.recipe({"steps": 4, "optimizer": {"name": "sgd", "lr": 1e-3}, "log_every": 1, **train})


@pytest.fixture
def run(tmp_path: Path, catalogue: Catalogue) -> ms.Run:
    return running.run(toy(checkpoint_every=2), tmp_path / "run", device="cpu", catalogue=catalogue)


@pytest.mark.parametrize("command", [running.resume, running.evaluate])
def test_the_second_writer_is_given_the_name_of_the_first(run: ms.Run, catalogue: Catalogue, command: Any) -> None:
    before = {p: p.read_bytes() for p in run.path.rglob("*") if p.is_file() and p.name != ".lock"}
    with lock.locked(run.path), pytest.raises(ms.RunError, match=rf"in use by process {os.getpid()} on .* since 20"):
        command(run.path, device="cpu", catalogue=catalogue)
    assert before == {p: p.read_bytes() for p in before}
    command(run.path, device="cpu", catalogue=catalogue)


def test_a_run_is_locked_while_it_is_made_and_trained(
    tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def started(run: ms.Run) -> None:
        with pytest.raises(ms.RunError, match="in use by process"):
            lock.take(run.path)
        tried.append(run.path.name)

    class Watcher:
        metasiren_run_started = staticmethod(ms.hookimpl(started))

    catalogue.manager.register(Watcher())
    running.run(toy(), tmp_path / "run", device="cpu", catalogue=catalogue)
    assert tried == ["run"]


def test_nothing_bears_the_name_of_a_run_that_was_killed_while_it_was_made(
    tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(creation, "write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        running.run(toy(), tmp_path / "run", device="cpu", catalogue=catalogue)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    # A real SIGKILL leaves the directory aside; it is removed once it is old.
    stale = tmp_path / ".run.abc.partial"
    stale.mkdir()
    lock.take(stale).close()
    os.utime(stale, (time.time() - 600,) * 2)
    made = running.run(toy(), tmp_path / "run", device="cpu", catalogue=catalogue)
    assert [p.name for p in tmp_path.iterdir()] == ["run"] == [made.path.name]


def test_a_half_last_line_of_the_curves_does_not_stop_a_resume(run: ms.Run, catalogue: Catalogue) -> None:
    curves = run.path / "metrics.jsonl"
    whole = curves.read_text()
    curves.write_text(whole + '{"step": 5, "los')
    again = running.resume(run.path, device="cpu", catalogue=catalogue)
    assert curves.read_text() == whole
    assert [line["step"] for line in again.losses()] == [1, 2, 3, 4]
    curves.write_text(whole.replace('{"step": 2', '{"st', 1))
    with pytest.raises(ms.RunError, match=r"metrics.jsonl: line 2: not readable"):
        running.resume(run.path, device="cpu", catalogue=catalogue)


def test_a_kill_while_the_curves_are_cut_loses_none(
    run: ms.Run, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    curves = run.path / "metrics.jsonl"
    whole, real = curves.read_text(), Path.write_text

    def killed(self: Path, text: str, *rest: Any) -> int:
        if self.name.startswith("metrics"):
            real(self, text[:10], *rest)
            raise KeyboardInterrupt
        return real(self, text, *rest)

    monkeypatch.setattr(Path, "write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        running.resume(run.path, device="cpu", catalogue=catalogue)
    assert curves.read_text() == whole


def test_evaluate_names_the_step_and_the_file_passed_over(run: ms.Run, catalogue: Catalogue) -> None:
    newest = run.checkpoints / "step-00000004.safetensors"
    newest.write_bytes(newest.read_bytes()[:-100])
    with pytest.warns(ms.RunWarning, match=r"step 2 is used. Passed over: step-00000004.safetensors"):
        table = running.evaluate(run.path, device="cpu", catalogue=catalogue)
    record = json.loads((run.results / "evaluated.json").read_text())
    assert (record["step"], record["steps"], len(record["passed_over"])) == (2, 4, 1)
    assert "step 2 of 4" in str(table)


@pytest.mark.parametrize("content", ["{}", "[]", "null", '{"recipe": 1, "preset": 2, "parts": 3, "domain": 4}'])
def test_a_damaged_environment_is_named(run: ms.Run, catalogue: Catalogue, content: str) -> None:
    (run.path / "environment.json").write_text(content)
    with pytest.raises(ms.RunError, match=r"environment.json: damaged"):
        running.evaluate(run.path, device="cpu", catalogue=catalogue)


def picture(path: Path, seed: int, size: int = 16) -> None:
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (size, size), np.uint8)).save(path)


@pytest.mark.parametrize(("seed", "size"), [(1, 16), (0, 20)])
def test_changed_data_is_noticed(tmp_path: Path, seed: int, size: int) -> None:
    picture(tmp_path / "data.png", 0)
    overrides: dict[str, Any] = {
        "data": {"name": "picture", "path": str(tmp_path / "data.png")},
        "siren.hidden_features": 8,
        "train.steps": 2,
    }
    recipe = ms.load_recipe("image", preset="quick", overrides=overrides)
    made = ms.run(recipe, tmp_path / "run", device="cpu")
    running.evaluate(made.path, device="cpu")
    picture(tmp_path / "data.png", seed, size)
    for command in (running.resume, running.evaluate):
        with pytest.raises(ms.RunError, match=r"the data changed since the run began: .*data.path"):
            command(made.path, device="cpu")
    picture(tmp_path / "data.png", 0)
    running.evaluate(made.path, device="cpu")


def test_another_count_of_items_is_noticed(run: ms.Run, catalogue: Catalogue) -> None:
    path = run.path / "environment.json"
    environment = json.loads(path.read_text())
    environment["dataset"]["splits"]["train"] += 1
    environment["data_digest"]["probe"]["train"] = {"pixels.values": [3, 1.0, 1.0]}
    path.write_text(json.dumps(environment))
    with pytest.raises(ms.RunError, match=r"train had \d+ items, now \d+; train: the values of pixels.values differ"):
        running.resume(run.path, device="cpu", catalogue=catalogue)


def test_a_run_that_may_not_be_written_is_one_message(
    run: ms.Run, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("metasiren.runs.lock.os.open", refused)
    with pytest.raises(ms.RunError, match="cannot be written to: Permission denied"):
        running.resume(run.path, device="cpu", catalogue=catalogue)


def test_a_run_whose_checkpoints_were_removed_does_not_start_over(run: ms.Run, catalogue: Catalogue) -> None:
    shutil.rmtree(run.checkpoints)
    curves = (run.path / "metrics.jsonl").read_text()
    with pytest.raises(ms.RunError, match=r"no checkpoint is there, though training had reached step 4(.|\n)*--out"):
        running.resume(run.path, device="cpu", catalogue=catalogue)
    assert (run.path / "metrics.jsonl").read_text() == curves
    assert run.status["state"] == "finished"


@pytest.mark.parametrize(
    ("reason", "refused"), [("stopped by SIGTERM after step 1.", True), ("KeyboardInterrupt: ", False)]
)
def test_a_run_that_stopped_before_its_first_checkpoint_says_that_it_starts_over(
    run: ms.Run, catalogue: Catalogue, reason: str, refused: bool
) -> None:
    shutil.rmtree(run.checkpoints)
    (run.results / "training.json").unlink()
    curves = run.path / "metrics.jsonl"
    curves.write_text(curves.read_text().splitlines(keepends=True)[0])
    status = {"state": "interrupted", "step": 1, "steps": 4, "reason": reason}
    (run.path / "status.json").write_text(json.dumps(status))
    said: list[str] = []

    class Told(Silent):
        def say(self, message: str, *, minor: bool = False) -> None:
            said.append(message)

    if refused:
        with pytest.raises(ms.RunError, match="though training had reached step 1"):
            running.resume(run.path, device="cpu", catalogue=catalogue, progress=Told())
    else:
        running.resume(run.path, device="cpu", catalogue=catalogue, progress=Told())
        assert "no checkpoint was written by step 1: training starts over at step 1" in said


def test_a_checkpoint_that_does_not_fit_an_edited_recipe_is_one_message(tmp_path: Path) -> None:
    changes = {"data.size": 8, "siren.hidden_features": 4, "train.steps": 1}
    made = ms.run(ms.load_recipe("image", preset="quick", overrides=changes), tmp_path / "run", device="cpu")
    path = made.path / "recipe.yaml"
    path.write_text(edited := path.read_text().replace("hidden_features: 4", "hidden_features: 6"))
    assert "hidden_features: 6" in edited
    with pytest.raises(ms.RunError, match=r"recipe.yaml and the checkpoint of step 1 do not fit(.|\n)*size mismatch"):
        running.resume(made.path, device="cpu")


@pytest.mark.parametrize("what", ["checkpoint_every", "pictures_every", "log_every"])
def test_a_run_that_took_the_place_of_a_moved_one_is_left_alone(
    tmp_path: Path, catalogue: Catalogue, what: str
) -> None:
    path, former = tmp_path / "run", tmp_path / "former"

    class Moves(Silent):
        def step(self, step: int, loss: float, steps_per_second: float) -> None:
            if step == 2:
                path.rename(former)
                shutil.copytree(former, path)
                holder = json.loads((path / ".lock").read_text())
                (path / ".lock").write_text(json.dumps({**holder, "process": 1}))
                before.update({p: p.read_bytes() for p in path.rglob("*") if p.is_file()})

    before: dict[Path, bytes] = {}
    recipe = toy(**{"checkpoint_every": 100, "pictures_every": 100, what: 1})
    with pytest.raises(ms.RunError, match="deleted or moved while it trained"):
        running.run(recipe, path, device="cpu", catalogue=catalogue, progress=Moves())
    assert before == {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}


def test_a_run_keeps_its_directory_whatever_its_lock_says(
    tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where files cannot be locked another command writes into it, and machines change their names."""

    class Renamed(Silent):
        def step(self, step: int, loss: float, steps_per_second: float) -> None:
            monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
            (tmp_path / "run" / ".lock").write_text('{"process": 1, "machine": "other"}')

    recipe = toy(checkpoint_every=1, log_every=1)
    made = running.run(recipe, tmp_path / "run", device="cpu", catalogue=catalogue, progress=Renamed())
    assert ms.open_run(made.path).status["state"] == "finished"


def test_weights_of_another_type_than_an_edited_recipe_asks_for_are_one_message(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    made = running.run(toy(), tmp_path / "run", device="cpu", catalogue=catalogue)
    path = made.path / "recipe.yaml"
    path.write_text(path.read_text().replace("dtype: float32", "dtype: float64"))
    with pytest.raises(ms.RunError, match=r"do not fit each other: \S+ is of torch.float64 in the first and of"):
        running.resume(made.path, device="cpu", catalogue=catalogue)


def test_a_resume_with_another_torch_or_other_threads_says_so(tmp_path: Path, catalogue: Catalogue) -> None:
    made = running.run(toy(), tmp_path / "run", device="cpu", catalogue=catalogue)
    said: list[str] = []

    class Told(Silent):
        def say(self, message: str, *, minor: bool = False) -> None:
            said.append(message)

    running.resume(made.path, device="cpu", catalogue=catalogue, progress=Told())
    assert "in place of" not in " ".join(said)
    environment = json.loads((made.path / "environment.json").read_text())
    environment["versions"]["torch"], environment["threads"] = "1.2.3", 123
    (made.path / "environment.json").write_text(json.dumps(environment))
    running.resume(made.path, device="cpu", catalogue=catalogue, progress=Told())
    now = f"torch {version('torch')} in place of 1.2.3, {torch.get_num_threads()} threads in place of 123"
    assert any(line.startswith(f"{now}: the result may differ in its last digits") for line in said)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_in_training_leaves_a_checkpoint(tmp_path: Path, catalogue: Catalogue, name: str) -> None:
    class Ends(Silent):
        def step(self, step: int, loss: float, steps_per_second: float) -> None:
            if step == 3:
                assert signal.getsignal(signal.Signals[name]) not in (signal.SIG_DFL, signal.default_int_handler)
                signal.raise_signal(signal.Signals[name])

    with pytest.raises(ms.InterruptedRunError, match=rf"stopped by {name} after step 3(.|\n)*Go on with"):
        running.run(toy(), tmp_path / "run", device="cpu", catalogue=catalogue, progress=Ends())
    made = ms.open_run(tmp_path / "run")
    assert (made.status["state"], made.checkpoint().step) == ("interrupted", 3)


@pytest.mark.parametrize("place", ["evaluation", "report"])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_during_evaluation_or_report_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, place: str
) -> None:
    changes = {"data.size": 8, "siren.hidden_features": 4, "train.steps": 2}
    recipe = ms.load_recipe("image", preset="quick", overrides=changes)
    before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)]

    def stopped(*_: Any, **__: Any) -> None:
        # Or it would end pytest.
        assert name == "SIGINT" or signal.getsignal(signal.Signals[name]) != signal.SIG_DFL
        signal.raise_signal(signal.Signals[name])

    with monkeypatch.context() as patch:
        places = {"evaluation": (running, "write_evaluated"), "report": (at_the_end, "write_quietly")}
        patch.setattr(*places[place], stopped)
        with pytest.raises(ms.InterruptedRunError, match=rf"{name} during the evaluation(.|\n)*Go on with: .*--resume"):
            ms.run(recipe, tmp_path / "run", device="cpu")
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)] == before
    made = ms.open_run(tmp_path / "run")
    assert made.status["state"] == "interrupted"
    assert made.status["step"] == 2
    assert running.resume(made.path, device="cpu").status["state"] == "finished"


def test_a_run_that_fails_while_a_step_is_told_counts_this_step(tmp_path: Path, catalogue: Catalogue) -> None:
    class Closed(Silent):
        def step(self, step: int, loss: float, steps_per_second: float) -> None:
            if step == 3:
                raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        running.run(toy(), tmp_path / "run", device="cpu", catalogue=catalogue, progress=Closed())
    made = ms.open_run(tmp_path / "run")
    assert [line["step"] for line in made.losses()] == [1, 2, 3]
    assert (made.status["state"], made.status["step"]) == ("failed", 3)


@pytest.mark.parametrize("step", [1, 3])
def test_a_run_stopped_by_a_signal_counts_every_step_that_was_taken(
    tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    class Watcher:
        @staticmethod
        @ms.hookimpl
        def metasiren_step_ended(step: int) -> None:
            if step == at:
                signal.raise_signal(signal.SIGINT)

    at = step
    catalogue.manager.register(Watcher())
    with pytest.raises(ms.InterruptedRunError, match=rf"stopped by SIGINT after step {step}\."):
        running.run(toy(), tmp_path / "run", device="cpu", catalogue=catalogue)
    made = ms.open_run(tmp_path / "run")
    assert made.status["step"] == made.checkpoint().step == step
    listed = CliRunner().invoke(cli, ["runs", str(tmp_path)])
    assert f"not finished, {step} of 4 steps" in listed.output
    assert json.loads(CliRunner().invoke(cli, ["runs", str(tmp_path), "--json"]).stdout)[0]["steps"] == step


def test_a_fault_in_the_last_pictures_loses_no_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does a folder of results that was removed stop a resume."""
    small = {"data.size": 16, "train.steps": 4, "train.checkpoint_every": 3, "siren.hidden_features": 8}
    recipe = ms.load_recipe("image", preset="quick", overrides=small)

    def fails(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(PictureProtocol, "preview", fails)
        with pytest.raises(OSError, match="No space left"):
            running.run(recipe, tmp_path / "run", device="cpu")
    assert (tmp_path / "run/checkpoints/step-00000004.safetensors").is_file()
    shutil.rmtree(tmp_path / "run/results")
    (tmp_path / "run/checkpoints/step-00000004.safetensors").unlink()
    resumed = running.resume(tmp_path / "run", device="cpu")
    assert (resumed.results / "preview.png").is_file()
