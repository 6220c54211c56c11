"""Checks that data fits into memory, before the system ends the process."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from metasiren.errors import DataError

SHARE = 0.6
MEMINFO = Path("/proc/meminfo")
LIMIT, USED = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")


def available_bytes() -> int | None:
    """Available bytes of memory: the machine's, or the rest of a container's limit; None where unknown."""
    found = []
    with suppress(OSError, ValueError):
        for line in MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found.append(int(line.split()[1]) * 1024)
    with suppress(OSError, ValueError):  # no container, or one without a limit ("max")
        found.append(int(LIMIT.read_text()) - int(USED.read_text()))
    return min(found, default=None)


def demand_memory(wanted: int, where: str, advice: str) -> None:
    """Check that so many bytes are a safe share of the available memory.

    Raises:
        DataError: they are not.
    """
    free = available_bytes()
    if free is not None and wanted > SHARE * free:
        raise DataError(where, f"needs about {wanted / 1e9:.1f} GB of memory; {free / 1e9:.1f} GB are free.", advice)
