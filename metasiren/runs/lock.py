"""One process at a time writes into a run directory.

The lock is the operating system's (flock): it ends with the process that holds it, however that process ends. Where
Python has no `fcntl` (Windows) there is no lock.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO
from weakref import WeakSet

from metasiren.errors import RunError
from metasiren.json_files import json_object, naming

try:
    import fcntl
except ImportError:  # pragma: no cover (Windows)
    fcntl = None  # type: ignore[assignment]

NAME = ".lock"
_taken: WeakSet[IO[str]] = WeakSet()
"""The lock files that this process holds open."""


def take(folder: Path) -> IO[str]:
    """Lock a directory until the file returned is closed, or the process ends.

    Raises:
        RunError: another process holds it (its number, machine, command and start are named), or the directory is not
            writable.
        OSError: the disk is full.
    """
    path = folder / NAME
    try:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, folder.stat().st_mode & 0o666), "r+", encoding="utf-8")
    except OSError as error:
        advice = "Name a run that you may write to, or copy this one."
        raise RunError(str(folder), f"cannot be written to: {error.strerror}.", advice) from None
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(file.read(4096))
            file.close()
            advice = "Wait until it ends, or stop it; two processes would mix their files."
            raise RunError(str(folder), f"in use by {holder}.", advice) from None
        except OSError:  # a file system without locks
            pass
    record = {
        "process": os.getpid(),
        "machine": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:500],
    }
    try:
        with naming(path):
            file.truncate(0)
            file.write(json.dumps(record))
            file.flush()
    except OSError:  # such as a full disk
        with suppress(OSError):
            file.close()
        raise
    _taken.add(file)
    return file


def demand_held(folder: Path) -> None:
    """Demand that the directory is still the one that this process locked: it may have been moved, and another made.

    What the lock says does not count: where a file system has no locks, another command writes its own name into it.

    Raises:
        RunError: its lock is not a file that this process took, or is gone.
    """
    try:
        found = (folder / NAME).stat()
    except OSError:
        raise moved(folder) from None
    if not any(os.path.samestat(found, os.fstat(file.fileno())) for file in _taken if not file.closed):
        raise moved(folder)


def moved(folder: Path) -> RunError:
    """The error for a run whose directory is no longer there: made anew it would be no run, or another one."""
    return RunError(str(folder), "the directory of the run was deleted or moved while it trained.", "Train again.")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a directory; see `take`."""
    file = take(folder)
    try:
        yield
    finally:
        file.close()


def _holder(text: str) -> str:
    try:
        held = json_object(text)
        return f"process {held['process']} on {held['machine']} since {held['since']}: {held['command']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
