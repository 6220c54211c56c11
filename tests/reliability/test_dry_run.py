"""`--dry-run` says what a run would take, and writes nothing; `--deterministic` is set, undone and recorded."""

from __future__ import annotations

import json
import os
import re
import warnings
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

import metasiren as ms
from metasiren.cli.commands import cli
from metasiren.engine import estimate, running
from metasiren.engine.devices import deterministic
from metasiren.engine.dry_run import DryRun, dry_run
from metasiren.engine.evaluation import _state_repeatability
from metasiren.registry.catalogue import load_catalogue
from metasiren.results.table import read_table
from metasiren.runs import checkpoints

CPU = torch.device("cpu")
SMALL: dict[str, Any] = {
    "data.size": 12, "data.points": None, "siren.hidden_features": 8, "siren.hidden_layers": 1, "train.steps": 50,
    "train.log_every": 1, "evaluate.protocol": None,
}  # fmt: skip


def small(**changes: Any) -> ms.Recipe:
    return ms.load_recipe("image", preset="quick", overrides={**SMALL, **changes})


def command(*words: str, **changes: Any) -> Any:
    pairs = [f"--set={key}={json.dumps(value)}" for key, value in {**SMALL, **changes}.items()]
    return CliRunner().invoke(cli, ["run", "image", "--preset", "quick", "--device", "cpu", *pairs, *words])


def test_a_dry_run_prints_its_figures_and_then_the_recipe_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command("--dry-run", "--seed", "7")
    assert done.exit_code == 0, done.output
    assert list(tmp_path.iterdir()) == []
    text = done.stdout[done.stdout.index("# image, preset quick") :]  # click before 8.2 puts messages in front
    weights = 2 * 8 + 8 + 8 * 8 + 8 + 8 + 1
    page = (
        r"# image, preset quick; its stated cost: \S.*\n"
        r"# data: camera, 12 x 12 grey\n"
        r"# training: 50 steps of .* s, measured on cpu: .*\n"
        r"# begun now, training ends at about 20.*, then it is evaluated\n"
        r"# memory: at its peak, a step needs about [\d.]+ MB \(activations .*\); [\d.,]+ GB are free on cpu\n"
        rf"# parameters: encoder 0 trained, 0 fixed; decoder {weights} trained, 0 fixed\n"
        r"# a step: \d+ operations, [\d.e-]+ GFLOP, .* moved\n"
        r"# Nothing was written. The resolved recipe, which runs as it stands:\n"
        r"data:\n"
    )
    assert re.match(page, text), text
    # The page is the recipe: it runs as it stands.
    (tmp_path / "planned.yaml").write_text(text)
    assert ms.load_recipe(tmp_path / "planned.yaml").model_dump() == small(**{"train.seed": 7}).model_dump()


def test_a_dry_run_leaves_training_as_it_is(tmp_path: Path) -> None:
    recipe = small(**{"train.steps": 5})
    plain = running.run(recipe, tmp_path / "plain", device="cpu").checkpoint()
    dry_run(recipe, load_catalogue(), CPU)
    after = running.run(recipe, tmp_path / "after", device="cpu").checkpoint()
    assert plain.step == after.step == 5
    assert plain.tensors.keys() == after.tensors.keys()
    assert all(torch.equal(after.tensors[name], tensor) for name, tensor in plain.tensors.items())


def test_a_dry_run_times_a_step() -> None:
    planned = dry_run(small(), load_catalogue(), CPU)
    assert planned.steps == 50
    assert planned.step_seconds is not None
    assert planned.step_seconds > 0
    assert planned.cost is not None


def test_what_does_not_fit_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "available_bytes", lambda: 20_000)
    planned = dry_run(small(), load_catalogue(), CPU)
    assert planned.step_seconds is None
    assert "it does not fit: --set train.accumulate=" in planned.text()


def test_a_dry_run_of_a_run_begun_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ms.RecipeError, match="a resumed run cannot be changed"):
        CliRunner().invoke(cli, ["run", "--resume", str(tmp_path), "--dry-run"], catch_exceptions=False)


def test_the_end_of_the_run_is_steps_times_the_time_of_one() -> None:
    planned = DryRun(small(), CPU, "a picture", None, None, "", 3600, 2.5, 2)
    text = planned.text(datetime(2030, 1, 1, 12))
    assert "memory: unknown" in text
    assert "training: 3,600 steps of 2.5 s, measured in the first stage on cpu: 2 h 30 min\n" in text
    assert "begun now, training ends at about 2030-01-01 14:30" in text
    assert text.startswith("# image, preset quick\n")


def test_deterministic_algorithms_are_set_and_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    cudnn = torch.backends.cudnn
    before = (cudnn.deterministic, cudnn.benchmark)
    with deterministic(True) as missing:
        assert torch.are_deterministic_algorithms_enabled()
        assert (cudnn.deterministic, cudnn.benchmark) == (True, False)
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
        torch.zeros(3).put_(torch.tensor([0, 0]), torch.ones(2))
        with pytest.raises(UserWarning, match="another"):
            warnings.warn("another", stacklevel=1)
    assert missing == ["put_"]
    assert not torch.are_deterministic_algorithms_enabled()
    assert (cudnn.deterministic, cudnn.benchmark) == before
    with deterministic(False):
        assert not torch.are_deterministic_algorithms_enabled()


def test_a_deterministic_run_is_recorded_and_repeats(tmp_path: Path) -> None:
    done = command("--deterministic", "--no-report", "--out", str(tmp_path / "run"), **{"train.steps": 3})
    assert done.exit_code == 0, done.output
    made = ms.open_run(tmp_path / "run")
    assert made.recipe.train.deterministic
    summary = json.loads((made.results / "training.json").read_text())
    assert (summary["deterministic"], summary["without_deterministic_algorithm"]) == (True, [])
    other = running.run(small(**{"train.steps": 3}), tmp_path / "other", device="cpu")
    a, b = (checkpoints.latest(run.checkpoints) for run in (made, other))
    assert a is not None
    assert b is not None
    assert all(torch.equal(value, b.tensors[name]) for name, value in a.tensors.items())


@pytest.mark.parametrize(
    ("device", "wanted", "missing", "words"),
    [
        ("cpu", False, None, ""),
        ("NVIDIA H100", False, None, "repeatable not to the bit (trained on a GPU without --deterministic)"),
        ("NVIDIA H100", True, [], ""),
        ("NVIDIA H100", True, ["put_"], "repeatable not to the bit (no deterministic algorithm for put_)"),
    ],
)
def test_the_table_says_where_a_result_cannot_be_repeated(
    tmp_path: Path, device: str, wanted: bool, missing: list[str] | None, words: str
) -> None:
    made = running.run(small(**{"train.steps": 0, "train.deterministic": wanted}), tmp_path / "run", device="cpu")
    made = replace(made, environment={**made.environment, "device": device})
    row = {"name": "a", "kind": "model", "mse": {"10": 0.1}}
    stored = {"dataset": "faces", "protocol": "exact", "images": 3, "seeds": 1, "rows": [row]}
    (made.results / "table.json").write_text(json.dumps(stored))
    if missing is not None:
        (made.results / "training.json").write_text(json.dumps({"without_deterministic_algorithm": missing}))
    _state_repeatability(made, made.results)
    table = read_table(made.results / "table.json")
    assert words in table.conditions
    assert ("repeatable" in table.conditions) == bool(words)
    assert (made.results / "table.md").is_file() == bool(words)


def test_steps_that_no_calendar_holds_are_planned() -> None:
    plan = dry_run(small(**{"train.steps": 10**18}), load_catalogue(), CPU)
    assert "1,000,000,000,000,000,000 steps" in plan.text()
    assert "training ends after the year 9,999" in plan.text()
