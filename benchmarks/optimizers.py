"""Optimisers on one picture and one sound, at equal processor seconds.

    python benchmarks/optimizers.py                              # scikit-image's camera, 128 x 128, and a chord of 1 s
    python benchmarks/optimizers.py --sound FILE.wav --duration 0.5
    python benchmarks/optimizers.py --seconds 60 --tune 10 --width 64

Every method has one number to choose, its learning rate or what takes its place, out of three. Each of them is tried
for the same few processor seconds with seed 0, and the best is kept. Then all methods are trained for the same seconds
from the same drawn weights, a second each in turn, so that other work on the machine disturbs all alike. A method's
number of steps is what its budget buys at its measured speed; methods that follow gradients have a cosine schedule over
it. Points of a step are each method's own too: random ones for gradients and Gauss-Newton, all of them for line
searches. PSNR is that of all pixels or samples, in dB; its peak is the range, 2.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from training import advance, trainer_of

import metasiren as ms
from metasiren.engine.allocation import keep_freed_memory
from metasiren.engine.trainer import Trainer
from metasiren.registry.catalogue import Catalogue, load_catalogue

SHARE = 1.0
"""Processor seconds of a turn."""


@dataclass(frozen=True)
class Method:
    """An optimiser with one number to choose.

    Attributes:
        name: as the table prints it.
        options: of the recipe's optimiser.
        number: the option that is chosen.
        tried: its three values.
        points: random points of a step; None for all.
        scheduled: whether a cosine schedule ends the training at a rate of zero.
        dtype: of everything.
    """

    name: str
    options: dict[str, Any]
    number: str
    tried: tuple[Any, ...]
    points: int | None
    scheduled: bool = False
    dtype: str = "float32"


def gradient(name: str) -> Method:
    """A method that follows gradients."""
    return Method(name, {"name": name}, "lr", (1e-3, 4e-3, 1.6e-2), 4096, scheduled=True)


METHODS = (
    gradient("adam"),
    gradient("muon"),
    gradient("soap"),
    gradient("shampoo"),
    Method("lbfgs", {"name": "lbfgs"}, "iterations", (10, 25, 50), None, dtype="float64"),
    Method(
        "self-scaled Broyden", {"name": "self_scaled", "iterations": 10}, "lr", (0.3, 1.0, 3.0), None, dtype="float64"
    ),
    Method("Gauss-Newton", {"name": "gauss_newton"}, "momentum", (0.0, 0.5, 0.9), 2048),
)


@dataclass
class Contender:
    """A method in training."""

    trainer: Trainer
    spent: float = 0.0
    failed: bool = False

    @property
    def done(self) -> bool:
        return self.failed or self.trainer.step >= self.trainer.experiment.steps

    def advance(self, seconds: float) -> None:
        """Train for so many processor seconds, or to the end."""
        began = time.process_time()
        try:
            advance(self.trainer, lambda: time.process_time() - began >= seconds)
        except ms.TrainingError:
            self.failed = True
        self.spent += time.process_time() - began

    @torch.no_grad()
    def quality(self) -> float:
        """PSNR in dB at all points; minus infinity where training failed."""
        task = self.trainer.experiment
        (points,) = task.dataset.batch("test", torch.zeros(1, dtype=torch.long)).points.values()
        model = task.model
        dtype = next(model.parameters()).dtype
        error = model.signal(task.dataset.domain)(points.coords.to(dtype)) - points.values.to(dtype)
        found = ms.psnr(float(error.square().mean()))
        return -math.inf if self.failed or found is None or not math.isfinite(found) else found


@dataclass(frozen=True)
class Signal:
    """What is fitted: a recipe's quick preset with changes."""

    name: str
    recipe: str
    changes: dict[str, Any] = field(default_factory=dict)


def begin(signal: Signal, method: Method, value: Any, seed: int, steps: int, catalogue: Catalogue) -> Contender:
    """A method before its first step."""
    changes = {
        **signal.changes, "data.points": method.points, "train.steps": steps, "train.seed": seed,
        "train.dtype": method.dtype, "train.log_every": 10**9, "train.checkpoint_every": 10**9,
        "train.optimizer": {**method.options, method.number: value},
        "train.schedule": "cosine" if method.scheduled else "constant",
    }  # fmt: skip
    recipe = ms.load_recipe(signal.recipe, preset="quick", overrides=changes)
    return Contender(trainer_of(recipe, catalogue, torch.device("cpu")))


def affordable(signal: Signal, method: Method, value: Any, seconds: float, catalogue: Catalogue) -> int:
    """The number of steps that so many processor seconds buy, by the speed of a few."""
    trial = begin(signal, method, value, 0, 10**6, catalogue)
    trial.advance(0)  # the first step is slower
    began, first = time.process_time(), trial.trainer.step
    trial.advance(min(0.5, seconds / 6))
    each = (time.process_time() - began) / max(1, trial.trainer.step - first)
    return max(1, round(seconds / each))


def take_turns(contenders: list[Contender]) -> None:
    """Train all to their ends."""
    while open_ones := [c for c in contenders if not c.done]:
        for each in open_ones:
            each.advance(SHARE)


def chosen(signal: Signal, method: Method, seconds: float, catalogue: Catalogue) -> Any:
    """The value that is best after so many seconds each."""
    made = []
    for value in method.tried:
        steps = affordable(signal, method, value, seconds, catalogue)
        made.append(begin(signal, method, value, 0, steps, catalogue))
    take_turns(made)
    reached = [each.quality() for each in made]
    return method.tried[reached.index(max(reached))]


def compare(signal: Signal, given: argparse.Namespace, catalogue: Catalogue) -> None:
    """Print the table of a signal."""
    methods = [m for m in METHODS if not given.only or m.options["name"] in given.only]
    values = {}
    for method in methods:
        values[method.name] = chosen(signal, method, given.tune, catalogue)
        print(f"  {signal.name}: {method.name}: {method.number} {values[method.name]:g}", flush=True)
    found: dict[str, list[Contender]] = {method.name: [] for method in methods}
    for seed in range(given.seeds):
        for method in methods:
            value = values[method.name]
            steps = affordable(signal, method, value, given.seconds, catalogue)
            found[method.name].append(begin(signal, method, value, seed, steps, catalogue))
        take_turns([each[-1] for each in found.values()])
    weights = sum(p.numel() for p in found[methods[0].name][0].trainer.experiment.model.parameters())
    print(
        f"\n{signal.name}, {weights:,} weights, {given.seconds:g} s, {given.seeds} seeds, torch {torch.__version__}\n"
    )
    print("| method | chosen | points a step | steps | seconds | PSNR, dB |\n|---|---|---|---|---|---|")
    for method in methods:
        each = found[method.name]
        reached = [c.quality() for c in each]
        spread = f" ± {stdev(reached):.2f}" if len(reached) > 1 else ""
        cells = (
            f"{method.number} {values[method.name]:g}", f"{method.points:,}" if method.points else "all",
            f"{mean(c.trainer.step for c in each):.0f}", f"{mean(c.spent for c in each):.1f}",
            f"{mean(reached):.2f}{spread}",
        )  # fmt: skip
        print(f"| {method.name} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15.0, help="processor seconds for each")
    parser.add_argument("--tune", type=float, default=3.0, help="processor seconds for each of the three values")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--photograph", default="camera")
    parser.add_argument("--sound", type=Path, help="a sound file in place of the chord")
    parser.add_argument("--duration", type=float, default=1.0, help="of the sound, in seconds")
    parser.add_argument("--signal", choices=("picture", "sound"), action="append")
    parser.add_argument("--only", action="append", help="an optimiser; may be given again")
    given = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    catalogue = load_catalogue()
    shared = {"siren.hidden_features": given.width, "siren.hidden_layers": 2}
    sound: dict[str, Any] = {"data.duration": given.duration, "data.extent": 15 * given.duration}
    if given.sound:
        sound |= {"data.path": str(given.sound), "data.source": None}
    signals = {
        "picture": Signal(
            f"{given.photograph}, {given.size} x {given.size}", "image",
            {"data.photograph": given.photograph, "data.size": given.size, "data.grey": True, **shared},
        ),
        "sound": Signal(
            f"{given.sound.stem if given.sound else 'chord'}, {given.duration:g} s", "audio_bach", {**sound, **shared}
        ),
    }  # fmt: skip
    for name in given.signal or signals:
        compare(signals[name], given, catalogue)


if __name__ == "__main__":
    main()
