"""Progress of long work outside training: a bar on a terminal, occasional lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator

SILENT_SECONDS = 1.0
"""Work that takes longer is named."""

EVERY_SECONDS = 15.0
"""Time between two lines in the first minute, where there is no terminal."""

MINUTE = 60.0


def between_lines(elapsed: float, first: float) -> float:
    """Seconds from one line to the next: `first` during the first minute of the work, and a minute after it."""
    return first if elapsed <= MINUTE else MINUTE


@contextlib.contextmanager
def progress_bar(title: str, total: int) -> Iterator[Callable[[int], object]]:
    """Show a bar on the standard error stream; gives the function that moves it on. Elsewhere: a line now and then.

    Args:
        title: what is being done.
        total: the amount of work; the function that is given takes amounts done since its last call.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("left"))
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(title, total).advance
        return
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task(title, total=total)
        yield lambda count: progress.advance(task, count)


class _Lines:
    """Prints how much is done, now and then; nothing about work that takes less than `EVERY_SECONDS`."""

    def __init__(self, title: str, total: int) -> None:
        self.title, self.total, self.done = title, total, 0
        self._began = self._printed = time.monotonic()

    def advance(self, count: int) -> None:
        """So much more is done."""
        self.done += count
        now = time.monotonic()
        if self.done < self.total and now - self._printed >= between_lines(now - self._began, EVERY_SECONDS):
            self._printed = now
            print(f"{self.title}: {self.done / self.total:.0%}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def named_work(title: str, say: Callable[[str], object], *, after: float = SILENT_SECONDS) -> Iterator[None]:
    """Announce work that takes longer than `after` seconds.

    Args:
        title: such as "reading the data".
        say: called with it, from another thread.
        after: seconds until then.
    """
    timer = threading.Timer(after, say, [title])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
