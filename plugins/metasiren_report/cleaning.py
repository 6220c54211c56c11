"""Files of runs that are no longer needed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from metasiren import Run
from metasiren_report.summary import find_runs, summarise

QUIET_SECONDS = 3600.0


@dataclass(frozen=True)
class Leftover:
    """A file or folder, its size in bytes, and why it is not needed."""

    path: Path
    size: int
    reason: str


def find_leftovers(folder: Path, *, checkpoints: bool = False, unfinished: bool = False) -> list[Leftover]:
    """What may be deleted. A run that was written to in the last hour is left alone: it may be going on.

    Args:
        folder: where runs are looked for, at any depth.
        checkpoints: of runs that took their last step and were evaluated name all checkpoints; such runs can no longer
            be resumed or rendered.
        unfinished: name whole runs without results and without a checkpoint.

    Raises:
        RunError: there is no such folder.
    """
    return [leftover for run in find_runs(folder) for leftover in _of(run, checkpoints, unfinished)]


def remove(leftovers: Sequence[Leftover]) -> None:
    """Delete them; links are removed, never followed."""
    for leftover in leftovers:
        if leftover.path.is_dir() and not leftover.path.is_symlink():
            shutil.rmtree(leftover.path)
        else:
            leftover.path.unlink(missing_ok=True)


def left_as_new(folder: Path) -> int:
    """How many runs `find_leftovers` leaves alone because they were written to in the last hour."""
    return sum(_too_new(_files(run)) for run in find_runs(folder))


def _files(run: Run) -> list[Path]:
    return [path for path in run.path.rglob("*") if path.is_file() and not path.is_symlink()]


def _too_new(files: Sequence[Path]) -> bool:
    return time.time() - max((path.stat().st_mtime for path in files), default=0.0) < QUIET_SECONDS


def _of(run: Run, checkpoints: bool, unfinished: bool) -> Iterator[Leftover]:
    files = _files(run)
    if not files or _too_new(files):
        return
    state = summarise(run).state
    saved = (
        sorted(run.checkpoints.glob("step-*.safetensors"), key=lambda p: (len(p.name), p.name))
        if run.checkpoints.is_dir()
        else []
    )
    if unfinished and state == "not finished" and not saved:
        yield Leftover(run.path, sum(path.stat().st_size for path in files), "no results and no checkpoint")
        return
    for path in files:
        if path.name.endswith(".partial"):
            yield Leftover(path, path.stat().st_size, "half written")
    dropped = saved if checkpoints and state == "finished" else saved[:-1]
    for path in dropped:
        reason = "checkpoint of a finished run" if state == "finished" else "older checkpoint"
        yield Leftover(path, path.stat().st_size, reason)
