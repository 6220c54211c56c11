"""Decoded clips on disk, as memory-mapped arrays: a clip is decoded once, and never whole in memory."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from metasiren import DataError
from metasiren_signals.clips.reading import check, demand_size, read_frames, read_header
from metasiren_signals.clips.selection import Frame, Selection

Clip = np.ndarray[Any, np.dtype[np.uint8]]

HOME = "METASIREN_DATA"
LAYOUT = 1
"""Part of every file's key: another number makes all be decoded anew."""


def cache_home() -> Path:
    """`clips` in the folder named by METASIREN_DATA, or else in ~/.cache/metasiren."""
    named = os.environ.get(HOME)
    return (Path(named).expanduser() if named else Path.home() / ".cache" / "metasiren") / "clips"


def decoded(path: Path, selection: Selection, home: Path | None = None) -> tuple[Clip, Path | None]:
    """The selected pictures of a file, decoded now or earlier.

    The array's file is named by the digest of the video's bytes and of the selection, and appears whole or not at
    all. Where the cache cannot be written, the array lies in a temporary folder.

    Args:
        path: the video.
        selection: the frames, crop and size.
        home: the cache's folder; `cache_home()` by default.

    Returns:
        uint8 (frames, rows, columns, 3), memory-mapped and read-only; and the temporary folder, if one was made, which
        is the caller's to remove.

    Raises:
        DataError: as `read_header`, `check` and `read_frames`; or no room on the disk.
    """
    header, where = read_header(path), str(path)
    shape = check(header, selection, where)
    home = home or cache_home()
    target = home / f"{path.stem}-{_digest(path, selection)}.npy"
    found = _open(target)
    if found is not None:
        return found, None
    temporary = None
    try:
        home.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=home, suffix=".part")
    except OSError:
        temporary = Path(tempfile.mkdtemp(prefix="metasiren-clip-"))
        target = temporary / target.name
        handle, part = tempfile.mkstemp(dir=temporary, suffix=".part")
    try:
        count = selection.frames or len(range(selection.start, header.frames or 0, selection.stride))
        _demand_room(count * shape[0] * shape[1] * 3, target.parent, where)
        with os.fdopen(handle, "wb") as file:
            write_frames(file, read_frames(path, selection), where)
        Path(part).replace(target)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        raise
    array = _open(target)
    assert array is not None
    return array, temporary


def write_frames(file: BinaryIO, frames: Iterable[Frame], where: str) -> None:
    """Write pictures as one .npy array whose length is known at the end only.

    Raises:
        DataError: no pictures, or absurdly many.
    """
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise DataError(where, "holds no frames.", "Fetch or export it again.")
    count, rows, columns = 0, first.shape[0], first.shape[1]
    begin = _write_head(file, 0, rows, columns)
    for frame in chain([first], frames):
        file.write(frame.tobytes())
        count += 1
        demand_size(count, rows, columns, where)
    file.seek(0)
    # NumPy leaves room in the head for a first axis of any length.
    assert _write_head(file, count, rows, columns) == begin


def _write_head(file: BinaryIO, count: int, rows: int, columns: int) -> int:
    head = {"descr": "|u1", "fortran_order": False, "shape": (count, rows, columns, 3)}
    np.lib.format.write_array_header_1_0(file, head)
    return file.tell()


def _open(target: Path) -> Clip | None:
    """The array of a file; None where there is none, or it is damaged."""
    try:
        array = np.load(target, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return array if array.dtype == np.uint8 and array.ndim == 4 and array.size else None


def _digest(path: Path, selection: Selection) -> str:
    options = json.dumps([LAYOUT, asdict(selection)], sort_keys=True)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(options.encode())
    return digest.hexdigest()[:24]


def _demand_room(size: int, folder: Path, where: str) -> None:
    free = shutil.disk_usage(folder).free
    if size > free:
        found = f"its pictures take {size / 2**30:,.1f} GiB, and {folder} has {free / 2**30:,.1f} GiB left."
        raise DataError(where, found, f"Choose fewer or smaller pictures, or another disk with data.cache or {HOME}.")
