"""The small runs that the soak test trains, each in processes of its own that may be killed."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import torch

import metasiren as ms
from metasiren.engine import running
from metasiren.runs import checkpoints

PICTURE = {
    "data.size": 16,
    "siren.hidden_features": 16,
    "train.steps": 60,
    "train.checkpoint_every": 7,
    "evaluate.protocol": None,
}
FACES = {"data.train": 12, "data.val": 4, "data.test": 4, "data.size": 8, "siren.hidden_features": 16}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "picture": ("image", {**PICTURE}),
    "SOAP": ("image", {**PICTURE, "train.optimizer": {"name": "soap", "lr": 1e-3, "precondition_frequency": 2}}),
    "prior with EMA": (
        "celeba_pconv",
        {**FACES, "train.steps": 30, "train.checkpoint_every": 4, "train.ema": 0.9, "train.batch": 4,
         "evaluate.protocol": None},
    ),
    "wave by Gauss-Newton": (
        "wave",
        {"data.points": 40, "data.initial": 20, "siren.hidden_features": 12, "train.steps": 20,
         "train.checkpoint_every": 3, "evaluate.protocol": None},
    ),
    "picture in two processes": ("image", {**PICTURE, "train.steps": 40}),
}  # fmt: skip
PROCESSES = {"picture in two processes": 2}
_NUMBERS = count()


def recipe(case: str) -> ms.Recipe:
    name, overrides = CASES[case]
    return ms.load_recipe(name, preset="quick", overrides={"train.log_every": 1, **overrides})


def work(case: str, path: Path, *, begun: bool) -> None:
    if begun:
        running.resume(path, device="cpu")
    else:
        ms.run(recipe(case), path, device="cpu")


class Job:
    """The processes that make or resume one run; what they print is kept.

    Args:
        case: a key of `CASES`.
        path: the run.
        outputs: the folder of the file that takes what they print.
        prepare: called in each process before its work.
    """

    def __init__(self, case: str, path: Path, outputs: Path, prepare: Callable[[], None] = lambda: None) -> None:
        self.case, self.begun = case, (path / "environment.json").exists()
        self.output = outputs / f"{next(_NUMBERS)}.output"
        processes = PROCESSES.get(case, 1)
        port = _free_port() if processes > 1 else 0
        self.children = [self._fork(path, prepare, rank, processes, port) for rank in range(processes)]
        self.forced = False

    def _fork(self, path: Path, prepare: Callable[[], None], rank: int, processes: int, port: int) -> int:
        """A child that ends with 0, with 1 after an error that metasiren explains, or with 2."""
        child = os.fork()
        if child:
            return child
        code = 2
        try:
            output = os.open(self.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(output, 1)
            os.dup2(output, 2)
            if processes > 1:
                address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "LOCAL_RANK": str(rank)}
                os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(processes), **address}
            prepare()
            work(self.case, path, begun=self.begun)
            code = 0
        except (ms.MetasirenError, OSError) as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
            code = 1
        except BaseException as error:
            os.write(2, f"a fault: {type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(code)

    def wait(self) -> list[int]:
        """The exit codes; a process that a signal ended has its negative number.

        Where one ended badly, the others get SIGTERM some seconds later and SIGKILL after half a minute, as torchrun
        does it: a process that waits for one that never came would wait for long.
        """
        codes: dict[int, int] = {}
        ended, warned = None, False
        while len(codes) < len(self.children):
            for child in self.children:
                if child not in codes and (found := os.waitpid(child, os.WNOHANG))[0]:
                    codes[child] = os.waitstatus_to_exitcode(found[1])
                    ended = ended or (time.monotonic() if codes[child] else None)
            if ended is not None and time.monotonic() - ended > (35 if warned else 5):
                for child in self.children:
                    if child not in codes:
                        os.kill(child, signal.SIGKILL if warned else signal.SIGTERM)
                self.forced, warned = warned, True
            time.sleep(0.01)
        return [codes[child] for child in self.children]

    def printed(self) -> str:
        return self.output.read_text("utf-8", "replace") if self.output.exists() else ""


def same(a: checkpoints.Checkpoint, b: checkpoints.Checkpoint) -> bool:
    """Every tensor of two checkpoints, bit for bit."""
    return a.step == b.step and a.tensors.keys() == b.tensors.keys() and all(
        torch.equal(a.tensors[name], tensor) for name, tensor in b.tensors.items()
    )  # fmt: skip


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
