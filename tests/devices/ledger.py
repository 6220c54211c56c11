"""What an emulated GPU counts, and the line of the project that caused it."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

OWN = Path(__file__).resolve().parent


class DeviceRuleError(RuntimeError):
    """Something that a GPU would refuse."""


def site() -> str:
    """`file:line` of the innermost line of the package, a plugin or a test; `?` where there is none."""
    frame = sys._getframe(1)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.parent != OWN or path.name.startswith("test_"):
            for part in ("metasiren", "tests"):
                at = next((i for i, piece in enumerate(path.parts) if piece.startswith(part)), None)
                if at is not None and "site-packages" not in path.parts:
                    return f"{'/'.join(path.parts[at:])}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return "?"


class Ledger:
    """Counts of an emulated device since the last `reset`.

    Attributes:
        kernels: launches by operation.
        waits: (reason, site) of each time that the host waited for the device.
        uploads: sites of copies from pageable host memory to the device.
    """

    def __init__(self) -> None:
        self.kernels: Counter[str] = Counter()
        self.waits: Counter[tuple[str, str]] = Counter()
        self.uploads: Counter[str] = Counter()

    def reset(self) -> None:
        """Forget everything counted so far."""
        for counts in (self.kernels, self.waits, self.uploads):
            counts.clear()

    def wait(self, reason: str) -> None:
        """The host waits for the device here."""
        self.waits[reason, site()] += 1

    def report(self) -> str:
        """Every wait and upload with its place, most frequent first."""
        lines = [f"{n:4} {reason} at {place}" for (reason, place), n in self.waits.most_common()]
        return "\n".join([*lines, *(f"{n:4} upload at {place}" for place, n in self.uploads.most_common())])
