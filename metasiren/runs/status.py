"""status.json: whether a run is training, finished, stopped early, interrupted or failed, and after how many steps."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from metasiren.errors import InterruptedRunError, MetasirenError, RunError
from metasiren.json_files import write_json
from metasiren.runs.lock import demand_held

State = Literal["training", "evaluating", "finished", "stopped early", "interrupted", "failed"]
EVERY_SECONDS = 10.0


class StatusFile:
    """Keeps the file of a run up to date while the context lasts; an exception leaves `failed` or `interrupted`.

    Args:
        path: the run directory.
        steps: of the whole training.
        step: done so far.
    """

    def __init__(self, path: Path, steps: int, step: int = 0) -> None:
        self.path, self.steps, self.done = path / "status.json", steps, step
        self._written = 0.0

    def write(self, state: State, **more: Any) -> None:
        """Write a state, with the steps done and the time.

        Raises:
            RunError: the directory is no longer the one that this process locked.
        """
        demand_held(self.path.parent)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        write_json(self.path, {"state": state, "step": self.done, "steps": self.steps, "at": now, **more})
        self._written = time.monotonic()

    def step(self, step: int) -> None:
        """Note a step; the file follows every ten seconds."""
        self.done = step
        if time.monotonic() - self._written >= EVERY_SECONDS:
            self.write("training")

    def __enter__(self) -> Self:
        self.write("training")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        interrupted = isinstance(error, InterruptedRunError | KeyboardInterrupt)
        reason = str(error) if isinstance(error, MetasirenError) else f"{type(error).__name__}: {error}"
        with suppress(OSError, RunError):  # such as on a full disk: the first failure is the one to report
            self.write("interrupted" if interrupted else "failed", reason=reason)
