"""Run a plan: one process at a time on each device, each result resumable."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from metasiren_report.reproduction.planning import Step
from metasiren_report.summary import read_json

DONE, FAILED, LEFT = "done", "failed", "left for another time"


@dataclass(frozen=True)
class Outcome:
    """How a step ended: `done`, `failed` (with the last line of its log) or `left for another time`."""

    step: Step
    state: str
    reason: str = ""


def run_all(
    steps: Sequence[Step],
    out: Path,
    *,
    devices: Sequence[str],
    seconds: float,
    files: Mapping[str, Path],
    watch: Callable[[Outcome], None] = lambda _: None,
) -> list[Outcome]:
    """Run the steps that are not done yet.

    Args:
        steps: from `plan`.
        out: a folder; runs that finished there are not repeated, and those with a checkpoint go on.
        devices: one worker for each, such as ["cpu", "cpu"] or ["cuda:0", "cuda:1"].
        seconds: no step starts after this time, and trainings stop then and are evaluated.
        files: data by name.
        watch: called when a step has ended, by one worker at a time.

    Returns:
        an outcome for each step that has a way, in the order of `steps`.
    """
    todo: queue.SimpleQueue[Step] = queue.SimpleQueue()
    planned = [step for step in steps if step.way is not None]
    for step in planned:
        todo.put(step)
    ended: dict[str, Outcome] = {}
    until, telling = time.monotonic() + seconds, threading.Lock()

    def work(device: str) -> None:
        while True:
            try:
                step = todo.get_nowait()
            except queue.Empty:
                return
            try:
                outcome = _run(step, out, device, until, files, len(devices))
            except OSError as error:
                outcome = Outcome(step, FAILED, str(error))
            with telling:
                ended[step.name] = outcome
                watch(outcome)

    (out / "logs").mkdir(parents=True, exist_ok=True)
    workers = [threading.Thread(target=work, args=(device,), daemon=True) for device in devices]
    for worker in workers:
        worker.start()
    for worker in workers:
        while worker.is_alive():
            worker.join(0.5)
    return [ended[step.name] for step in planned]


def has_results(folder: Path) -> bool:
    """Whether a run has been evaluated, perhaps after a training that was cut short."""
    results = folder / "results"
    return (results / "training.json").is_file() and any(
        (results / name).is_file() for name in ("metrics.json", "table.json")
    )


def is_done(folder: Path) -> bool:
    """Whether a run has been trained to its end and evaluated."""
    return has_results(folder) and not read_json(folder / "results" / "training.json").get("stopped")


def command_of(step: Step, folder: Path, device: str, seconds: float, files: Mapping[str, Path]) -> list[str]:
    """The words of the process that runs a step, or goes on with it."""
    assert step.way is not None
    limits = ["--device", device, "--max-time", f"{max(1, round(seconds))}s"]
    start = [sys.executable, "-m", "metasiren", "run"]
    if list((folder / "checkpoints").glob("step-*.safetensors")):
        return [*start, "--resume", str(folder), *limits]
    changes = dict(step.way.set)
    if step.way.file:
        changes["data.path"] = str(files[step.way.file].resolve())
    pairs = [
        f"{key}={yaml.safe_dump(value, default_flow_style=True).split(chr(10))[0]}" for key, value in changes.items()
    ]
    words = [*start, step.result.recipe, "--preset", step.way.preset, "--out", str(folder), *limits]
    return words + [word for pair in pairs for word in ("--set", pair)]


def _run(step: Step, out: Path, device: str, until: float, files: Mapping[str, Path], workers: int) -> Outcome:
    folder, log = out / step.folder, out / "logs" / f"{step.folder}.log"
    if is_done(folder):
        return Outcome(step, DONE)
    left = until - time.monotonic()
    if left <= 0:
        return Outcome(step, LEFT, "the time is up")
    command = command_of(step, folder, device, left, files)
    if "--resume" not in command and folder.exists():
        _set_aside(folder)
    threads = max(1, (os.cpu_count() or 1) // workers)
    environment = {"OMP_NUM_THREADS": str(threads), **os.environ}
    with log.open("a", encoding="utf-8") as file:
        code = subprocess.run(command, stdout=file, stderr=file, env=environment, check=False).returncode  # noqa: S603
    if code == 0 and is_done(folder):
        return Outcome(step, DONE)
    if code == 0 and has_results(folder):
        return Outcome(step, LEFT, "training was cut short by the time; it goes on when you run this again")
    lines = [line.strip() for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
    return Outcome(step, FAILED, lines[-1][:300] if lines else f"exit status {code}")


def _set_aside(folder: Path) -> None:
    """A run that stopped before its first checkpoint makes room for a new one."""
    number = 1
    while (other := folder.with_name(f"{folder.name}.stopped-{number}")).exists():
        number += 1
    folder.rename(other)
