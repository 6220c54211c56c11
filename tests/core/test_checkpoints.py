"""Checkpoints: atomic, complete, read without executing code."""

from __future__ import annotations

import errno
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from metasiren import RunError
from metasiren.runs import checkpoints
from metasiren.runs.checkpoints import Checkpoint


def example(step: int = 3) -> Checkpoint:
    return Checkpoint(step, {"model.a": torch.arange(4.0), "random.cpu": torch.get_rng_state()}, {"seconds": 1.5})


def test_what_is_saved_is_read(tmp_path: Path) -> None:
    read = checkpoints.load(checkpoints.save(tmp_path, example()))
    assert (read.step, read.metadata) == (3, {"seconds": 1.5})
    assert torch.equal(read.part("model")["a"], torch.arange(4.0))


def test_only_the_newest_are_kept_and_nothing_partial(tmp_path: Path) -> None:
    for step in (1, 2, 10):
        checkpoints.save(tmp_path, example(step))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-00000002.safetensors", "step-00000010.safetensors"]


def test_a_full_disk_loses_no_earlier_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints.save(tmp_path, example(1))

    def full(tensors: Any, path: Path, metadata: Any) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(RunError, match="No space left") as caught:
        checkpoints.save(tmp_path, example(2))
    assert "step-00000001" in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000001.safetensors"]


def test_a_run_that_was_deleted_is_not_made_anew(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(RunError, match="deleted or moved while it trained"):
        checkpoints.save(run / "checkpoints", Checkpoint(1, {"model.w": torch.ones(2)}, {}))
    assert not run.exists()


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path) -> None:
    checkpoints.save(tmp_path, example(1))
    whole = checkpoints.save(tmp_path, example(2))
    whole.write_bytes(whole.read_bytes()[:50])
    newest = checkpoints.latest(tmp_path)
    assert newest is not None
    assert newest.step == 1


def test_only_damaged_checkpoints_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "step-00000001.safetensors").write_bytes(b"")
    with pytest.raises(RunError, match="not a readable checkpoint"):
        checkpoints.latest(tmp_path)


class _Trap:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("trap-sprung"),))


def test_a_pickle_is_not_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "step-00000001.safetensors"
    path.write_bytes(pickle.dumps(_Trap()))
    with pytest.raises(RunError):
        checkpoints.load(path)
    assert not (tmp_path / "trap-sprung").exists()


def test_an_optimizer_goes_on_as_it_was() -> None:
    def run(split: bool) -> torch.Tensor:
        torch.manual_seed(0)
        weight = torch.nn.Parameter(torch.randn(5))
        optimizer = torch.optim.Adam([weight], lr=0.1, betas=(0.8, 0.9))
        for step in range(6):
            if split and step == 3:
                tensors, settings = checkpoints.optimizer_tensors(optimizer)
                optimizer = torch.optim.Adam([weight], lr=0.5)
                checkpoints.restore_optimizer(optimizer, tensors, settings)
            optimizer.zero_grad()
            weight.square().sum().backward()
            optimizer.step()
        return weight.detach()

    assert torch.equal(run(split=False), run(split=True))
