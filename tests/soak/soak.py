"""Kill, fill, flip and race until the time is up; count what was lost.

    python tests/soak/soak.py --minutes 30 --seed 0

A trial trains a small run while a process of it is killed at random moments (SIGKILL) and resumed, and compares every
tensor of its last checkpoint with that of a run that nobody disturbed. Others fill a small disk (a tmpfs, where this
process may mount one) or limit the size of files, flip bits of checkpoints, and let two processes resume one run. It
prints a line of JSON, and exits with 1 after any loss.
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
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from jobs import CASES, PROCESSES, Job, same

import metasiren as ms
from metasiren.runs import checkpoints


class Soak:
    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.draw = folder, random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.kills_of: Counter[str] = Counter()
        self.losses: list[str] = []
        self.seconds: dict[str, float] = {}
        self.references: dict[str, checkpoints.Checkpoint] = {}
        self.disk = self._mount(folder / "disk")
        for case in CASES:
            began = time.monotonic()
            job = Job(case, folder / f"reference {case}", folder)
            if any(job.wait()):
                raise SystemExit(f"{case} does not train: {job.printed()}")
            self.seconds[case] = time.monotonic() - began
            self.references[case] = ms.open_run(folder / f"reference {case}").checkpoint()

    @staticmethod
    def _mount(place: Path) -> Path | None:
        """A small file system of its own; None where this process may not mount one."""
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=1m", "soak", str(place)]
        if shutil.which("mount") and subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return place
        print("No right to mount a small disk: limits on the size of files take its place.", file=sys.stderr)
        return None

    def close(self) -> None:
        if self.disk is not None:
            subprocess.run(["umount", str(self.disk)], check=True)

    def lose(self, what: str) -> None:
        self.losses.append(what)
        print(f"LOST: {what}", file=sys.stderr)

    def end(self, job: Job, expected: set[int], what: str) -> list[int]:
        """Wait for the job; its processes end as expected, and what they print holds no traceback."""
        codes, printed = job.wait(), job.printed()
        if not set(codes) <= expected or "Traceback" in printed:
            self.lose(f"{job.case}: {what}: ended with {codes}: {printed[-500:]}")
        job.output.unlink(missing_ok=True)
        return codes

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
        if any(self.end(Job(case, path, self.folder), {0}, "resume")):
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
        """Of several processes one is killed, or all are; those that live end with a message, not with a traceback."""
        for _ in range(self.draw.randint(2, 8)):
            job = Job(case, path, self.folder)
            time.sleep(self.draw.uniform(0.01, 1.1 * self.seconds[case]))
            count = self.draw.choice([1, len(job.children)])
            for child in self.draw.sample(job.children, count):
                os.kill(child, signal.SIGKILL)
            codes = self.end(job, {0, 1, -signal.SIGKILL, -signal.SIGTERM}, "kill")
            killed = codes.count(-signal.SIGKILL)
            if job.forced:
                killed -= len(job.children) - count
                self.counts["processes that had to be ended"] += 1
            self.counts["kills"] += killed
            self.kills_of[case] += killed
            self.check(case, path)
        self.finish(case, path)

    def full(self, case: str, path: Path) -> None:
        """A disk is full before the run is done; with space freed it goes on."""
        if self.disk is None:
            self.limited(case, path)
            return
        path = self.disk / path.name
        self._resize(f"{int(10 ** self.draw.uniform(0.7, 2.3))}k")
        codes = self.end(Job(case, path, self.folder), {0, 1}, "full disk")
        self.counts["full disks"] += 1
        self.counts["full disks that stopped a run"] += 1 in codes
        self._resize("64m")
        self.check(case, path)
        self.finish(case, path)

    def _resize(self, size: str) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", str(self.disk)], check=True)

    def limited(self, case: str, path: Path) -> None:
        """No file may grow beyond a limit."""
        limit = int(10 ** self.draw.uniform(2.5, 5.5))

        def limit_files() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        self.end(Job(case, path, self.folder, limit_files), {0, 1}, f"files of {limit} bytes")
        self.counts["limits on files"] += 1
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
        if case in PROCESSES:
            return
        jobs = [Job(case, path, self.folder), Job(case, path, self.folder)]
        if 0 not in [code for job in jobs for code in self.end(job, {0, 1}, "race")]:
            self.lose(f"{case}: of two processes none finished")
        self.counts["races"] += 1
        self.finish(case, path)

    def moved(self, case: str, path: Path) -> None:
        """A run whose directory is moved away while it trains: nothing is begun at its former place."""
        job, aside = Job(case, path, self.folder), path.with_name(f"{path.name} moved")
        while not path.exists() and os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            time.sleep(0.005)
        time.sleep(self.draw.uniform(0, self.seconds[case]))
        path.rename(aside)
        self.end(job, {0, 1, -signal.SIGKILL, -signal.SIGTERM}, "moved")
        if path.exists():
            self.lose(f"{case}: begun anew where it was moved from: {sorted(p.name for p in path.rglob('*'))}")
        self.counts["runs moved while they trained"] += 1
        self.check(case, aside)
        self.finish(case, aside)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills-only", action="store_true", help="no full disks, flipped bits and races")
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp(prefix="soak"))
    soak = None
    try:
        # What every child would import anew; the catalogue's parts are imported with it.
        importlib.import_module("torch.utils.tensorboard")
        began = time.monotonic()
        soak = Soak(folder, options.seed)
        everything = [
            soak.kills, soak.full, soak.kills, soak.flips, soak.kills, soak.race, soak.kills, soak.limited, soak.moved,
        ]  # fmt: skip
        trials = [soak.kills] if options.kills_only else everything
        # Nine trials and five runs have no common divisor: each trial meets each run, and a race is soon among them.
        for number, (trial, case) in enumerate(zip(itertools.cycle(trials), itertools.cycle(CASES))):
            if time.monotonic() - began > 60 * options.minutes:
                break
            trial(case, folder / f"{case} {number}")
    finally:
        if soak is not None:
            soak.close()
        shutil.rmtree(folder, ignore_errors=True)
    counted = {**soak.counts, "kills of": soak.kills_of, "losses": soak.losses}
    print(json.dumps({"minutes": options.minutes, "seed": options.seed, **counted}))
    sys.exit(1 if soak.losses else 0)


if __name__ == "__main__":
    main()
