"""TensorBoard's event file of a run, written by the calling thread.

Torch's `SummaryWriter` writes from a thread of its own: on a full disk that thread prints a traceback and training goes
on without curves. Here a failed write is an `OSError` of the step that made it, which names the file.
"""

from __future__ import annotations

import os
import socket
import time
from itertools import count
from pathlib import Path
from typing import Any

from torch import Tensor

from metasiren.json_files import naming

FLUSH_SECONDS = 10.0
_NUMBERS = count()


class EventFile:
    """A new event file in a run directory.

    Args:
        folder: the run directory.
        purge_step: events of earlier files from this step on are hidden by TensorBoard; 0 hides none.

    Raises:
        OSError: naming the file; so do all methods.
    """

    def __init__(self, folder: Path, purge_step: int = 0) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        name = f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}.{os.getpid()}.{next(_NUMBERS):06d}"
        self.path = folder / name
        self._event: Any = Event
        with naming(self.path):
            self._records = RecordWriter(self.path.open("wb"))
        self._flushed = time.monotonic()
        self._write(file_version="brain.Event:2")
        if purge_step:
            self._write(step=purge_step, session_log=SessionLog(status=SessionLog.START))

    def _write(self, **entries: Any) -> None:
        now = time.monotonic()
        with naming(self.path):
            self._records.write(self._event(wall_time=time.time(), **entries).SerializeToString())
            if now - self._flushed >= FLUSH_SECONDS:
                self._records.flush()
                self._flushed = now

    def scalar(self, name: str, value: float, step: int) -> None:
        """Add a point to a curve."""
        from torch.utils.tensorboard.summary import scalar

        self._write(step=step, summary=scalar(name, value))  # type: ignore[no-untyped-call]

    def image(self, name: str, picture: Tensor, step: int) -> None:
        """Add a picture (channels, height, width) with values in [0, 1]."""
        from torch.utils.tensorboard.summary import image

        self._write(step=step, summary=image(name, picture, dataformats="CHW"))  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Write what is still held back, and close the file."""
        with naming(self.path):
            self._records.close()
