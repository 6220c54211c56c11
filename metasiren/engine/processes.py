"""Runs in separate processes: a queue of `metasiren run`, one process at a time on each device."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from metasiren.engine.logger import noted_signals
from metasiren.errors import InterruptedRunError, MetasirenError, RunError
from metasiren.json_files import read_json

POLL_SECONDS = 0.05
LAST_SECONDS = 30.0
"""For a process that was asked to end, before it is ended."""


@dataclass(frozen=True)
class Job:
    """A run that a separate process makes.

    Attributes:
        name: as messages call it.
        folder: the run directory.
        log: the file to which all that the process prints is appended.
        command: device -> the words of the process, called when the job is to start; None where nothing is to do.
    """

    name: str
    folder: Path
    log: Path
    command: Callable[[str], Sequence[str] | None]


@dataclass(frozen=True)
class Ended:
    """How a job ended.

    Attributes:
        job: the job.
        device: on which it ran.
        code: the exit status of its process, the negative number of the signal that ended it, or None where no
            process was started.
        seconds: from the start of the process to its end.
        reason: why it failed, in one line; empty where it did not.
        stopped: the signal on which the process stopped with the whole queue, or None.
    """

    job: Job
    device: str
    code: int | None
    seconds: float = 0.0
    reason: str = ""
    stopped: str | None = None


def run_command_line(
    recipe: str | Path,
    out: Path,
    *,
    device: str,
    preset: str | None = None,
    changes: Mapping[str, Any] | None = None,
    more: Sequence[str] = (),
    without: Sequence[str] = (),
) -> list[str]:
    """The command line of a process that makes a run.

    Args:
        recipe: a path, or the name of a shipped recipe.
        out: the run directory, which must not exist yet.
        device: where to train.
        preset: of the recipe.
        changes: dotted keys to values, as `--set` takes them.
        more: further options.
        without: plugins to leave out.
    """
    left_out = [word for name in without for word in ("--without", name)]
    words = [sys.executable, "-m", "metasiren", *left_out, "run", str(recipe), "--out", str(out), "--device", device]
    words += ["--preset", preset] if preset is not None else []
    # JSON is YAML, on one line.
    pairs = [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in (changes or {}).items()]
    return [*words, *more, *(word for pair in pairs for word in ("--set", pair))]


def resume_command_line(folder: Path, *, device: str, more: Sequence[str] = ()) -> list[str]:
    """The command line of a process that resumes a run."""
    return [sys.executable, "-m", "metasiren", "run", "--resume", str(folder), "--device", device, *more]


def run_jobs(
    jobs: Iterable[Job],
    devices: Sequence[str],
    *,
    begun: Callable[[Job, str], None] = lambda job, device: None,
    ended: Callable[[Ended], None] = lambda _: None,
    where: str = "queue",
    advice: str = "",
) -> list[Ended]:
    """Run jobs in order, one process at a time on each device; the failure of one does not end the others.

    The threads of this process are divided among those that it starts. SIGINT, SIGTERM and SIGHUP are passed on to
    them, so that each ends as `metasiren run` does, with a checkpoint; a second signal ends them at once, and a third
    one this process. Signals that this process ignores, such as SIGHUP under `nohup`, stay ignored.

    Args:
        jobs: the queue.
        devices: from `pick_devices`.
        begun: called when a process has started.
        ended: called when a job has ended.
        where: what the error of an interruption names.
        advice: how to go on after an interruption.

    Returns:
        how each job ended, in the order of their ends.

    Raises:
        InterruptedRunError: a signal ended the queue. All processes have ended by then, and were reported to `ended`.
    """
    queue = _Queue(jobs, devices, begun, ended)
    with noted_signals(most=2) as signalled:
        try:
            while queue.waiting or queue.running:
                if signalled:
                    queue.stop(signalled[0])
                if len(signalled) > 1:
                    break
                queue.advance()
                if queue.running:
                    time.sleep(POLL_SECONDS)
        finally:
            queue.terminate()
        queue.note_ended()
    if signalled:
        raise InterruptedRunError(where, f"stopped by {signalled[0]}; {queue.summary()}.", advice)
    return queue.found


class _Queue:
    """Jobs that wait, and one process at a time on each device.

    Attributes:
        waiting: jobs that have not begun.
        running: processes by the place of their device in `devices`.
        found: jobs that have ended.
    """

    def __init__(
        self,
        jobs: Iterable[Job],
        devices: Sequence[str],
        begun: Callable[[Job, str], None],
        ended: Callable[[Ended], None],
    ) -> None:
        self.waiting, self.running, self.found = deque(jobs), dict[int, _Process](), list[Ended]()
        self.count, self.devices, self.begun, self.ended = len(self.waiting), devices, begun, ended
        self.threads = max(1, torch.get_num_threads() // len(devices))
        self.stopped = False

    def advance(self) -> None:
        """Note processes that have ended, and start jobs on the devices that are free."""
        for slot in range(len(self.devices)):
            self._note_ended(slot)
            while self.waiting and slot not in self.running:
                self._start(self.waiting.popleft(), slot)

    def note_ended(self) -> None:
        """Note all processes that have ended."""
        for slot in list(self.running):
            self._note_ended(slot)

    def stop(self, name: str) -> None:
        """Start no more jobs, and pass a signal on to the processes, once."""
        if not self.stopped:
            self.stopped = True
            self.waiting.clear()
            for process in self.running.values():
                process.stop(name)

    def terminate(self) -> None:
        """End all processes."""
        for process in self.running.values():
            process.process.terminate()
        for process in self.running.values():
            process.end()

    def summary(self) -> str:
        """How many jobs are done, and which have failed."""
        whole = sum(not one.stopped and not one.reason for one in self.found)
        failed = [one.job.name for one in self.found if one.reason]
        more = f"; {len(failed)} failed: {', '.join(failed)}" if failed else ""
        return f"{whole} of {self.count} runs are done{more}"

    def _start(self, job: Job, slot: int) -> None:
        device = self.devices[slot]
        try:
            words = job.command(device)
            if words is None:
                self._note(Ended(job, device, None))
                return
            self.running[slot] = _Process(job, device, words, self.threads)
        except (MetasirenError, OSError) as error:
            self._note(Ended(job, device, None, reason=_one_line(str(error))))
            return
        self.begun(job, device)

    def _note_ended(self, slot: int) -> None:
        if slot in self.running and (one := self.running[slot].ended()) is not None:
            del self.running[slot]
            self._note(one)

    def _note(self, one: Ended) -> None:
        self.found.append(one)
        self.ended(one)


class _Process:
    """A process that has started.

    Raises:
        OSError: it cannot be started, or its log cannot be written.
    """

    def __init__(self, job: Job, device: str, words: Sequence[str], threads: int) -> None:
        self.job, self.device = job, device
        job.log.parent.mkdir(parents=True, exist_ok=True)
        self.began, self.at = time.monotonic(), time.time()
        self.signal: str | None = None
        with job.log.open("ab") as log:
            self.offset = log.tell()
            # A group of its own: a terminal's Ctrl-C reaches it once, through this process.
            self.process = subprocess.Popen(  # noqa: S603 (words of this package)
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0,
                env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            )  # fmt: skip

    def stop(self, name: str) -> None:
        """Pass a signal on; the end of a terminal ends training as SIGTERM does."""
        self.signal = name
        self.process.send_signal(signal.SIGINT if name == "SIGINT" else signal.SIGTERM)

    def ended(self) -> Ended | None:
        """How it ended, or None while it runs."""
        code = self.process.poll()
        if code is None:
            return None
        stopped = self.signal if code != 0 else None
        reason = "" if code == 0 or stopped else self._reason(code)
        return Ended(self.job, self.device, code, time.monotonic() - self.began, reason, stopped)

    def end(self) -> None:
        """Wait until it has ended after a signal; kill it where it does not."""
        try:
            self.process.wait(LAST_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _reason(self, code: int) -> str:
        """Why it failed: from its run's status.json, or else from the last message in its log."""
        if code < 0:
            return f"ended by {signal.Signals(-code).name}"
        with suppress(OSError, KeyError, RunError):
            path = self.job.folder / "status.json"
            status = read_json(path, "")
            if status["state"] == "failed" and path.stat().st_mtime >= self.at:
                return _one_line(status["reason"])
        lines = [line for line in self._printed().splitlines() if line.strip()]
        first = max((n for n, line in enumerate(lines) if not line.startswith(" ")), default=0)
        return _one_line(" ".join(lines[first:])) or f"exit status {code}"

    def _printed(self) -> str:
        with self.job.log.open("rb") as log:
            log.seek(self.offset)
            return log.read().decode("utf-8", "replace")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:1000]
