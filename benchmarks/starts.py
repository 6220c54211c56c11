"""Weights that begin with noise: what they are worth on photographs that they have not seen.

    python benchmarks/starts.py --pictures FOLDER [--count 6] [--size 64] [--width 64] [--steps 300]

One network with ten channels is fitted to ten pictures of noise (uniform, or with the spectrum 1/f of photographs).
Its layers but the last begin the fit of each photograph, beside a network as it is drawn: with the last layer solved by
least squares and all others frozen, and with all layers trained by Adam. PSNR is the mean over pictures, in dB.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import torch
from PIL import Image
from skimage import transform
from torch import Tensor

import metasiren as ms
from metasiren_images.single.noise import NoisePictures

Weights = dict[str, Tensor]


def adam(siren: ms.Siren, params: Weights, coords: Tensor, target: Tensor, steps: int, rate: float) -> Weights:
    """Params after so many steps on all points; instances do not affect one another."""
    weights = {name: p.clone().requires_grad_() for name, p in params.items()}
    optimizer = torch.optim.Adam(weights.values(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        (siren(weights, coords) - target).square().mean((1, 2)).sum().backward()
        optimizer.step()
        schedule.step()
    return {name: p.detach() for name, p in weights.items()}


def solved(siren: ms.Siren, params: Weights, coords: Tensor, target: Tensor) -> list[float]:
    """PSNR of each instance with its last layer solved by least squares in float64."""
    x = coords.double().unsqueeze(0)
    for layer in siren.layers[:-1]:
        weight, bias = params[layer.weight].double(), params[layer.bias].double()
        x = torch.sin(layer.omega * (x @ weight.transpose(1, 2) + bias.unsqueeze(1)))
    x = torch.cat([x, torch.ones_like(x[..., :1])], -1).expand(len(target), -1, -1)
    found = x @ torch.linalg.lstsq(x, target.double()).solution
    return quality(found, target)


def quality(found: Tensor, target: Tensor) -> list[float]:
    """PSNR of each instance."""
    made: list[float] = ms.psnr((found.clamp(-1, 1) - target).square().mean((1, 2))).tolist()
    return made


def said(values: list[float]) -> str:
    return f"{mean(values):.2f} ± {stdev(values):.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("count", 6), ("size", 64), ("width", 64), ("steps", 300), ("noise_steps", 500)):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    parser.add_argument("--rates", type=float, nargs="+", default=(1e-3, 3e-3))
    parser.add_argument("--pictures", type=Path, required=True)
    given = parser.parse_args()
    coords, targets = ms.grid((given.size, given.size)), []
    for path in sorted(given.pictures.iterdir())[: given.count]:
        grey = np.asarray(Image.open(path).convert("L"), np.float64) / 255
        side = min(grey.shape)
        small = transform.resize(grey[:side, :side], (given.size, given.size), anti_aliasing=True)
        targets.append(torch.tensor(2 * small - 1, dtype=torch.float32).reshape(-1, 1))
    target = torch.stack(targets)
    options = {"in_features": 2, "hidden_features": given.width, "hidden_layers": 2}
    siren = ms.Siren(out_features=1, **options)
    starts = {"drawn": siren.init(generator=torch.Generator().manual_seed(0))}
    for kind in ("uniform", "pink"):
        start, data = time.process_time(), NoisePictures(kind=kind, size=given.size)
        noise = data.batch("test", torch.zeros(1, dtype=torch.long)).points["pixels"].values
        many = ms.Siren(out_features=10, **options)
        drawn = many.init(generator=torch.Generator().manual_seed(0))
        made = adam(many, drawn, coords, noise, given.noise_steps, 1e-3)
        reached = quality(many(made, coords), noise)[0]
        print(f"{kind}: {reached:.2f} dB on the noise, {time.process_time() - start:.0f} processor seconds", flush=True)
        last = siren.layers[-1]
        starts[kind] = {k: starts["drawn"][k] if k in (last.weight, last.bias) else made[k] for k in starts["drawn"]}
    print(f"| start | last layer solved | {' | '.join(f'Adam {rate:g}' for rate in given.rates)} |")
    for name, params in starts.items():
        stacked = {k: v.expand(len(target), *v.shape[1:]) for k, v in params.items()}
        cells = [said(solved(siren, params, coords, target))]
        for rate in given.rates:
            fitted = adam(siren, stacked, coords, target, given.steps, rate)
            cells.append(said(quality(siren(fitted, coords), target)))
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
