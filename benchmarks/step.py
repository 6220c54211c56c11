"""One training step as `metasiren run` takes it, beside the official form of each loss, in one run.

python benchmarks/step.py [--device cpu|cuda] [--points FACTOR] [--only NAME] [--small] [--out FILE.json]

The first side is the trainer's own step of a shipped recipe: its objective, assembled from the recipe, the backward
pass, clipping, the check that losses are finite, the optimiser. The second is the same loss in plain torch, as the
papers' published code computes it: derivatives by nested automatic differentiation, one output and one direction at a
time, weights as ordinary tensors, torch's own Adam. Both have the same weights and the same batch; that their losses
agree is checked first. Sides take turns; the ratio is that of medians; memory is the peak of one step beyond what lay
there before. Both sides keep freed memory in the process, as `metasiren run` does. `--small` takes the first-order
recipes at 1,024 points and 64 units, where the host's work counts, and times the whole training loop of `image` (draw,
step, log every 50) beside a plain one, in chunks of 50 steps.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from derivatives import machine, peak_bytes, seconds
from step_official import CASES, Official
from torch import Tensor, nn
from training import advance, trainer_of

import metasiren as ms
from metasiren.contracts import Batch
from metasiren.engine.allocation import keep_freed_memory
from metasiren.engine.trainer import Trainer
from metasiren_basics.free import FreeDecoder

SMALL = ("image", "gradient", "laplacian", "sdf", "helmholtz", "wave")


@dataclass
class Side:
    """One way to train.

    Attributes:
        step: takes one step, and returns the loss before it.
    """

    step: Callable[[], Tensor]


def ours(case: Official, changes: dict[str, Any], device: torch.device) -> tuple[Trainer, Batch]:
    """A trainer of the recipe in the stage that is timed, and one batch of its data."""
    recipe = ms.load_recipe(case.recipe, preset=case.preset, overrides={**case.changes, **changes})
    trainer = trainer_of(recipe, ms.load_catalogue(), device)
    experiment = trainer.experiment
    trainer._enter(len(experiment.stages) - 1)
    items = torch.arange(min(recipe.train.batch, experiment.dataset.splits["train"]), device=device)
    batch = experiment.dataset.batch("train", items, context=recipe.train.context, generator=trainer.generator)
    experiment.model.train()
    return trainer, batch.cast(torch.float32)


def sides(case: Official, changes: dict[str, Any], device: torch.device) -> dict[str, Side]:
    """The recipe's step and the official one."""
    trainer, batch = ours(case, changes, device)
    loss, parameters = case.loss(trainer.experiment, batch)
    rate = trainer.optimizer.param_groups[0]["lr"]
    plain = torch.optim.Adam(parameters, lr=rate)
    clip, check = trainer.experiment.recipe.train.clip, device.type == "cpu"

    def recipe_step() -> Tensor:
        return trainer._update(batch, check=check)["loss"].detach()

    def official_step() -> Tensor:
        plain.zero_grad(set_to_none=True)
        value = loss()
        value.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(parameters, clip)
        plain.step()
        return value.detach()

    return {"metasiren": Side(recipe_step), "official": Side(official_step)}


def measure(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Times, peak memory and agreement of both sides of a case."""
    case, device = CASES[name], torch.device(options.device)
    changes = case.sized(options.points)
    if options.small:
        changes = case.sized_to(1024) | {"siren.hidden_features": 64}
    both = sides(case, changes, device)
    losses = {side: float(both[side].step()) for side in both}
    gap = abs(losses["metasiren"] - losses["official"]) / abs(losses["official"])
    if gap > 1e-3:
        raise SystemExit(f"{name}: the losses are {losses}: both sides do not do the same")
    repeats = options.repeats or (100 if options.small else 5)
    times: dict[str, list[float]] = {side: [] for side in both}
    for side in both.values():
        side.step()
    for _ in range(repeats):
        for label, side in both.items():
            times[label].append(seconds(side.step, options.device))  # type: ignore[arg-type]
    peaks = {label: peak_bytes(side.step, options.device) for label, side in both.items()}  # type: ignore[arg-type]
    medians = {label: median(found) for label, found in times.items()}
    return {
        "case": name,
        "recipe": f"{case.recipe} ({case.preset})",
        "changes": {**case.changes, **changes},
        "losses": losses,
        "difference": gap,
        "seconds": medians,
        "all_seconds": times,
        "ratio": medians["official"] / medians["metasiren"],
        "peak_bytes": peaks,
    }


class PlainSiren(nn.Module):
    """A SIREN as one would write it."""

    def __init__(self, weights: Sequence[Tensor]) -> None:
        super().__init__()
        pairs = list(zip(weights[::2], weights[1::2], strict=True))
        self.layers = nn.ModuleList(nn.Linear(w.shape[1], w.shape[0]) for w, _ in pairs)
        with torch.no_grad():
            for layer, (weight, bias) in zip(self.layers, pairs, strict=True):
                layer.weight.copy_(weight)
                layer.bias.copy_(bias)

    def forward(self, x: Tensor) -> Tensor:
        *hidden, last = self.layers
        for layer in hidden:
            x = torch.sin(30 * layer(x))
        out: Tensor = last(x)
        return out


def loop(device: torch.device, repeats: int) -> str:
    """The trainer's loop of `image` at 1,024 points and 64 units beside a plain loop: seconds of a step, and the ratio.

    Seconds are the process's own (on a GPU those of the clock), so that other work on the machine counts less.
    """
    chunk, far = 50, 10**7
    changes = {"siren.hidden_features": 64, "train.steps": far}
    changes |= {"train.checkpoint_every": far, "train.pictures_every": far}
    trainer, _ = ours(CASES["image"], CASES["image"].sized_to(1024) | changes, device)
    whole = trainer.experiment.dataset.batch("test", torch.arange(1, device=device)).points["pixels"]
    coords, values = whole.coords[0], whole.values[0]
    decoder = trainer.experiment.model.decoder
    assert isinstance(decoder, FreeDecoder)
    plain, generator = PlainSiren(list(decoder.weights)).to(device), torch.Generator(device).manual_seed(0)
    optimizer = torch.optim.Adam(plain.parameters(), lr=1e-4)

    def ours_chunk() -> None:
        end = trainer.step + chunk
        advance(trainer, lambda: trainer.step >= end)

    def plain_chunk() -> None:
        for step in range(chunk):
            chosen = torch.randint(len(coords), (1024,), generator=generator, device=device)
            loss = ((plain(coords[chosen]) - values[chosen]) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step % chunk == 0:
                loss.item()

    clock = time.perf_counter if device.type == "cuda" else time.process_time
    times: dict[str, list[float]] = {"plain": [], "metasiren": []}
    for turn in range(repeats + 1):
        for label, run in (("plain", plain_chunk), ("metasiren", ours_chunk)):
            began = clock()
            run()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if turn:  # the first is a warm-up
                times[label].append((clock() - began) / chunk)
    medians = {label: median(found) for label, found in times.items()}
    return (
        f"whole loop of image: plain {1e3 * medians['plain']:.3f} ms a step, metasiren "
        f"{1e3 * medians['metasiren']:.3f} ms, ratio of medians {medians['metasiren'] / medians['plain']:.3f}"
    )


def table(rows: list[dict[str, Any]]) -> str:
    """The measurements as a Markdown table."""
    head = ["case", "recipe", "official, ms", "metasiren, ms", "ratio", "official, MiB", "metasiren, MiB", "losses"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        time_of, memory = row["seconds"], row["peak_bytes"]
        cells = [row["case"], f"`{row['recipe'].split()[0]}`"]
        cells += [f"{1e3 * time_of[side]:.4g}" for side in ("official", "metasiren")]
        cells += [f"{row['ratio']:.2f}"]
        cells += [f"{memory[side] / 2**20:.3g}" for side in ("official", "metasiren")]
        cells += [f"{row['difference']:.0e}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--points", type=float, default=1.0, help="multiply all numbers of points")
    parser.add_argument("--only", default="", help=f"one case: {', '.join(CASES)}")
    parser.add_argument("--small", action="store_true", help="first-order recipes at 1,024 points and 64 units")
    parser.add_argument("--repeats", type=int, help="timed steps of each side (default 5; 100 for --small)")
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file too")
    options = parser.parse_args()
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler, which counts memory, writes to the terminal
    keep_freed_memory()
    rows = []
    for name in SMALL if options.small else CASES:
        if options.only in ("", name):
            rows.append(measure(name, options))
            print(table(rows[-1:]).splitlines()[-1], flush=True)
    if options.small and options.only in ("", "loop"):
        print(f"\n{loop(torch.device(options.device), options.repeats or 40)}")
    facts = machine(options.device)
    if options.out:
        options.out.write_text(json.dumps({"machine": facts, "rows": rows}, indent=1) + "\n")
    print(f"\n{table(rows)}\n{', '.join(f'{k}: {v}' for k, v in facts.items())}")


if __name__ == "__main__":
    main()
