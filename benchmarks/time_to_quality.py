"""Steps and seconds until `fast` is as good as the paper's settings are after so many steps.

Both presets of one recipe train side by side in one run, a few steps each in turn, so that a noisy machine slows both.
Only training is timed. The quality is a metric on the whole signal. `fast` is scheduled over its own, smaller budget;
where it uses Muon, that optimiser's rate goes with the inverse root of the number of steps, and for sounds the other
weights' rate with the inverse of the extent, as in the recipes.

    python benchmarks/time_to_quality.py                         # camera at 128 and 256 pixels
    python benchmarks/time_to_quality.py --photograph astronaut --photograph coffee --size 128
    python benchmarks/time_to_quality.py --sound gt_bach.wav --sound gt_counting.wav
    python benchmarks/time_to_quality.py --recipe poisson_gradient --metric psnr_db
"""

from __future__ import annotations

import argparse
import json
import math
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from metasiren.allocation import keep_freed_memory
from metasiren.catalogue import Catalogue, load_catalogue
from metasiren.extras import load_extra
from metasiren.recipe import Part, load_recipe
from metasiren.scores import score
from metasiren.task import assemble, make_optimizer
from metasiren.trainer import Trainer

# Muon's rate times the root of the number of steps, and Adam's times a sound's extent; the recipes say the same.
MUON = 0.016
EXTENT = 0.03


@dataclass(frozen=True)
class Case:
    """One signal.

    Attributes:
        name: as the table prints it.
        recipe: with the presets `paper` and `fast`.
        changes: to both.
        metric: a metric of basics; higher is better for `psnr_db`, lower else.
        options: of the metric.
    """

    name: str
    recipe: str
    changes: dict[str, Any]
    metric: str
    options: dict[str, Any]


@dataclass(frozen=True)
class Result:
    """What one case gave; seconds are of training alone."""

    case: str
    paper_steps: int
    paper_seconds: float
    quality: float
    fast_steps: int | None
    fast_seconds: float | None
    fast_final: float

    @property
    def step_ratio(self) -> float:
        return self.paper_steps / self.fast_steps if self.fast_steps else 0.0

    @property
    def second_ratio(self) -> float:
        return self.paper_seconds / self.fast_seconds if self.fast_seconds else 0.0


class Contender:
    """One preset in training, a few steps at a time."""

    def __init__(self, case: Case, preset: str, steps: int, device: torch.device, catalogue: Catalogue, seed: int):
        changes = {**case.changes, "train.steps": steps, "train.seed": seed, "train.log_every": 10**9}
        recipe = load_recipe(case.recipe, preset=preset, overrides=changes)
        if recipe.train.optimizer.name == "muon":
            changes["train.optimizer.matrix_lr"] = MUON / math.sqrt(steps)
            if "data.extent" in changes:
                changes["train.optimizer.lr"] = min(1e-3, EXTENT / changes["data.extent"])
            recipe = load_recipe(case.recipe, preset=preset, overrides=changes)
        self.task = assemble(recipe, catalogue)
        self.task.dataset.to(device)
        self.task.model.to(device)
        parameters: list[nn.Parameter] = [p for p in self.task.model.parameters() if p.requires_grad]

        def optimizer(part: Part) -> torch.optim.Optimizer:
            return make_optimizer(recipe, catalogue, parameters, part)

        self.trainer = Trainer(self.task, device, optimizer)
        self.metric = catalogue.make("metric", case.metric, where="benchmark", options=case.options)
        self.device = device

    def advance(self, steps: int) -> None:
        goal = self.trainer.step + steps

        def stop() -> str | None:
            return "a pause" if self.trainer.step >= goal else None

        self.trainer.train(watch=lambda *_: None, save=lambda _: None, stop=stop)

    @property
    def done(self) -> bool:
        return self.trainer.step >= self.task.steps

    def quality(self) -> float:
        found = score(self.task.model.eval(), self.task.dataset, {"q": self.metric}, device=self.device)
        value = next(iter(found.values()))
        assert value is not None
        return value


def race(case: Case, options: argparse.Namespace, device: torch.device, catalogue: Catalogue) -> Result:
    """Train both; `fast` is judged after every slice, the paper's settings at their end."""
    paper = Contender(case, "paper", options.steps, device, catalogue, options.seed)
    fast = Contender(case, "fast", options.budget, device, catalogue, options.seed)
    history: list[tuple[int, float, float]] = []
    pace = options.steps / options.budget * options.slice
    while not (paper.done and fast.done):
        if not fast.done:
            fast.advance(options.slice)
            history.append((fast.trainer.step, fast.trainer.seconds, fast.quality()))
        if not paper.done:
            paper.advance(max(1, round(pace)))
    goal = paper.quality()
    better = (lambda q: q >= goal) if case.metric == "psnr_db" else (lambda q: q <= goal)
    first = next((entry for entry in history if better(entry[2])), None)
    return Result(
        case.name, paper.trainer.step, paper.trainer.seconds, goal,
        first[0] if first else None, first[1] if first else None, history[-1][2],
    )  # fmt: skip


def cases(options: argparse.Namespace) -> Iterator[Case]:
    if options.recipe:
        changes = {"data.size": options.size[0]} if options.size else {}
        yield Case(options.recipe, options.recipe, changes, options.metric, {"at": options.at})
        return
    for path in options.sound:
        whole = float(load_extra("soundfile", extra="signals", where="--sound").info(path).duration)
        # As many periods a unit of the coordinate as the whole clip has in the paper's [-100, 100].
        extent = round(100 * options.seconds / whole, 2)
        cut = {"data.start": options.start, "data.duration": options.seconds, "data.extent": extent}
        name = f"{path.stem}, {options.seconds:g} s in ±{extent:g}"
        yield Case(name, "audio_bach", {"data.path": str(path), **cut}, "mse", {"at": "samples"})
    for name in options.photograph or ([] if options.sound else ["camera"]):
        for size in options.size or [128, 256]:
            changes = {"data.photograph": name, "data.size": size, "data.crop": "square"}
            yield Case(f"{name}, {size} x {size}", "image", changes, "psnr_db", {"at": "pixels"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photograph", action="append", default=[], help="a bundled photograph; may be repeated")
    parser.add_argument("--size", action="append", type=int, default=[], help="pixels along a side; may be repeated")
    parser.add_argument("--sound", action="append", type=Path, default=[], help="a sound file; may be repeated")
    parser.add_argument("--start", type=float, default=1.0, help="where the sound is cut, in seconds")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each sound")
    parser.add_argument("--recipe", help="any recipe of a single signal with presets paper and fast")
    parser.add_argument("--metric", default="psnr_db", help="with --recipe")
    parser.add_argument("--at", default="pixels", help="with --recipe: the metric's point set")
    parser.add_argument("--steps", type=int, default=500, help="of the paper's settings")
    parser.add_argument("--budget", type=int, default=62, help="steps that `fast` is scheduled over")
    parser.add_argument("--slice", type=int, default=2, help="steps between judgements of `fast`")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, help="write the results there too")
    options = parser.parse_args()
    keep_freed_memory()
    device, catalogue = torch.device(options.device), load_catalogue()
    place = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"{platform.machine()}, {place}, torch {torch.__version__}, seed {options.seed}")
    print("| signal | quality of paper | steps, s | fast: steps, s | fewer steps | fewer seconds | fast at its end |")
    print("|---|---|---|---|---|---|---|")
    results = []
    for case in cases(options):
        r = race(case, options, device, catalogue)
        results.append(r)
        unit = f"{r.quality:.2f} dB" if case.metric == "psnr_db" else f"{r.quality:.2e}"
        end = f"{r.fast_final:.2f} dB" if case.metric == "psnr_db" else f"{r.fast_final:.2e}"
        fast = f"{r.fast_steps}, {r.fast_seconds:.1f}" if r.fast_steps else "not reached"
        ratios = f"{r.step_ratio:.1f} | {r.second_ratio:.1f}" if r.fast_steps else "– | –"
        print(f"| {r.case} | {unit} | {r.paper_steps}, {r.paper_seconds:.1f} | {fast} | {ratios} | {end} |", flush=True)
    if options.json:
        options.json.write_text(json.dumps([asdict(r) for r in results], indent=2) + "\n")


if __name__ == "__main__":
    main()
