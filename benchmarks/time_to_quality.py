"""Steps and seconds until `fast` is as good as the paper's settings are after so many steps.

Both presets of one recipe train side by side in one run, a few steps each in turn, so that a noisy machine slows both.
Only training is timed. The quality is a metric on the whole signal. `fast` is scheduled over its own, smaller budget;
where it uses Muon, that optimiser's rate goes with the inverse root of the number of steps, and for sounds the other
weights' rate with the inverse of the extent, as in the recipes.

    python benchmarks/time_to_quality.py                         # camera at 128 and 256 pixels
    python benchmarks/time_to_quality.py --photograph astronaut --photograph coffee --size 128
    python benchmarks/time_to_quality.py --sound gt_bach.wav --sound gt_counting.wav
    python benchmarks/time_to_quality.py --poisson gradient --poisson laplacian --photograph camera --size 96
    python benchmarks/time_to_quality.py --wave helmholtz --points 2000 --steps 1200 --budget 4 --slice 1
    python benchmarks/time_to_quality.py --recipe image --metric psnr_db

Pictures from derivatives are evaluated by their protocol, which removes what derivatives do not determine: a row for
the picture, one for its gradient, one for its Laplacian. So are waves, by their error against the exact one.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from training import advance, trainer_of

from metasiren.contracts import Dataset, Metric, Model
from metasiren.engine.allocation import keep_freed_memory
from metasiren.engine.scoring import score
from metasiren.recipe import load_recipe
from metasiren.registry.catalogue import Catalogue, load_catalogue
from metasiren.registry.extras import load_extra

# Muon's rate times the root of the number of steps, and Adam's times a sound's extent; the recipes say the same.
MUON = 0.016
EXTENT = 0.03


@runtime_checkable
class Measure(Protocol):
    """A protocol that gives a model's numbers without writing anything."""

    def numbers(self, model: Model, dataset: Dataset) -> Mapping[str, float | None]: ...


@dataclass(frozen=True)
class Case:
    """One signal.

    Attributes:
        name: as the table prints it.
        recipe: with the presets `paper` and `fast`.
        changes: to both.
        metric: a metric of basics, or None for what the recipe's protocol says. More is better of decibels, less of
            all else.
        options: of the metric.
        paper: changes to the paper's settings alone.
        numbers: the protocol's numbers that count; all by default.
    """

    name: str
    recipe: str
    changes: dict[str, Any]
    metric: str | None
    options: dict[str, Any]
    paper: dict[str, Any] = field(default_factory=dict)
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """What one case gave by one number; seconds are of training alone."""

    case: str
    judged_by: str
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
        own = case.paper if preset == "paper" else {}
        changes = {**case.changes, **own, "train.steps": steps, "train.seed": seed, "train.log_every": 10**9}
        recipe = load_recipe(case.recipe, preset=preset, overrides=changes)
        if recipe.train.optimizer.name == "muon":
            changes["train.optimizer.matrix_lr"] = MUON / math.sqrt(steps)
            if "data.extent" in changes:
                changes["train.optimizer.lr"] = min(1e-3, EXTENT / changes["data.extent"])
            recipe = load_recipe(case.recipe, preset=preset, overrides=changes)
        self.trainer = trainer_of(recipe, catalogue, device)
        self.task = self.trainer.experiment
        self.evaluate: Metric | Measure
        if case.metric is not None:
            self.evaluate = catalogue.make("metric", case.metric, where="benchmark", options=case.options)
        else:
            assert isinstance(self.task.protocol, Measure)
            self.evaluate = self.task.protocol
        self.case = case
        self.device = device

    def advance(self, steps: int) -> None:
        goal = self.trainer.step + steps
        advance(self.trainer, lambda: self.trainer.step >= goal)

    @property
    def done(self) -> bool:
        return self.trainer.step >= self.task.steps

    def quality(self) -> dict[str, float]:
        """Finite numbers by name."""
        model, dataset = self.trainer.best_model.eval(), self.task.dataset
        found: Mapping[str, float | None]
        if isinstance(self.evaluate, Measure):
            values = self.evaluate.numbers(model, dataset)
            found = {name: values[name] for name in self.case.numbers or values}
        else:
            scored = score(model, dataset, {"q": self.evaluate}, device=self.device)
            found = {self.case.metric or "": next(iter(scored.values()))}
        return {name: value for name, value in found.items() if value is not None and "coloured" not in name}


def race(case: Case, options: argparse.Namespace, device: torch.device, catalogue: Catalogue) -> list[Result]:
    """Train both; `fast` is evaluated after every slice, the paper's settings at their end."""
    paper = Contender(case, "paper", options.steps, device, catalogue, options.seed)
    fast = Contender(case, "fast", options.budget, device, catalogue, options.seed)
    history: list[tuple[int, float, dict[str, float]]] = []
    pace = options.steps / options.budget * options.slice
    while not (paper.done and fast.done):
        if not fast.done:
            fast.advance(options.slice)
            history.append((fast.trainer.step, fast.trainer.seconds, fast.quality()))
        if not paper.done:
            paper.advance(max(1, round(pace)))
    results = []
    for name, goal in paper.quality().items():
        sign = 1 if name.endswith("_db") else -1
        first = next((entry for entry in history if sign * entry[2][name] >= sign * goal), None)
        steps, seconds = (first[0], first[1]) if first else (None, None)
        end = history[-1][2][name]
        results.append(
            Result(case.name, name, paper.trainer.step, paper.trainer.seconds, goal, steps, seconds, end),
        )
    return results


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
    for source in options.poisson:
        for name, size in product(options.photograph or ["camera"], options.size or [96]):
            changes = {"data.photograph": name, "data.path": None, "data.size": size, "data.crop": "square"}
            changes["data.derivatives"] = options.derivatives
            yield Case(f"{name}, {size} x {size}, from its {source}", f"poisson_{source}", changes, None, {})
    for name in options.wave:
        metric = {"helmholtz": "relative_l2", "wave": "worst_relative_l2"}[name]
        fewer = {"data.points": options.points} if options.points else {}
        yield Case(name, name, {}, None, {}, fewer, (metric,))
    if options.poisson or options.wave:
        return
    for name in options.photograph or ([] if options.sound else ["camera"]):
        for size in options.size or [128, 256]:
            changes = {"data.photograph": name, "data.size": size, "data.crop": "square"}
            yield Case(f"{name}, {size} x {size}", "image", changes, "psnr_db", {"at": "pixels"})


def line(r: Result) -> str:
    """A result as a row of the table."""
    form = "{:.2f} dB" if r.judged_by.endswith("_db") else "{:.2e}"
    fast = f"{r.fast_steps}, {r.fast_seconds:.1f}" if r.fast_steps else "not reached"
    ratios = f"{r.step_ratio:.1f} | {r.second_ratio:.1f}" if r.fast_steps else "– | –"
    quality, end = form.format(r.quality), form.format(r.fast_final)
    paper = f"{quality} | {r.paper_steps}, {r.paper_seconds:.1f}"
    return f"| {r.case} | {r.judged_by} | {paper} | {fast} | {ratios} | {end} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photograph", action="append", default=[], help="a bundled photograph; may be repeated")
    parser.add_argument("--size", action="append", type=int, default=[], help="pixels along a side; may be repeated")
    parser.add_argument("--sound", action="append", type=Path, default=[], help="a sound file; may be repeated")
    parser.add_argument("--start", type=float, default=1.0, help="where the sound is cut, in seconds")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each sound")
    parser.add_argument(
        "--poisson", action="append", default=[], choices=["gradient", "laplacian"], help="photographs from these alone"
    )
    parser.add_argument("--derivatives", default="spectral", help="with --poisson: how both are given them")
    parser.add_argument("--wave", action="append", default=[], choices=["helmholtz", "wave"], help="waves by equations")
    parser.add_argument(
        "--points", type=int, help="with --wave: of a step of the paper's settings, in place of its own"
    )
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
    heads = ["signal", "evaluated by", "quality of paper", "steps, s", "fast: steps, s"]
    print("|", " | ".join([*heads, "fewer steps", "fewer seconds", "fast at its end"]), "|")
    print("|" + "---|" * 8)
    results: list[Result] = []
    for case in cases(options):
        found = race(case, options, device, catalogue)
        results += found
        for result in found:
            print(line(result), flush=True)
    if options.json:
        options.json.write_text(json.dumps([asdict(r) for r in results], indent=2) + "\n")


if __name__ == "__main__":
    main()
