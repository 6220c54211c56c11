"""Failures of the machine, and wrong values of a recipe, end in one message and exit 1; broken plugins stay alone."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
import torch

import metasiren as ms
from metasiren.cli import commands
from metasiren.cli.failures import explain
from metasiren.engine import running
from metasiren.registry.catalogue import load_catalogue


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "run/metrics.jsonl"),
            r"run/metrics.jsonl: No space.*\n.*Free",
        ),
        (OSError(errno.EFBIG, "File too large"), r"File too large.*\n.*Free space"),
        (PermissionError(errno.EACCES, "Permission denied", "x"), r"x: Permission denied.*\n.*write to"),
        (
            OSError(errno.ENAMETOOLONG, "File name too long", "x" * 5000),
            r"^x{1,700} \.\.\. x{1,500}: File name too long",
        ),
        (torch.OutOfMemoryError("CUDA out of memory."), r"out of memory: CUDA.*\n.*train.batch"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 160000000000"), "out of memory"),
        (MemoryError(), "out of memory"),
    ],
)
def test_a_failure_of_the_machine_is_a_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, message: str
) -> None:
    def fails(**_: Any) -> None:
        raise error

    monkeypatch.setattr(commands, "cli", fails)
    monkeypatch.setattr("sys.argv", ["metasiren", "plugins"])
    with pytest.raises(SystemExit) as stop:
        commands.main()
    assert stop.value.code == 1
    told = capsys.readouterr().err
    assert "a fault in metasiren" not in told
    assert re.search(message, told)


def test_a_file_name_that_is_no_text_is_printed_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(commands, "cli", lambda **_: click.echo(Path(os.fsdecode(b"n\xff\xe9"))))
    monkeypatch.setattr("sys.argv", ["metasiren", "plugins"])
    commands.main()
    assert capfdbinary.readouterr().out == b"n\xff\xe9\n"


def test_signs_that_an_encoding_lacks_end_no_command() -> None:
    code = "import sys; from metasiren.cli import commands; commands.cli = lambda **_: print('\u2013 \u00d7');"
    command = [sys.executable, "-c", f"{code} commands.main()"]
    done = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}, check=True)
    assert done.stdout.strip() == rb"\u2013 \xd7"


def test_a_fault_stays_a_fault() -> None:
    assert explain(ValueError("x")) is None
    assert explain(RuntimeError("shapes differ")) is None


BASE: dict[str, Any] = {"data.size": 12, "siren.hidden_features": 8, "train.steps": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"siren.hidden_omega": 0}, "siren.hidden_omega"),
        ({"siren.first_omega": -1}, "siren.first_omega"),
        ({"train.seed": 20_000_000_000_000}, "train.seed"),
        ({"train.optimizer.lr": -1}, "Invalid learning rate"),
        ({"train.optimizer.lr": "nan"}, "learning rate|number"),
        ({"train.on_nonfinite": "hope"}, "train.on_nonfinite"),
        ({"constraints.mse.weight": "nan"}, r"constraints.mse.weight: .*finite number"),
        ({"siren.hidden_layers": 1_000_000}, r"siren.hidden_layers: .*1000"),
    ],
)
def test_a_value_that_cannot_be_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ms.RecipeError, match=message):
        ms.run(ms.load_recipe("image", preset="quick", overrides={**BASE, **change}), tmp_path / "run", device="cpu")


def test_a_seed_from_the_command_line_is_checked_too(tmp_path: Path) -> None:
    recipe = ms.load_recipe("image", preset="quick", overrides=BASE)
    with pytest.raises(ms.RecipeError, match=r"train.seed"):
        ms.run(recipe, tmp_path / "run", device="cpu", seed=2**32)


@pytest.mark.parametrize("word", ["meta", "xla", "mps"])
def test_devices_without_training_are_refused(word: str) -> None:
    with pytest.raises(ms.RecipeError, match="--device"):
        running.pick_device(word)


def _exits() -> dict[str, Any]:
    raise SystemExit(3)


@pytest.mark.parametrize(
    "hook",
    [lambda: {1: object}, lambda: {"five": 5}, lambda: {"": dict}, lambda: 7, _exits],
    ids=["number", "factory", "empty", "no mapping", "exit"],
)
def test_a_plugin_that_breaks_its_hook_breaks_nothing_else(hook: Any) -> None:
    def metasiren_encoders() -> Any:
        return hook()

    plugin = SimpleNamespace(__name__="rude", metasiren_encoders=ms.hookimpl(metasiren_encoders))
    catalogue = load_catalogue(extra=[plugin])
    (rude,) = [p for p in catalogue.plugins if p.name == "rude"]
    assert rude.error
    assert "hook metasiren_encoders" in rude.error
    assert catalogue.names("encoder") == load_catalogue().names("encoder")


def test_leaving_out_a_plugin_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ms.PluginError, match="no plugin is called 'nosuch'"):
        load_catalogue(without=["nosuch"])
