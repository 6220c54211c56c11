"""Rivals of SIREN on one photograph, each with the rate and the scale that suit it: what docs/rivals.md quotes.

    python benchmarks/rivals.py [--size 64] [--steps 100] [--width 32] [--seeds 2] [--out FILE.json]
    python benchmarks/rivals.py --read FILE.json --picture FILE.png [the same options]
    python benchmarks/rivals.py --read FILE.json --files PICTURE... [--size 96] [--steps 300] [--width 64]

The rule: every rival has the same steps, width, depth and Adam with a cosine schedule. Its rate and its scale (omega,
or what stands for it) are searched on one photograph (scikit-image's camera): from a first guess, twice and half of
either are tried and the best is moved to, until none is better or 16 pairs are tried, for every rival alike. They are
then used, unchanged, on another photograph (scikit-image's coffee, in grey) with each seed. With `--files` those of
FILE are used on other pictures, whose squares at the upper left are made small and grey.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from PIL import Image
from skimage import color, data, transform
from torch import Tensor

import metasiren as ms
from metasiren_rivals.bells import FinerPlusPlus, Gaussian, Wire
from metasiren_rivals.fourier import FourierFeatures
from metasiren_rivals.periodic import Finer, Sinc

RATE, TRIALS = 4e-3, 16


@dataclass(frozen=True)
class Rival:
    """A kind of network, by its one scale."""

    name: str
    scale: float
    options: Callable[[float], dict[str, Any]]


def fourier(sigma: float) -> dict[str, Any]:
    return {"nonlinearity": "relu", "input_layer": FourierFeatures(ms.Domain(2, 1), frequencies=32, sigma=sigma)}


RIVALS = (
    Rival("sine", 30, lambda s: {"first_omega": s, "hidden_omega": 30.0}),
    Rival("finer", 15, lambda s: {"nonlinearity": Finer(omega=s)}),
    Rival("finer_pp", 4, lambda s: {"nonlinearity": FinerPlusPlus(omega=s)}),
    Rival("gaussian", 8, lambda s: {"nonlinearity": Gaussian(scale=s)}),
    Rival("sinc", 15, lambda s: {"nonlinearity": Sinc(omega=s)}),
    Rival("wire (real)", 10, lambda s: {"nonlinearity": Wire(omega=s, scale=s / 2)}),
    Rival("relu, fourier features", 2, fourier),
)


def photograph(image: Any, size: int) -> Tensor:
    grey = color.rgb2gray(image) if image.ndim == 3 else image / 255
    side = min(grey.shape)
    square = grey[:side, :side]
    small = transform.resize(square, (size, size), anti_aliasing=True)
    return torch.tensor(small, dtype=torch.float32).reshape(1, -1, 1) * 2 - 1


def fit(rival: Rival, scale: float, rate: float, target: Tensor, coords: Tensor, given: Any, seed: int) -> ms.Field:
    """The field after the last step."""
    siren = ms.Siren(
        in_features=2, out_features=1, hidden_features=given.width, hidden_layers=2, **rival.options(scale)
    )
    params = siren.init(generator=torch.Generator().manual_seed(seed))
    weights = {name: p.requires_grad_() for name, p in params.items()}
    adam = torch.optim.Adam(weights.values(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, given.steps)
    for _ in range(given.steps):
        adam.zero_grad()
        (siren(weights, coords) - target).square().mean().backward()
        adam.step()
        schedule.step()
    return ms.Field(siren, {name: p.detach() for name, p in weights.items()})


def quality(field: ms.Field, target: Tensor, coords: Tensor) -> float:
    """PSNR in dB."""
    return float(ms.psnr((field(coords) - target).square().mean()))


Pair = tuple[float, float]


def search(rival: Rival, target: Tensor, coords: Tensor, given: Any) -> tuple[Pair, dict[Pair, float], bool]:
    """The best (scale, rate), every pair tried with its PSNR, and whether the search ended by itself."""
    tried: dict[Pair, float] = {}

    def score(pair: Pair) -> float:
        if pair not in tried:
            tried[pair] = quality(fit(rival, *pair, target, coords, given, 0), target, coords)
        return tried[pair]

    best = (float(rival.scale), RATE)
    score(best)
    while True:
        scale, rate = best
        for pair in ((scale, 2 * rate), (scale, rate / 2), (2 * scale, rate), (scale / 2, rate)):
            if pair not in tried and len(tried) == TRIALS:
                return max(tried, key=lambda p: tried[p]), tried, False
            score(pair)
        if (found := max(tried, key=lambda p: tried[p])) == best:
            return best, tried, True
        best = found


def draw(rows: list[dict[str, Any]], target: Tensor, coords: Tensor, given: Any) -> None:
    """Value, size of the gradient and Laplacian of every rival, each scaled by the photograph's own differences."""
    plt = ms.load_extra("matplotlib.pyplot", extra="plots", where="benchmarks/rivals.py")
    side, step = given.size, 2 / (given.size - 1)
    image = target.reshape(side, side)
    down, right = torch.gradient(image, spacing=step)
    laplacian = torch.gradient(down, spacing=step, dim=0)[0] + torch.gradient(right, spacing=step, dim=1)[0]
    truth = (image, (down.square() + right.square()).sqrt(), laplacian)
    limits = [(-1.0, 1.0), (0.0, float(truth[1].quantile(0.99))), (-float(truth[2].abs().quantile(0.99)),) * 2]
    limits[2] = (limits[2][0], -limits[2][0])
    columns = [("photograph, differences", truth)]
    for rival, row in zip(RIVALS, rows, strict=True):
        jet = fit(rival, row["scale"], row["rate"], target, coords, given, 0).jet(coords, "laplacian")
        found = (jet.value, jet.gradient.norm(dim=-1), jet.laplacian)
        columns.append((rival.name, tuple(each.detach().reshape(side, side) for each in found)))
    figure, axes = plt.subplots(3, len(columns), figsize=(1.7 * len(columns), 5.4), layout="constrained")
    for column, (name, pictures) in enumerate(columns):
        for place, picture, (low, high) in zip(axes[:, column], pictures, limits, strict=True):
            place.imshow(picture, cmap="gray", vmin=low, vmax=high)
            place.set_axis_off()
        axes[0, column].set_title(name, fontsize=8)
    figure.savefig(given.picture, dpi=110)


def measure(rows: list[dict[str, Any]], coords: Tensor, given: argparse.Namespace) -> None:
    """Every rival on every picture, with the rates and scales of `rows`; one line each, and the means."""
    targets = {path.stem: photograph(np.asarray(Image.open(path).convert("RGB")), given.size) for path in given.files}
    print(f"| network | {' | '.join(targets)} | mean | s |", flush=True)
    report = []
    for rival, row in zip(RIVALS, rows, strict=True):
        start, found = time.process_time(), []
        for target in targets.values():
            fields = [fit(rival, row["scale"], row["rate"], target, coords, given, seed) for seed in range(given.seeds)]
            found.append(mean(quality(field, target, coords) for field in fields))
        seconds = (time.process_time() - start) / len(targets) / given.seeds
        report.append({"rival": rival.name, "psnr_db": dict(zip(targets, found, strict=True)), "seconds": seconds})
        cells = " | ".join(f"{each:.2f}" for each in [*found, mean(found)])
        print(f"| {rival.name} | {cells} | {seconds:.1f} |", flush=True)
    if given.out:
        given.out.write_text(json.dumps(report, indent=2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("size", 64), ("steps", 100), ("width", 32), ("seeds", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name in ("out", "read", "picture"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--files", type=Path, nargs="+")
    given = parser.parse_args()
    coords = ms.grid((given.size, given.size))[None]
    if given.files:
        measure(json.loads(given.read.read_text())["rows"], coords, given)
        return
    tuning, measured = photograph(data.camera(), given.size), photograph(data.coffee(), given.size)
    if given.read:
        draw(json.loads(given.read.read_text())["rows"], measured, coords, given)
        return
    rows = []
    for rival in RIVALS:
        start = time.process_time()
        (scale, rate), tried, ended = search(rival, tuning, coords, given)
        fields = [fit(rival, scale, rate, measured, coords, given, seed) for seed in range(given.seeds)]
        found = [quality(field, measured, coords) for field in fields]
        spread = stdev(found) if len(found) > 1 else 0.0
        seconds = time.process_time() - start
        rows.append({
            "rival": rival.name, "scale": scale, "rate": rate, "trials": len(tried), "ended": ended,
            "tuning_db": tried[scale, rate],
            "psnr_db": mean(found), "stdev": spread, "seconds_all": seconds,
        })  # fmt: skip
        count = f"{len(tried)}{'' if ended else ' (cut off)'}"
        print(f"| {rival.name} | {scale:g} | {rate:g} | {count} | {mean(found):.2f} ± {spread:.2f} |", flush=True)
    if given.out:
        given.out.write_text(
            json.dumps({"options": {k: str(v) for k, v in vars(given).items()}, "rows": rows}, indent=2)
        )


if __name__ == "__main__":
    main()
