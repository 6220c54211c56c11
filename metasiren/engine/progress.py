"""The progress of a run: a bar on a terminal, occasional lines elsewhere."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from metasiren.contracts import Dataset
from metasiren.engine.bar import EVERY_SECONDS, between_lines
from metasiren.engine.choosing import Choice
from metasiren.engine.durations import duration

TIMED = 5
"""Fewer steps after the first one that was logged give no estimate of the time that is left."""


class Progress(ABC):
    """Receives progress messages; it never changes what runs."""

    @abstractmethod
    def say(self, message: str, *, minor: bool = False) -> None:
        """A line for the person; a minor one may be left out."""

    @abstractmethod
    def start(self, steps: int, done: int) -> None:
        """Training begins."""

    @abstractmethod
    def step(self, step: int, loss: float, steps_per_second: float) -> None:
        """A logged step."""

    @abstractmethod
    def stop(self) -> None:
        """Training has ended."""


class Silent(Progress):
    """Shows nothing."""

    def say(self, message: str, *, minor: bool = False) -> None:
        """Nothing."""

    def start(self, steps: int, done: int) -> None:
        """Nothing."""

    def step(self, step: int, loss: float, steps_per_second: float) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""


class Shown(Progress):
    """A rich progress bar on a terminal; on a pipe, a line every `every` seconds, after a minute one a minute."""

    def __init__(self, console: Console, *, every: float = EVERY_SECONDS) -> None:
        self.console, self.every = console, every
        self._bar: Bar | None = None
        self._task = TaskID(0)
        self._steps, self._told = 0, 0.0
        self._first: tuple[int, float] | None = None

    def say(self, message: str, *, minor: bool = False) -> None:
        """Print a line."""
        if not minor:
            self.console.print(message, style="dim", highlight=False)

    def start(self, steps: int, done: int) -> None:
        """Show the bar, on a terminal."""
        self._steps, self._told, self._first = steps, 0.0, None
        if self.console.is_terminal:
            columns = (
                TextColumn("training"), BarColumn(), MofNCompleteColumn(),
                TextColumn("{task.fields[numbers]}"), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
            )  # fmt: skip
            self._bar = Bar(*columns, console=self.console)
            self._task = self._bar.add_task("training", total=steps, completed=done, numbers="")
            self._bar.start()

    def step(self, step: int, loss: float, steps_per_second: float) -> None:
        """Move the bar, or print a line now and then. A first step takes longer than others: it gives no speed."""
        numbers, now = f"loss {loss:.4g}", time.monotonic()
        if self._first is None:
            self._first = (step, now)
        else:
            numbers += f"  {steps_per_second:,.3g} steps/s"
        if self._bar is not None:
            self._bar.update(self._task, completed=step, numbers=numbers)
            return
        first, began = self._first
        if now - self._told < between_lines(now - began, self.every) and step < self._steps:
            return
        self._told = now
        if step - first >= TIMED and step < self._steps:
            numbers += f"  {duration((self._steps - step) * (now - began) / (step - first))} left"
        self.console.print(f"step {step:,}/{self._steps:,}  {numbers}", highlight=False)

    def stop(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def data_words(dataset: Dataset) -> str:
    """A data set in one line: its title, its items by split unless it is one signal, and its entry `shape`."""
    counts = ", ".join(f"{count:,} {split}" for split, count in dataset.splits.items())
    several = any(count > 1 for count in dataset.splits.values())
    title = f"{dataset.title}: {counts}" if several else dataset.title
    return "; ".join(filter(None, [title, dataset.provenance.get("shape")]))


def announce(progress: Progress, recipe: str, choice: Choice) -> None:
    """Say in one line which preset runs and what it costs, and once each reason why those before it cannot."""
    if choice.preset is None:
        return
    progress.say(f"{recipe}: preset {choice.preset}" + (f" ({choice.cost})" if choice.cost else ""))
    if choice.without_gpu:
        progress.say(f"{choice.preset} is made for a GPU, and torch finds none: --dry-run tells how long it takes here")
    held_up: dict[str, list[str]] = {}
    for name, reasons in choice.missing.items():
        for reason in reasons:
            held_up.setdefault(reason, []).append(name)
    for reason, names in held_up.items():
        progress.say(f"{', '.join(names)} cannot run here: {reason}")
