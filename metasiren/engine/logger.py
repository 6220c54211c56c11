"""Logging of a run's curves, and handling of the signals that end it early."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import IO, Any

import torch

from metasiren.assembly.experiment import Experiment
from metasiren.contracts import Batch, Dataset, Model
from metasiren.engine.nonfinite import Notify, keep_batch
from metasiren.engine.progress import Progress
from metasiren.json_files import naming, write_whole
from metasiren.registry.catalogue import Catalogue
from metasiren.runs.board import EventFile
from metasiren.runs.directory import Run
from metasiren.runs.lock import demand_held


class RunLogger:
    """Writes the curves of a run (metrics.jsonl, TensorBoard); informs the progress display and the hooks.

    Attributes:
        holds: whether the hooks wait for `call_hooks`, while the training may still begin anew.
    """

    def __init__(self, made: Run, catalogue: Catalogue, progress: Progress, steps: int, start: int) -> None:
        self.run, self.catalogue, self.progress = made, catalogue, progress
        self._steps, self._start = steps, start
        self._file: IO[str] | None = None
        self._many = made.environment["dataset"]["splits"]["train"] > 1
        self._last: tuple[int, float] | None = None
        self._first_loss: float | None = None
        self._risen = False
        self.holds = False
        self._held: list[tuple[int, dict[str, float]]] = []

    def __enter__(self) -> RunLogger:
        path = self.run.path / "metrics.jsonl"
        kept = [line for line in self.run.losses() if line["step"] <= self._start]
        # A process killed here leaves the former file.
        write_whole(path, "".join(json.dumps(line) + "\n" for line in kept))
        with ExitStack() as stack:
            self._file = stack.enter_context(path.open("a", encoding="utf-8"))
            self._board = stack.enter_context(closing(EventFile(self.run.path, self._start)))
            self.progress.start(self._steps, self._start)
            stack.callback(self.progress.stop)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            self._stack.close()
        except OSError:
            # On a full disk closing fails as writing did; the first failure is the one to report.
            if error is None:
                raise

    def _warn_of_rise(self, step: int, loss: float) -> None:
        """Warn once where the loss is ten times the first logged one twice in a row; single peaks are ignored."""
        if self._first_loss is None:
            self._first_loss = loss
        elif not loss > 10 * abs(self._first_loss) > 0:
            self._risen = False
        elif not self._risen:
            self._risen = True
        else:
            words = (
                f"step {step:,}: the loss is {loss:.3g}, more than ten times the first one ({self._first_loss:.3g}). "
            )
            self.progress.say(words + "Training diverges: lower train.optimizer.lr, or set train.clip.")
            self._first_loss = float("inf")

    def step(self, step: int, losses: dict[str, float], seconds: float, images_per_second: float) -> None:
        """One logged step. Items per second are written for sets of many signals only: one signal has no images."""
        assert self._file is not None
        before, then = self._last or (self._start, 0.0)
        self._last = (step, seconds)
        speeds = {"steps_per_second": (step - before) / max(seconds - then, 1e-9)}
        if self._many:
            speeds["images_per_second"] = images_per_second
        line = {"step": step, "seconds": round(seconds, 3), **losses, **{k: round(v, 3) for k, v in speeds.items()}}
        with naming(self.run.path / "metrics.jsonl"):
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
        for name, value in losses.items():
            self._board.scalar(f"loss/{name}", value, step)
        for name, value in speeds.items():
            self._board.scalar(name, value, step)
        self._warn_of_rise(step, losses["loss"])
        self.progress.step(step, losses["loss"], speeds["steps_per_second"])
        self._held.append((step, losses))
        if not self.holds:
            self.call_hooks()

    def call_hooks(self) -> None:
        """Call the hooks for the steps that were held back."""
        held, self._held = self._held, []
        for step, losses in held:
            self.catalogue.manager.hook.metasiren_step_ended(run=self.run, step=step, losses=losses)

    def nonfinite(self, model: Model) -> Notify:
        """Save the batch of a step in which a number was not finite."""

        def notify(step: int, batch: Batch, reason: str) -> None:
            path = keep_batch(self.run.path / "nonfinite", step, batch, model, reason)
            self.progress.say(f"step {step}: {reason} Its batch is kept in {path}.")

        return notify

    def saved(self, path: Path) -> None:
        """A checkpoint was written."""
        self.progress.say(f"checkpoint {path.name}", minor=True)

    def preview(
        self, experiment: Experiment, dataset: Dataset, device: torch.device
    ) -> Callable[[int, Model], None] | None:
        """Draw sample pictures, if the protocol can."""
        protocol = experiment.protocol
        if protocol is None:
            return None

        def preview(step: int, model: Model) -> None:
            demand_held(self.run.path)
            self.run.results.mkdir(exist_ok=True)
            picture = protocol.preview(model, dataset, self.run.results / "preview.png", device=device)
            if picture is not None:
                self._board.image("samples", picture, step)

        return preview


HANG_UP = [signal.SIGHUP] if hasattr(signal, "SIGHUP") else []
"""The end of a terminal; Windows has no such signal."""


@contextmanager
def noted_signals(*, most: int = 1) -> Iterator[list[str]]:
    """SIGTERM, SIGINT and SIGHUP are noted, so that training can end with a checkpoint; a second one acts as usual.

    A signal that this process ignores stays ignored: `nohup` sets SIGHUP so, and a shell SIGINT for what `&` starts.

    Args:
        most: so many are noted before they act as usual.
    """
    noted: list[str] = []
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return
    before: dict[signal.Signals, Any] = {}

    def note(number: int, _: Any) -> None:
        noted.append(signal.Signals(number).name)
        if len(noted) >= most:
            for each, handler in before.items():
                signal.signal(each, handler)

    for each in (signal.SIGTERM, signal.SIGINT, *HANG_UP):
        if signal.getsignal(each) is not signal.SIG_IGN:
            before[each] = signal.signal(each, note)
    try:
        yield noted
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
