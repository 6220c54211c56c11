"""A short run is watched from its first step to its results; a resumed one, too. wandb is replaced by a recorder."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import metasiren as ms

TINY = {"data.size": 16, "siren.hidden_features": 8, "train.steps": 4, "train.log_every": 2}


class Recorder:
    """What wandb.init returns, as far as the plugin uses it."""

    def __init__(self, **given: Any) -> None:
        self.given, self.logged, self.summary, self.finished = given, [], {}, False

    def log(self, numbers: dict[str, float], step: int) -> None:
        """Keep the numbers."""
        self.logged.append((step, numbers))

    def finish(self) -> None:
        """Note the end."""
        self.finished = True


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The plugin with a stand-in for wandb, and the runs that were opened."""
    opened: list[Recorder] = []

    def init(**given: Any) -> Recorder:
        opened.append(Recorder(**given))
        return opened[-1]

    stand_in = ModuleType("wandb")
    stand_in.init = init  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", stand_in)
    monkeypatch.delitem(sys.modules, "acme_wandb", raising=False)
    for name in ("WANDB_MODE", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    import acme_wandb

    yield SimpleNamespace(plugin=acme_wandb, opened=opened)
    sys.modules.pop("acme_wandb", None)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ms.Run:
    """A finished run that nobody watched."""
    monkeypatch.setenv("METASIREN_PLUGINS", "")
    monkeypatch.setenv("METASIREN_NO_REPORT", "1")
    return ms.run(ms.load_recipe("image", preset="quick", overrides=TINY), tmp_path / "run", device="cpu")


def test_a_run_is_watched(recorded: SimpleNamespace, run: ms.Run) -> None:
    """Losses under TensorBoard's names, results in the summary, offline."""
    recorded.plugin.metasiren_run_started(run)
    recorded.plugin.metasiren_step_ended(run, 2, {"loss": 0.5, "mse": 0.5})
    recorded.plugin.metasiren_step_ended(run, 4, {"loss": 0.25, "mse": 0.25})
    recorded.plugin.metasiren_run_ended(run)
    (watched,) = recorded.opened
    assert watched.given["mode"] == "offline"
    assert watched.given["project"] == "metasiren"
    assert watched.given["config"]["train"]["steps"] == 4
    assert [step for step, _ in watched.logged] == [2, 4]
    assert watched.logged[-1][1] == {"loss/loss": 0.25, "loss/mse": 0.25}
    numbers = json.loads((run.results / "metrics.json").read_text())
    assert watched.summary == {f"result/{name}": value for name, value in numbers.items()}
    assert watched.finished


def test_a_resumed_run_is_opened_at_its_first_logged_step(recorded: SimpleNamespace, run: ms.Run) -> None:
    """Once, and as the same run."""
    recorded.plugin.metasiren_step_ended(run, 6, {"loss": 0.1})
    recorded.plugin.metasiren_step_ended(run, 8, {"loss": 0.1})
    assert len(recorded.opened) == 1
    assert recorded.opened[0].given["resume"] == "allow"


def test_a_resumed_run_keeps_its_id_and_others_of_its_name_have_another(
    recorded: SimpleNamespace, run: ms.Run, tmp_path: Path
) -> None:
    """Another directory is another run, and so is a run that was started again in the same place."""
    elsewhere = tmp_path / "elsewhere" / run.path.name
    shutil.copytree(run.path, elsewhere)
    for watched in (run, ms.open_run(run.path), ms.open_run(elsewhere)):
        recorded.plugin.metasiren_run_started(watched)
        recorded.plugin.metasiren_run_ended(watched)
    environment = run.path / "environment.json"
    kept = json.loads(environment.read_text())
    environment.write_text(json.dumps({**kept, "started": "2001-01-01T00:00:00+00:00"}))
    recorded.plugin.metasiren_run_started(ms.open_run(run.path))
    first, resumed, other, again = (watched.given["id"] for watched in recorded.opened)
    assert first == resumed
    assert len({first, other, again}) == 3
    assert all(found.startswith(f"{run.path.name}-") for found in (first, other, again))


def test_the_engine_calls_every_hook(
    recorded: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the first step to the results."""
    monkeypatch.setenv("METASIREN_PLUGINS", "acme_wandb")
    monkeypatch.setenv("METASIREN_NO_REPORT", "1")
    catalogue = ms.load_catalogue(extra=[recorded.plugin])
    recipe = ms.load_recipe("image", preset="quick", overrides=TINY)
    made = ms.run(recipe, tmp_path / "watched", device="cpu", catalogue=catalogue)
    (watched,) = recorded.opened
    assert watched.given["name"] == made.path.name
    assert watched.logged[-1][0] == 4
    assert watched.finished


def test_mode_and_project_come_from_wandb_s_variables(
    recorded: SimpleNamespace, run: ms.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As users of wandb know them."""
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_PROJECT", "faces")
    recorded.plugin.metasiren_run_started(run)
    assert (recorded.opened[0].given["mode"], recorded.opened[0].given["project"]) == ("online", "faces")
