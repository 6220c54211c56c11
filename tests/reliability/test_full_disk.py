"""Files that cannot be written end a run with one error that names the file; TensorBoard's file is among them."""

from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import metasiren as ms
from metasiren.engine import running
from metasiren.json_files import write_json
from metasiren.registry.catalogue import load_catalogue
from metasiren.registry.scaffold import scaffold
from metasiren.runs import board, lock
from metasiren.runs.board import EventFile
from metasiren_report.page import write_report

resource = pytest.importorskip("resource", reason="no limits on the size of files here")
NOBODY = 65534


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size` bytes: a write fails with EFBIG, as it fails on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def small(**changes: object) -> ms.Recipe:
    overrides = {
        "data.size": 8, "siren.hidden_features": 4, "siren.hidden_layers": 1, "train.log_every": 1,
        "train.checkpoint_every": 1000, "train.pictures_every": 1000, "evaluate.protocol": None, **changes,
    }  # fmt: skip
    return ms.load_recipe("image", preset="quick", overrides=overrides)


def test_events_read_back_and_a_resume_hides_what_it_repeats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The ninth and tenth file of a process, in one second: readers sort by name.
    monkeypatch.setattr(board, "_NUMBERS", itertools.count(9))
    monkeypatch.setattr("time.time", lambda: 1.8e9)
    first = EventFile(tmp_path)
    for step in (1, 2, 3):
        first.scalar("loss/loss", 10.0 * step, step)
    first.image("samples", torch.full((3, 4, 5), 0.5), 3)
    first.close()
    again = EventFile(tmp_path, purge_step=2)
    again.scalar("loss/loss", 7.0, 2)
    again.close()
    read = EventAccumulator(str(tmp_path)).Reload()
    assert [(e.step, e.value) for e in read.Scalars("loss/loss")] == [(1, 10.0), (2, 7.0)]
    assert [(e.step, e.width, e.height) for e in EventAccumulator(str(first.path)).Reload().Images("samples")] == [
        (3, 5, 4)
    ]


@pytest.mark.parametrize(("size", "name"), [(4000, "metrics.jsonl|events"), (8000, "events.out.tfevents")])
def test_a_full_disk_ends_training_with_the_files_name(tmp_path: Path, size: int, name: str) -> None:
    # Pytest turns a traceback of a thread into an error: there must be none.
    path = tmp_path / "run"
    recipe = small(**{"train.steps": 400})
    with pytest.raises(OSError, match=name) as failed, files_of_at_most(size):
        running.run(recipe, path, device="cpu")
    assert failed.value.errno == errno.EFBIG
    assert running.resume(path, device="cpu").status["state"] == "finished"
    assert [line["step"] for line in ms.open_run(path).losses()] == list(range(1, 401))
    assert not list(path.rglob("*.partial"))


def test_json_that_cannot_be_written_leaves_the_former_file(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    write_json(path, {"step": 1})
    with files_of_at_most(100), pytest.raises(OSError, match=r"status\.json"):
        write_json(path, {"step": 2, "reason": "x" * 200})
    assert json.loads(path.read_text()) == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["status.json"]


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder that other users may enter, as those of pytest may not be."""
    folder = Path(tempfile.mkdtemp(prefix="readable"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@contextmanager
def without_rights(path: Path) -> Iterator[None]:
    """Nothing below the path may be written; root, whom permissions do not bind, becomes another user meanwhile."""
    everything = [path, *path.rglob("*")]
    modes = {each: each.stat().st_mode for each in everything}
    for each in everything:
        each.chmod(stat.S_IMODE(modes[each]) & 0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if user == 0:
            os.seteuid(0)
        for each, mode in modes.items():
            each.chmod(stat.S_IMODE(mode))


def test_a_run_that_may_only_be_read_is_read_and_says_so_where_it_would_be_written(elsewhere: Path) -> None:
    path = elsewhere / "run"
    running.run(small(**{"train.steps": 2, "evaluate.protocol": "picture"}), path, device="cpu")
    # Read beforehand: another user may not be allowed to read this environment's packages.
    catalogue = load_catalogue()
    weights = ms.open_run(path).model(catalogue=catalogue).state_dict()
    for command in (running.resume, running.evaluate):
        with without_rights(path), pytest.raises(ms.RunError, match="cannot be written to: Permission denied"):
            command(path, device="cpu", catalogue=catalogue)
    with without_rights(path):
        again = ms.open_run(path).model(catalogue=catalogue).state_dict()
        list(ms.open_run(path).losses())
    assert all(torch.equal(again[name], value) for name, value in weights.items())
    assert {stat.S_IMODE(p.stat().st_mode) & 0o444 for p in path.rglob("*") if p.is_file()} == {0o444}


def test_a_lock_on_a_full_disk_names_its_file_and_is_given_back(tmp_path: Path) -> None:
    with files_of_at_most(0), pytest.raises(OSError, match=r"\.lock"):
        lock.take(tmp_path)
    lock.take(tmp_path).close()


def test_pages_and_packages_leave_nothing_half_written_on_a_full_disk(tmp_path: Path) -> None:
    made = ms.run(small(**{"train.steps": 1}), tmp_path / "run", device="cpu")
    (tmp_path / "out").mkdir()
    with files_of_at_most(100), pytest.raises(ms.RunError, match=r"page\.html: cannot be written"):
        write_report([made], tmp_path / "out" / "page.html")
    with files_of_at_most(100), pytest.raises(ms.PluginError, match="cannot write there"):
        scaffold("encoder", "some_name", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
