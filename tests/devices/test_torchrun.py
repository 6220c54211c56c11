"""Two processes started by torchrun train as one does, and one goes on where two stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import metasiren as ms
from metasiren import open_run
from metasiren.engine.distributed import Ranks

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


@pytest.mark.parametrize(
    "reason",
    [
        "[third_party/gloo/transport/tcp/pair.cc:545] Read error [127.0.0.1]:45981: Connection reset by peer",
        "NCCL communicator was aborted on rank 1.",
    ],
)
def test_a_process_that_is_lost_in_a_backward_pass_is_named(reason: str) -> None:
    with (
        pytest.raises(ms.TrainingError, match="another process of this job cannot be reached"),
        Ranks(0, 2).explained(),
    ):
        raise RuntimeError(reason)


def test_other_errors_of_a_step_stay_as_they_are() -> None:
    for ranks in (Ranks(), Ranks(0, 2)):
        with pytest.raises(RuntimeError, match=r"^shapes differ$"), ranks.explained():
            raise RuntimeError("shapes differ")
