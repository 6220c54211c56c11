"""Two processes started by torchrun train as one does, and one goes on where two stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from metasiren import open_run

IMAGE = [
    "run", "image", "--preset", "quick", "--device", "cpu", "--seed", "0",
    "--set", "data.size=24", "--set", "siren.hidden_features=16", "--set", "train.log_every=1",
    "--set", "train.steps=4", "--set", "train.checkpoint_every=2", "--set", "train.pictures_every=100",
]  # fmt: skip
TORCHRUN = ["-m", "torch.distributed.run", "--nproc_per_node=2", "-m", "metasiren"]


def call(*words: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)


def curve(path: Path) -> list[float]:
    return [line["loss"] for line in open_run(path).losses()]


def test_two_processes_are_one(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert call("-m", "metasiren", *IMAGE, "--out", one).returncode == 0
    done = call(*TORCHRUN, *IMAGE, "--out", two)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(str(two)) == 1, "the first process alone speaks"
    assert curve(two) == pytest.approx(curve(one), rel=1e-6)
    assert [p.name for p in tmp_path.iterdir()].count("two") == 1
    # One process goes on where two stopped.
    newest = sorted((two / "checkpoints").glob("step-*.safetensors"))[-1]
    newest.unlink()
    assert call("-m", "metasiren", "run", "--resume", two, "--device", "cpu").returncode == 0
    assert curve(two) == pytest.approx(curve(one), rel=1e-6)
    assert json.loads((two / "results" / "training.json").read_text())["steps"] == 4


def test_a_refusal_ends_the_job_with_its_reason(tmp_path: Path) -> None:
    done = call(*TORCHRUN, "run", "wave", "--preset", "quick", "--device", "cpu", "--out", tmp_path / "wave")
    assert done.returncode != 0
    assert "gauss_newton needs the whole batch of a step in one process" in done.stderr
