"""Run a plan: one process at a time on each device, each result resumable."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from metasiren.engine.processes import Ended, Job, resume_command_line, run_command_line, run_jobs
from metasiren.runs.lock import locked
from metasiren_report.reproduction.planning import Step
from metasiren_report.summary import json_or_empty

DONE, FAILED, LEFT = "done", "failed", "left for another time"


@dataclass(frozen=True)
class Outcome:
    """How a step ended: `done`, `failed` or `left for another time`, with the reason.

    Its device is empty where no process ran: what is finished stays, and nothing begins after the time.
    """

    step: Step
    state: str
    reason: str = ""
    device: str = ""


def run_all(
    steps: Sequence[Step],
    out: Path,
    *,
    devices: Sequence[str],
    seconds: float,
    files: Mapping[str, Path],
    begun: Callable[[Step, str], None] = lambda step, device: None,
    watch: Callable[[Outcome], None] = lambda _: None,
) -> list[Outcome]:
    """Run the steps that are not done yet.

    Args:
        steps: from `plan`.
        out: a folder; runs that finished there are not repeated, and those with a checkpoint go on.
        devices: from `pick_devices`; one process at a time on each.
        seconds: no step starts after this time, and trainings stop then and are evaluated.
        files: data by name.
        begun: called when a step's process has started, with its device.
        watch: called when a step has ended.

    Returns:
        an outcome for each step that has a way, in the order of `steps`.

    Raises:
        InterruptedRunError: stopped by a signal; the processes have ended, each with a checkpoint.
    """
    planned = [step for step in steps if step.way is not None]
    outcomes: dict[str, Outcome] = {}
    until = time.monotonic() + seconds
    by_folder = {out / step.folder: step for step in planned}

    def job(step: Step) -> Job:
        folder = out / step.folder

        def words(device: str) -> list[str] | None:
            left = until - time.monotonic()
            if is_done(folder) or left <= 0:
                return None
            command = command_of(step, folder, device, left, files)
            if "--resume" not in command and folder.exists():
                _set_aside(folder)
            return command

        return Job(step.name, folder, out / "logs" / f"{step.folder}.log", words)

    def ended(one: Ended) -> None:
        step = by_folder[one.job.folder]
        outcomes[step.name] = outcome = _outcome(step, one)
        watch(outcome)

    run_jobs(
        [job(step) for step in planned], devices, begun=lambda job, device: begun(by_folder[job.folder], device),
        ended=ended, where=str(out),
        advice="Run the same command again: what is finished stays, and what has a checkpoint goes on.",
    )  # fmt: skip
    return [outcomes[step.name] for step in planned]


def _outcome(step: Step, ended: Ended) -> Outcome:
    if ended.reason:
        state, reason = FAILED, ended.reason
    elif is_done(ended.job.folder):
        state, reason = DONE, ""
    elif ended.stopped:
        state, reason = LEFT, f"stopped by {ended.stopped}"
    elif ended.code is None:
        state, reason = LEFT, "the time is up"
    elif has_results(ended.job.folder):
        state, reason = LEFT, "training was cut short by the time; it goes on when you run this again"
    else:
        state, reason = FAILED, "its process ended without results"
    return Outcome(step, state, reason, "" if ended.code is None else ended.device)


def has_results(folder: Path) -> bool:
    """Whether a run has been evaluated, perhaps after a training that was cut short."""
    results = folder / "results"
    return (results / "training.json").is_file() and any(
        (results / name).is_file() for name in ("metrics.json", "table.json")
    )


def is_done(folder: Path) -> bool:
    """Whether a run has been trained to its end and evaluated."""
    return has_results(folder) and not json_or_empty(folder / "results" / "training.json").get("stopped")


def command_of(step: Step, folder: Path, device: str, seconds: float, files: Mapping[str, Path]) -> list[str]:
    """The command line of the process that runs a step, or resumes it."""
    assert step.way is not None
    more = ["--max-time", f"{max(1, round(seconds))}s"]
    if list((folder / "checkpoints").glob("step-*.safetensors")):
        return resume_command_line(folder, device=device, more=more)
    changes = dict(step.way.set)
    if step.way.file:
        changes["data.path"] = str(files[step.way.file].resolve())
    # What the time cuts goes on in another call.
    more.append("--no-fit")
    return run_command_line(
        step.result.recipe, folder, device=device, preset=step.way.preset, changes=changes, more=more
    )


def _set_aside(folder: Path) -> None:
    """A run that stopped before its first checkpoint makes room for a new one.

    Raises:
        RunError: another process writes into it.
    """
    number = 1
    while (other := folder.with_name(f"{folder.name}.stopped-{number}")).exists():
        number += 1
    with locked(folder):
        folder.rename(other)
