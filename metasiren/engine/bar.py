"""Progress of long work outside training: a bar on a terminal, occasional lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator

from metasiren.engine.durations import duration

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
    """Prints how much is done and how long the rest takes, now and then; of short work (`EVERY_SECONDS`) nothing."""

    def __init__(self, title: str, total: int) -> None:
        self.title, self.total, self.done = title, total, 0
        self._began = self._printed = time.monotonic()
        self._first: tuple[int, float] | None = None

    def advance(self, count: int) -> None:
        """So much more is done. The first call gives no speed: its work may have been done earlier."""
        self.done += count
        now = time.monotonic()
        first, since = self._first = self._first or (self.done, now)
        if self.done < self.total and now - self._printed >= between_lines(now - self._began, EVERY_SECONDS):
            self._printed = now
            left = ""
            if self.done > first:
                left = f", about {duration((self.total - self.done) * (now - since) / (self.done - first))} left"
            print(f"{self.title}: {self.done / self.total:.0%}{left}", file=sys.stderr, flush=True)


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
