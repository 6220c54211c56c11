"""The rule behind `siren.first_omega: auto`: chosen on scikit-image's photographs, measured on others.

    python benchmarks/first_omega.py [--pictures FOLDER] [--size 40] [--steps 100] [--width 32] [--out FILE.json]

Each photograph is taken whole, made small, and as the centre of the full resolution: spectra differ. A random half of
the pixels is fitted, the other half measured, so that noise between the pixels does not pay. First every frequency of a
geometric grid on scikit-image's photographs; the share of the signal's frequency that gives the best mean is printed.
Then `auto`, with the share that the library has, beside fixed frequencies on the pictures of FOLDER.
"""

from __future__ import annotations

import argparse
import json
import time
from math import log
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from PIL import Image
from skimage import data, transform
from torch import Tensor

import metasiren as ms
from metasiren.assembly import first_omega

TUNING = ("camera", "coffee", "astronaut", "chelsea", "brick", "grass", "gravel", "moon")
OMEGAS = tuple(5 * 4 ** (i / 3) for i in range(7))
FIXED = (15.0, 30.0, 60.0)
AT_ONCE = 8


def views(picture: Any, size: int) -> dict[str, Tensor]:
    """The whole square made small, and the centre of the full resolution: (size, size, 1) in [-1, 1]."""
    unit = np.asarray(picture, np.float64) / 255
    grey = unit @ np.array([0.299, 0.587, 0.114]) if unit.ndim == 3 else unit
    side = min(grey.shape)
    square, start = grey[:side, :side], (side - size) // 2
    small = transform.resize(square, (size, size), anti_aliasing=True)
    centre = square[start : start + size, start : start + size]
    return {
        name: torch.tensor(2 * each - 1, dtype=torch.float32)[..., None]
        for name, each in (("whole", small), ("centre", centre))
    }


def held_out_psnr(pictures: Tensor, omegas: list[float], given: argparse.Namespace, seed: int) -> list[float]:
    """PSNR in dB at the pixels that are not fitted, of pictures (n, size, size, 1), each with its own frequency."""
    found: list[float] = []
    coords, draw = ms.grid((given.size, given.size)), torch.Generator().manual_seed(seed)
    order = torch.randperm(len(coords), generator=draw)
    fitted, hidden = order[: len(order) // 2], order[len(order) // 2 :]
    siren = ms.Siren(in_features=2, out_features=1, hidden_features=given.width, hidden_layers=2, first_omega=1.0)
    for first in range(0, len(omegas), AT_ONCE):
        targets = pictures[first : first + AT_ONCE].reshape(-1, len(coords), 1)
        scales = torch.tensor(omegas[first : first + AT_ONCE])
        params = siren.init(1, generator=torch.Generator().manual_seed(seed))
        stacked = {k: v.expand(len(scales), *v.shape[1:]).clone().requires_grad_() for k, v in params.items()}

        def scaled(scales: Tensor = scales, stacked: dict[str, Tensor] = stacked) -> dict[str, Tensor]:
            # sin(omega (W x + b)) with a frequency of its own for every instance.
            own = {
                "0.weight": stacked["0.weight"] * scales[:, None, None],
                "0.bias": stacked["0.bias"] * scales[:, None],
            }
            return {**stacked, **own}

        adam = torch.optim.Adam(stacked.values(), lr=given.rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, given.steps)
        for _ in range(given.steps):
            adam.zero_grad()
            # The sum over instances: each has the gradient that it would have alone.
            (siren(scaled(), coords[fitted]) - targets[:, fitted]).square().mean((1, 2)).sum().backward()
            adam.step()
            schedule.step()
        with torch.no_grad():
            error = (siren(scaled(), coords[hidden]).clamp(-1, 1) - targets[:, hidden]).square().mean((1, 2))
        found += ms.psnr(error).tolist()
    return found


def best_share(curves: list[list[float]], frequencies: list[float]) -> tuple[float, dict[float, float]]:
    """The share with the best mean PSNR, curves being interpolated over the logarithm of omega."""
    grid = [log(omega) for omega in OMEGAS]
    means = {}
    for share in (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.8, 1.0):
        places = [log(share * 3**0.5 * 2 * frequency) for frequency in frequencies]
        means[share] = mean(float(np.interp(x, grid, curve)) for x, curve in zip(places, curves, strict=True))
    return max(means, key=lambda share: means[share]), means


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("size", 40), ("steps", 100), ("width", 32), ("seeds", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rate", type=float, default=3e-3)
    for name in ("pictures", "out"):
        parser.add_argument(f"--{name}", type=Path)
    given = parser.parse_args()
    start = time.process_time()
    tuning = [view for name in TUNING for view in views(getattr(data, name)(), given.size).values()]
    many = torch.stack([view for view in tuning for _ in OMEGAS])
    flat = held_out_psnr(many, list(OMEGAS) * len(tuning), given, 0)
    curves = [flat[i : i + len(OMEGAS)] for i in range(0, len(flat), len(OMEGAS))]
    frequencies = [first_omega.rms_frequency(view) for view in tuning]
    share, means = best_share(curves, frequencies)
    fixed = {omega: mean(curve[i] for curve in curves) for i, omega in enumerate(OMEGAS)}
    oracle = mean(max(curve) for curve in curves)
    print(f"best share {share:g} of {means}; fixed {fixed}; best of each {oracle:.2f} dB", flush=True)
    report: dict[str, Any] = {"share": share, "means": means, "fixed": fixed, "oracle": oracle}
    if given.pictures:
        measured = {
            f"{path.stem} {name}": view
            for path in sorted(given.pictures.iterdir())
            for name, view in views(Image.open(path).convert("RGB"), given.size).items()
        }
        stacked, rows = torch.stack(list(measured.values())), {}
        choices = {"auto": [first_omega.first_omega(view) for view in measured.values()]}
        choices |= {f"{omega:g}": [omega] * len(measured) for omega in FIXED}
        for name, omegas in choices.items():
            runs = [held_out_psnr(stacked, omegas, given, seed) for seed in range(given.seeds)]
            rows[name] = [mean(each) for each in zip(*runs, strict=True)]
            for kind in ("whole", "centre"):
                values = [v for v, key in zip(rows[name], measured, strict=True) if key.endswith(kind)]
                print(f"| {name} | {kind} | {mean(values):.2f} ± {stdev(values):.2f} |", flush=True)
        report |= {"pictures": list(measured), "psnr_db": rows, "auto": choices["auto"]}
        losses = [k for k, a, b in zip(measured, rows["auto"], rows["30"], strict=True) if a < b]
        print(f"auto is below 30 on {len(losses)} of {len(measured)}: {', '.join(losses)}")
    report["processor_seconds"] = time.process_time() - start
    print(f"{report['processor_seconds']:.0f} processor seconds")
    if given.out:
        given.out.write_text(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
