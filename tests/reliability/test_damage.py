"""A damaged checkpoint is never read as a good one, and is named when an older one takes its place."""

from __future__ import annotations

import random
import stat
from pathlib import Path

import pytest
import torch

from metasiren import RunError
from metasiren.runs import checkpoints
from metasiren.runs.checkpoints import Checkpoint


def example(step: int) -> Checkpoint:
    generator = torch.Generator().manual_seed(step)
    tensors = {
        "model.weight": torch.randn(8, 4, generator=generator),
        "model.half": torch.randn(3, generator=generator).bfloat16(),
        "model.count": torch.tensor(step),
        "optimizer.0.exp_avg": torch.randn(8, 4, generator=generator, dtype=torch.float64),
        "model.empty": torch.zeros(0, 2),
    }
    return Checkpoint(step, tensors, {"seconds": 1.5, "optimizer": {"groups": [{"lr": 1e-3}]}})


def equal(a: Checkpoint, b: Checkpoint) -> bool:
    same = a.tensors.keys() == b.tensors.keys() and a.step == b.step and a.metadata == b.metadata
    return same and all(a.tensors[k].dtype == v.dtype and torch.equal(a.tensors[k], v) for k, v in b.tensors.items())


def test_no_flipped_bit_changes_what_is_read(tmp_path: Path) -> None:
    path = checkpoints.save(tmp_path, example(7))
    whole, draw = path.read_bytes(), random.Random(0)
    header = 8 + int.from_bytes(whole[:8], "little")
    accepted = 0
    for trial in range(600):
        place = draw.randrange(header) if trial % 2 else draw.randrange(header, len(whole))
        damaged = bytearray(whole)
        damaged[place] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        try:
            read = checkpoints.load(path)
        except RunError:
            continue
        accepted += 1
        assert equal(read, example(7)), f"a flipped bit in byte {place} changed what was read"
    # A blank that pads the header, say, carries no information.
    assert accepted < 30


def test_no_length_but_the_whole_is_read(tmp_path: Path) -> None:
    path = checkpoints.save(tmp_path, example(7))
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(RunError, match="not a readable checkpoint"):
            checkpoints.load(path)
    path.write_bytes(whole)
    assert equal(checkpoints.load(path), example(7))


def test_a_file_passed_over_is_named(tmp_path: Path) -> None:
    checkpoints.save(tmp_path, example(1))
    newest = checkpoints.save(tmp_path, example(2))
    newest.write_bytes(newest.read_bytes()[:-1] + b"?")
    read = checkpoints.latest(tmp_path)
    assert read is not None
    assert read.step == 1
    assert len(read.passed_over) == 1
    assert read.passed_over[0].startswith("step-00000002.safetensors: not a readable checkpoint")
    assert "checksum" in read.passed_over[0]


def test_steps_beyond_eight_digits_are_found_in_order(tmp_path: Path) -> None:
    for step in (99_999_999, 100_000_000, 1_000_000_000):
        checkpoints.save(tmp_path, example(step), keep=3)
    newest = checkpoints.latest(tmp_path)
    assert newest is not None
    assert newest.step == 1_000_000_000
    assert [p.name[5:-12] for p in checkpoints.found(tmp_path)] == ["99999999", "100000000", "1000000000"]


def test_a_checkpoint_is_as_readable_as_its_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    path = checkpoints.save(tmp_path, example(1))
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_what_a_killed_save_left_is_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / ".partial").mkdir()
    (tmp_path / ".partial" / ".tmpA1b2C3").write_bytes(b"0" * 1000)
    checkpoints.save(tmp_path, example(1))
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000001.safetensors"]
