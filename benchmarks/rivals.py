"""Rivals of SIREN on one photograph, each with the rate and the scale that suit it: what docs/rivals.md quotes.

    python benchmarks/rivals.py [--size 64] [--steps 100] [--width 32] [--seeds 2] [--out FILE.json]

The rule: every rival has the same steps, width, depth and Adam with a cosine schedule. Its rate and its scale (omega,
or what stands for it) are the best of a grid of 3 x 3 on one photograph (scikit-image's camera), and are then used,
unchanged, on another (scikit-image's coffee, in grey) with each seed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from skimage import color, data, transform
from torch import Tensor

import metasiren as ms
from metasiren_rivals.bells import FinerPlusPlus, Gaussian, Wire
from metasiren_rivals.fourier import FourierFeatures
from metasiren_rivals.periodic import Finer, Sinc

RATES = (5e-4, 2e-3, 8e-3)


@dataclass(frozen=True)
class Rival:
    """A kind of network, by its one scale."""

    name: str
    scales: tuple[float, ...]
    options: Callable[[float], dict[str, Any]]


def fourier(sigma: float) -> dict[str, Any]:
    return {"nonlinearity": "relu", "input_layer": FourierFeatures(ms.Domain(2, 1), frequencies=32, sigma=sigma)}


RIVALS = (
    Rival("sine", (10, 20, 30), lambda s: {"first_omega": s, "hidden_omega": 30.0}),
    Rival("finer", (5, 10, 30), lambda s: {"nonlinearity": Finer(omega=s)}),
    Rival("finer_pp", (2, 5, 10), lambda s: {"nonlinearity": FinerPlusPlus(omega=s)}),
    Rival("gaussian", (3, 6, 12), lambda s: {"nonlinearity": Gaussian(scale=s)}),
    Rival("sinc", (5, 10, 20), lambda s: {"nonlinearity": Sinc(omega=s)}),
    Rival("wire (real)", (5, 10, 20), lambda s: {"nonlinearity": Wire(omega=s, scale=s / 2)}),
    Rival("relu, fourier features", (1, 2, 4), fourier),
)


def photograph(image: Any, size: int) -> Tensor:
    grey = color.rgb2gray(image) if image.ndim == 3 else image / 255
    side = min(grey.shape)
    square = grey[:side, :side]
    small = transform.resize(square, (size, size), anti_aliasing=True)
    return torch.tensor(small, dtype=torch.float32).reshape(1, -1, 1) * 2 - 1


def fit(rival: Rival, scale: float, rate: float, target: Tensor, coords: Tensor, given: Any, seed: int) -> float:
    """PSNR in dB after the last step."""
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
    with torch.no_grad():
        return float(ms.psnr((siren(weights, coords) - target).square().mean()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("size", 64), ("steps", 100), ("width", 32), ("seeds", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    coords = ms.grid((given.size, given.size))[None]
    tuning, judged = photograph(data.camera(), given.size), photograph(data.coffee(), given.size)
    rows = []
    for rival in RIVALS:
        start = time.process_time()
        tried = {(s, r): fit(rival, s, r, tuning, coords, given, 0) for s, r in product(rival.scales, RATES)}
        scale, rate = max(tried, key=lambda key: tried[key])
        found = [fit(rival, scale, rate, judged, coords, given, seed) for seed in range(given.seeds)]
        spread = stdev(found) if len(found) > 1 else 0.0
        edge = " (at the grid's edge)" if scale in (rival.scales[0], rival.scales[-1]) or rate in RATES[::2] else ""
        seconds = time.process_time() - start
        rows.append({
            "rival": rival.name, "scale": scale, "rate": rate, "edge": bool(edge), "tuning_db": tried[scale, rate],
            "psnr_db": mean(found), "stdev": spread, "seconds_all": seconds,
        })  # fmt: skip
        print(f"| {rival.name} | {scale:g} | {rate:g}{edge} | {mean(found):.2f} ± {spread:.2f} |", flush=True)
    if given.out:
        given.out.write_text(
            json.dumps({"options": {k: str(v) for k, v in vars(given).items()}, "rows": rows}, indent=2)
        )


if __name__ == "__main__":
    main()
