"""Kill, fill, flip and race until the time is up; count what was lost.

    python tests/soak/soak.py --minutes 30 --seed 0

A trial trains a small run while its process is killed at random moments (SIGKILL) and resumed, and compares every
tensor of its last checkpoint with that of a run that nobody disturbed. Others limit the size of files as a full disk
would, flip bits of checkpoints, and let two processes resume one run. Prints a line of JSON; exits 1 after any loss.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

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
    "Gauss-Newton": ("image", {**PICTURE, "train.steps": 20, "train.optimizer": {"name": "gauss_newton"}}),
    "prior with EMA": (
        "celeba_cnn",
        {**FACES, "train.steps": 30, "train.checkpoint_every": 4, "train.ema": 0.9, "train.batch": 4,
         "evaluate.protocol": None},
    ),
}  # fmt: skip


def recipe(case: str) -> ms.Recipe:
    name, overrides = CASES[case]
    return ms.load_recipe(name, preset="quick", overrides={"train.log_every": 1, **overrides})


def work(case: str, path: Path) -> None:
    if (path / "environment.json").exists():
        running.resume(path, device="cpu")
    else:
        ms.run(recipe(case), path, device="cpu")


def fork(task: Callable[[], None]) -> int:
    """A child process that does the task: it ends with 0, with 1 after one of metasiren's errors, or with 2."""
    child = os.fork()
    if child:
        return child
    code = 2
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        task()
        code = 0
    except (ms.MetasirenError, OSError):
        code = 1
    finally:
        os._exit(code)


def wait(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def same(a: checkpoints.Checkpoint, b: checkpoints.Checkpoint) -> bool:
    return a.step == b.step and a.tensors.keys() == b.tensors.keys() and all(
        torch.equal(a.tensors[name], tensor) for name, tensor in b.tensors.items()
    )  # fmt: skip


class Soak:
    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.draw = folder, random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.losses: list[str] = []
        self.seconds: dict[str, float] = {}
        self.references: dict[str, checkpoints.Checkpoint] = {}
        for case in CASES:
            began = time.monotonic()
            if wait(fork(lambda case=case: work(case, folder / f"reference {case}"))):  # type: ignore[misc]
                raise SystemExit(f"{case} does not train")
            self.seconds[case] = time.monotonic() - began
            self.references[case] = ms.open_run(folder / f"reference {case}").checkpoint()

    def lose(self, what: str) -> None:
        self.losses.append(what)

    def check(self, case: str, path: Path) -> None:
        """What must hold after any disturbance: the run is absent or opens, and every checkpoint reads."""
        if not path.exists():
            return
        try:
            made = ms.open_run(path)
            list(made.losses())
            for each in checkpoints.found(made.checkpoints):
                checkpoints.load(each)
        except ms.MetasirenError as error:
            self.lose(f"{case}: {error}")

    def finish(self, case: str, path: Path) -> None:
        """Resume without disturbance; the result is the undisturbed one, and nothing is left over."""
        if wait(fork(lambda: work(case, path))):
            self.lose(f"{case}: does not resume")
            return
        made = ms.open_run(path)
        if not same(made.checkpoint(), self.references[case]):
            self.lose(f"{case}: resumed differs from uninterrupted")
        steps = [line["step"] for line in made.losses()]
        if steps != list(range(1, self.references[case].step + 1)):
            self.lose(f"{case}: steps are missing in metrics.jsonl")
        if left := [p.name for p in path.rglob("*") if "partial" in p.name or p.name.startswith(".tmp")]:
            self.lose(f"{case}: left over: {left}")
        self.counts["runs compared"] += 1
        shutil.rmtree(path)

    def kills(self, case: str, path: Path) -> None:
        for _ in range(self.draw.randint(2, 6)):
            child = fork(lambda: work(case, path))
            time.sleep(self.draw.uniform(0.01, 1.1 * self.seconds[case]))
            os.kill(child, signal.SIGKILL)
            self.counts["kills"] += wait(child) == -signal.SIGKILL
            self.check(case, path)
        self.finish(case, path)

    def full(self, case: str, path: Path) -> None:
        """No file may grow beyond a limit, as on a full disk."""
        limit = int(10 ** self.draw.uniform(2.5, 5.5))

        def limited() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            work(case, path)

        code = wait(fork(limited))
        if code not in (0, 1):
            self.lose(f"{case}: files of {limit} bytes end in code {code}")
        self.counts["full disks"] += 1
        self.check(case, path)
        self.finish(case, path)

    def flips(self, case: str, path: Path) -> None:
        """A flipped bit of the newest checkpoint is refused, or was one that means nothing."""
        whole = checkpoints.found(self.folder / f"reference {case}" / "checkpoints")[-1]
        copy, data = self.folder / whole.name, whole.read_bytes()
        for _ in range(100):
            damaged = bytearray(data)
            damaged[self.draw.randrange(len(data))] ^= 1 << self.draw.randrange(8)
            copy.write_bytes(damaged)
            self.counts["flipped bits"] += 1
            try:
                if not same(checkpoints.load(copy), self.references[case]):
                    self.lose(f"{case}: a flipped bit was read")
            except ms.RunError:
                self.counts["flipped bits refused"] += 1
        copy.unlink()

    def race(self, case: str, path: Path) -> None:
        """Two processes make or resume one run: none breaks the other's files."""
        children = [fork(lambda: work(case, path)) for _ in range(2)]
        codes = [wait(child) for child in children]
        if 2 in codes or 0 not in codes:
            self.lose(f"{case}: two processes ended with {codes}")
        self.counts["races"] += 1
        self.finish(case, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp(prefix="soak"))
    try:
        # What every child would import anew; the catalogue's parts are imported with it.
        importlib.import_module("torch.utils.tensorboard")
        began = time.monotonic()
        soak = Soak(folder, options.seed)
        trials = [soak.kills, soak.full, soak.kills, soak.flips, soak.kills, soak.race]
        for number, (trial, case) in enumerate(itertools.cycle(itertools.product(trials, CASES))):
            if time.monotonic() - began > 60 * options.minutes:
                break
            trial(case, folder / f"{case} {number}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps({"minutes": options.minutes, "seed": options.seed, **soak.counts, "losses": soak.losses}))
    sys.exit(1 if soak.losses else 0)


if __name__ == "__main__":
    main()
