"""How a run ends before its time, and where it goes on: the checkpoint to begin with, errors where none serves."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from metasiren.engine.logger import HANG_UP
from metasiren.errors import InterruptedRunError, RunError, is_out_of_memory
from metasiren.runs import checkpoints
from metasiren.runs.checkpoints import Checkpoint
from metasiren.runs.directory import Run

ANEW = "Run the recipe anew into another folder: metasiren run {} --out FOLDER"


def checkpoint_to_resume(made: Run, steps: int, say: Callable[[str], None]) -> Checkpoint | None:
    """The newest checkpoint that can be read; None where training stopped before its first, of which `say` tells.

    Args:
        made: the run.
        steps: of its whole training; `say` tells how many of them the checkpoint has.
        say: takes a line for the person.

    Raises:
        RunError: none can be read, or there is none though training got further than the first.
    """
    checkpoints.clean(made.checkpoints)
    checkpoint = checkpoints.latest(made.checkpoints)
    if checkpoint is None and (step := _reached(made)) > 0:
        if _checkpoint_written(made, step):
            found = f"no checkpoint is there, though training had reached step {step}: it would start over at step 1."
            advice = f"Put the checkpoint back.\n{ANEW.format(made.path / 'recipe.yaml')}"
            raise RunError(str(made.checkpoints), found, advice)
        say(f"no checkpoint was written by step {step}: training starts over at step 1")
    if checkpoint is not None and (other := _differences(made.environment)):
        say(f"{other}: the result may differ in its last digits from that of a run without a stop")
    for fault in checkpoint.passed_over if checkpoint else ():
        say(f"passed over {fault}")
    if checkpoint is not None and checkpoint.step >= steps:
        say(
            f"training had ended at step {checkpoint.step:,}: only the evaluation is repeated. For more steps, "
            f"run {made.path / 'recipe.yaml'} anew with another --out and --set train.steps=NUMBER"
        )
    elif checkpoint is not None:
        say(f"{made.label} goes on after step {checkpoint.step:,} of {steps:,}")
    return checkpoint


def _differences(environment: Mapping[str, Any]) -> str:
    """What computes otherwise than where the run began: torch, or its number of threads. Empty where nothing does."""
    versions, threads = environment.get("versions"), environment.get("threads")
    torch_then, torch_now = versions.get("torch") if isinstance(versions, dict) else None, version("torch")
    words = [f"torch {torch_now} in place of {torch_then}"] if torch_then not in (None, torch_now) else []
    if environment.get("device") == "cpu" and threads not in (None, torch.get_num_threads()):
        words.append(f"{torch.get_num_threads()} threads in place of {threads}")
    return ", ".join(words)


def _checkpoint_written(made: Run, step: int) -> bool:
    """Whether a checkpoint was written: at the end of training, at a signal, or once a step was beyond the first."""
    if step > made.recipe.train.checkpoint_every or (made.results / "training.json").is_file():
        return True
    # A signal in training leaves a checkpoint; a second one does not wait for it, and leaves a KeyboardInterrupt.
    status = _status(made)
    return status.get("state") == "interrupted" and not str(status.get("reason")).startswith("KeyboardInterrupt")


def _reached(made: Run) -> int:
    """The last step recorded in status.json or in the curves; 0 where both are missing or damaged."""
    step = _status(made).get("step")
    steps = [step if isinstance(step, int) else 0]
    with suppress(OSError, RunError):
        steps += [int(line["step"]) for line in made.losses()]
    return max(steps)


def _status(made: Run) -> Mapping[str, Any]:
    with suppress(RunError):
        return made.status
    return {}


@contextmanager
def mismatch_explained(path: Path, checkpoint: Checkpoint | None) -> Iterator[None]:
    """Explain errors of restoring a checkpoint: the recipe's parts are not those that it was written for.

    Raises:
        RunError: in place of what restoring it raised.
    """
    try:
        yield
    except (RuntimeError, ValueError, LookupError) as error:
        if checkpoint is None or is_out_of_memory(error):
            raise
        found = f"recipe.yaml and the checkpoint of step {checkpoint.step} do not fit each other: {error}"
        advice = "Put back the recipe.yaml that the run began with.\n" + ANEW.format(path / "recipe.yaml")
        raise RunError(str(path), found, advice) from error


def interrupted(made: Run, found: str) -> InterruptedRunError:
    """The error that says how an interrupted run goes on."""
    return InterruptedRunError(str(made.path), found, f"Go on with: metasiren run --resume {made.path}")


@contextmanager
def evaluation_may_end(made: Run, step: int) -> Iterator[None]:
    """Let Ctrl-C, SIGTERM or SIGHUP end the evaluation after this step with an error that says how to go on.

    Raises:
        InterruptedRunError: in place of a KeyboardInterrupt, and where another signal would end the process.
    """
    owner, names = os.getpid(), ["SIGINT"]

    def end(number: int, _: object) -> None:
        if os.getpid() != owner:  # a process that the evaluation forked
            os._exit(128 + number)
        names.append(signal.Signals(number).name)
        raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()
    handled = [each for each in (signal.SIGTERM, *HANG_UP) if main and signal.getsignal(each) == signal.SIG_DFL]
    for each in handled:
        signal.signal(each, end)
    try:
        yield
    except KeyboardInterrupt:
        found = f"stopped by {names[-1]} during the evaluation after step {step}."
        raise interrupted(made, found) from None
    finally:
        for each in handled:
            signal.signal(each, signal.SIG_DFL)
