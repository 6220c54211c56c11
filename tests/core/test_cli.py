"""The command line: one clear message, a non-zero exit, no traceback without --debug."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import toys

import metasiren as ms
from metasiren.cli import commands as cli
from metasiren.engine import running
from metasiren.registry.catalogue import load_catalogue

RECIPE = """
# toy
data: waves
siren: {hidden_features: 8, hidden_layers: 1, first_omega: 5}
encoder: mean_pair
decoder: shift
constraints: {squares: 1}
train: {steps: 4, batch: 4, optimizer: {name: toy_adam, lr: 1e-2}, log_every: 1}
evaluate: {protocol: judge}
presets:
  paper: {needs: [gpu, data], train: {steps: 400}}
  quick: {train: {steps: 3}}
"""


@pytest.fixture(autouse=True)
def _with_toys(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(**options: Any) -> Any:
        return load_catalogue(extra=[toys.plugin()], **options)

    monkeypatch.setattr(cli, "load_catalogue", load)
    monkeypatch.setattr("metasiren.cli.options.load_catalogue", load)
    monkeypatch.setattr(running, "load_catalogue", load)
    monkeypatch.setattr("metasiren.runs.directory.load_catalogue", load)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "toy.yaml"
    path.write_text(RECIPE)
    return path


class Outcome:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: str | Path) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["metasiren", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


def test_the_path_of_the_run_is_printed_last(call: Any, recipe: Path, tmp_path: Path) -> None:
    done = call("run", recipe, "--preset", "quick", "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == str(tmp_path / "run")
    assert ms.open_run(tmp_path / "run").checkpoint().step == 3


def test_without_a_preset_the_first_that_can_run_is_announced(call: Any, recipe: Path, tmp_path: Path) -> None:
    done = call("run", recipe, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert "quick" in done.err
    assert "paper cannot run here" in done.err
    assert "no GPU" in done.err
    assert ms.open_run(tmp_path / "run").recipe.preset == "quick"


def test_set_changes_the_recipe(call: Any, recipe: Path, tmp_path: Path) -> None:
    options = ("--set", "train.steps=2", "--set", "train.optimizer.lr=1e-4", "--seed", "9")
    assert call("run", recipe, "--preset", "quick", *options, "--out", tmp_path / "run").code == 0
    made = ms.open_run(tmp_path / "run").recipe.train
    assert (made.steps, made.optimizer.options["lr"], made.seed) == (2, 1e-4, 9)


def test_resume_and_evaluate(call: Any, recipe: Path, tmp_path: Path) -> None:
    assert call("run", recipe, "--preset", "quick", "--out", tmp_path / "run").code == 0
    assert call("run", "--resume", tmp_path / "run").code == 0
    done = call("evaluate", tmp_path / "run", "--limit", "2")
    assert done.code == 0, done.err
    assert json.loads((tmp_path / "run" / "results" / "table.json").read_text())["items"] == 2


def test_a_misspelt_file_is_compared_with_those_beside_it(call: Any, recipe: Path) -> None:
    done = call("run", recipe.with_name("tooy.yaml"))
    assert done.code != 0
    assert "Did you mean 'toy.yaml'" in done.err


def test_resuming_says_after_which_step_training_goes_on(call: Any, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    options = ("--set", "train.steps=100000", "--set", "evaluate.protocol=null", "--no-fit", "--out", out)
    assert call("run", recipe, "--preset", "quick", *options, "--max-time", "1s").code == 0
    step = json.loads((out / "status.json").read_text())["step"]
    done = call("run", "--resume", out, "--max-time", "1s")
    assert done.code == 0, done.err
    assert f"goes on after step {step:,} of 100,000" in " ".join(done.err.split())


def test_resuming_a_finished_run_says_that_training_had_ended(call: Any, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert call("run", recipe, "--preset", "quick", "--out", out).code == 0
    done = call("run", "--resume", out)
    assert done.code == 0, done.err
    assert "training had ended at step" in done.err
    assert "--set train.steps=NUMBER" in done.err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("run",), "no recipe given"),
        (("run", "nowhere.yaml"), "there is no such recipe"),
        (("run", "{recipe}", "--preset", "quik"), "Did you mean 'quick'"),
        (("run", "{recipe}", "--set", "train.stps=1"), "Did you mean 'steps'"),
        (("run", "{recipe}", "--set", "nonsense"), "not key=value"),
        (("run", "{recipe}", "--set", "encoder=mean_pear"), "Did you mean 'mean_pair'"),
        (("run", "{recipe}", "--set", "encoder.latent_dim=wide"), "latent_dim"),
        (("run", "{recipe}", "--device", "cuda"), "--device"),
        (("run", "{recipe}", "--max-time", "soon"), "no duration"),
        (("run", "--resume", "nowhere"), "not a run"),
        (("run", "{recipe}", "--resume", "nowhere"), "cannot be changed"),
        (("evaluate", "nowhere"), "not a run"),
        (("table", "nowhere"), "no such folder"),
        (("describe", "encoder", "mean_pear"), "Did you mean"),
        (("plugins", "--check", "acme"), "no plugin is called"),
        (("pluginz",), "Did you mean"),
        (("--without", "nosuch", "recipes"), "no plugin is called 'nosuch'"),
    ],
)
def test_a_mistake_is_one_message_without_a_traceback(
    call: Any, recipe: Path, arguments: tuple[str, ...], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = call(*[a.format(recipe=recipe) for a in arguments])
    assert done.code != 0
    assert expected in done.err
    assert "Traceback" not in done.err
    assert not list(tmp_path.glob("runs/*")), "a mistake left a run directory behind"


@pytest.mark.parametrize("constraints", ["", "constraints: {squares: 1}\n"])
def test_all_mistakes_of_a_recipe_are_named_at_once(call: Any, tmp_path: Path, constraints: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(
        "data: wavs\nencoder: mean_pair\ndecoder: {name: shift, shft: 1}\n"
        f"{constraints}train: {{steps: 4}}\nevaluate: {{protocol: juge}}\n"
    )
    done = call("run", path)
    assert done.code != 0
    assert ("constraints: missing" in done.err) == (not constraints)
    for expected in ("Did you mean 'waves'", "shft: unknown key", "Did you mean 'judge'"):
        assert expected in done.err


def test_debug_shows_the_traceback(recipe: Path) -> None:
    command = [sys.executable, "-m", "metasiren", "run", "nowhere.yaml"]
    plain = subprocess.run(command, capture_output=True, text=True, check=False)
    debug = subprocess.run([*command, "--debug"], capture_output=True, text=True, check=False)
    assert "Traceback" not in plain.stderr
    assert "Traceback" in debug.stderr
    assert plain.returncode == 1


def test_describe_lists_options_with_types_and_defaults(call: Any) -> None:
    done = call("describe", "encoder", "mean_pair")
    assert done.code == 0
    assert "latent_dim" in done.out
    assert "int" in done.out
    assert "4" in done.out


def test_plugins_as_json(call: Any) -> None:
    rows = json.loads(call("plugins", "--json").out)
    assert {"basics", "images"} <= {row["name"] for row in rows}
