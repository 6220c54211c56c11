"""Rivals of SIREN on photographs, under one rule for all and under published settings: what docs/rivals.md quotes.

    python benchmarks/rivals.py --tune RATES.json                       # on scikit-image's astronaut
    python benchmarks/rivals.py --rates RATES.json --files PICTURE...   # the rule
    python benchmarks/rivals.py --published --files PICTURE...          # published settings
    python benchmarks/rivals.py --rates RATES.json --picture OUT.png    # value, gradient, Laplacian

The rule: every network has the same features, layers, steps and Adam with a cosine schedule. Its rate and its scale
(omega, or what stands for it) are searched on one photograph with seed 0: from a first guess, twice and half of either
are tried and the best is moved to, until none is better or 40 pairs are tried, for every network alike. They are then
used, unchanged, on all pictures. Pictures are centre squares in colour, made small: 64 x 64 pixels and three hidden
layers of 32 features have as many values for each weight, four, as published settings have.

Published settings: the picture at its own size, three hidden layers of 256 features, Adam at 1e-4 throughout, the scale
that the authors of a network give. On a GPU 5,000 steps on all pixels; a CPU takes 1,000 steps of 4,096 random pixels.
--authors takes the rates that FINER's authors give for each network, which fall to a tenth.

Without --files there are scikit-image's coffee and chelsea. What --out already holds is not fitted again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from math import cos, inf, isfinite, pi
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from PIL import Image
from skimage import data, transform
from torch import Tensor

import metasiren as ms
from metasiren.assembly.first_omega import first_omega
from metasiren.engine.allocation import keep_freed_memory
from metasiren_rivals.bells import FinerPlusPlus, Gaussian, Wire
from metasiren_rivals.fourier import FourierFeatures
from metasiren_rivals.multiplicative import BandLimitedMfn, FourierMfn, GaborMfn, Identity
from metasiren_rivals.periodic import Finer, Sinc

RATE, TRIALS = 4e-3, 40
SMALL = {"size": 64, "width": 32, "steps": 300, "points": 0}
PUBLISHED = {"cpu": {"steps": 1000, "points": 4096}, "cuda": {"steps": 5000, "points": 0}}
PLANE = ms.Domain(2, 3)


@dataclass(frozen=True)
class Rival:
    """A kind of network.

    Attributes:
        name: as tables print it.
        guess: the scale from which the search begins; None if only the rate is searched.
        published: the scale under published settings; None if it has no part in them.
        rate: of FINER's authors for photographs; None if they give none.
        options: of `ms.Siren`, from the scale, the features and the picture (rows, columns, 3).
    """

    name: str
    guess: float | None
    published: float | None
    rate: float | None
    options: Callable[[float, int, Tensor], dict[str, Any]]


def products(layer: Callable[..., Any], scale: str, whole: bool = False) -> Callable[..., dict[str, Any]]:
    """A multiplicative filter network of four filters; its last layer is the product of two matrices."""

    def made(value: float, width: int, picture: Tensor) -> dict[str, Any]:
        own = layer(PLANE, width=width, filters=4, **{scale: int(value) if whole else value})
        return {"nonlinearity": Identity(), "hidden_features": 3, "hidden_layers": 0, "input_layer": own}

    return made


def finer_pp(scale: float, width: int, picture: Tensor) -> dict[str, Any]:
    return {"nonlinearity": FinerPlusPlus(omega=scale, scale=3)}


def fourier(scale: float, width: int, picture: Tensor) -> dict[str, Any]:
    return {"nonlinearity": "relu", "input_layer": FourierFeatures(PLANE, frequencies=width, sigma=scale)}


RIVALS = (
    Rival("sine", 30, 30, 5e-4, lambda s, w, p: {"first_omega": s}),
    Rival("sine, first_omega auto", None, 1, 5e-4, lambda s, w, p: {"first_omega": first_omega(p)}),
    Rival("finer", 15, 30, 5e-4, lambda s, w, p: {"nonlinearity": Finer(omega=s)}),
    Rival("finer_pp", 4, None, None, finer_pp),
    Rival("gaussian", 8, 30, 5e-3, lambda s, w, p: {"nonlinearity": Gaussian(scale=s)}),
    Rival("sinc", 15, None, None, lambda s, w, p: {"nonlinearity": Sinc(omega=s)}),
    Rival("wire (real)", 10, 20, 5e-3, lambda s, w, p: {"nonlinearity": Wire(omega=s, scale=s / 2)}),
    Rival("fourier_mfn", 64, 128, None, products(FourierMfn, "omega")),
    Rival("gabor_mfn", 64, 128, None, products(GaborMfn, "omega")),
    Rival("band_limited_mfn", 32, 256, None, products(BandLimitedMfn, "band", whole=True)),
    Rival("relu, fourier features", 2, 5, None, fourier),
)


@dataclass(frozen=True)
class Training:
    """How one network is fitted.

    Attributes:
        scale: of the network.
        rate: of Adam at the start.
        width: features of every layer.
        steps: of Adam.
        points: random pixels of each step; 0 for all.
        schedule: `cosine` to zero, `tenth` for an exponential fall to a tenth, or `constant`.
    """

    scale: float
    rate: float
    width: int
    steps: int
    points: int
    schedule: str = "cosine"

    def factor(self, step: int) -> float:
        """What multiplies the rate in a step."""
        share = step / self.steps
        return {"cosine": (1 + cos(pi * share)) / 2, "tenth": 0.1**share, "constant": 1.0}[self.schedule]


def photograph(image: Any, size: int) -> Tensor:
    """(rows, columns, 3) in [-1, 1]: its own size, or the centre square made small."""
    unit = np.asarray(image, np.float64) / 255
    if size:
        side = min(unit.shape[:2])
        top, left = ((n - side) // 2 for n in unit.shape[:2])
        unit = transform.resize(unit[top : top + side, left : left + side], (size, size), anti_aliasing=True)
    return torch.tensor(2 * unit - 1, dtype=torch.float32)


def fit(rival: Rival, training: Training, picture: Tensor, seed: int) -> ms.Field:
    """The field after the last step."""
    shared = {"in_features": 2, "out_features": 3, "hidden_features": training.width, "hidden_layers": 3}
    siren = ms.Siren(**{**shared, **rival.options(training.scale, training.width, picture.cpu())})
    draw = torch.Generator().manual_seed(seed)
    weights = {k: p.to(picture.device).requires_grad_() for k, p in siren.init(generator=draw).items()}
    coords, target = points_of(picture)
    adam = torch.optim.Adam(weights.values(), lr=training.rate, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(adam, training.factor)
    for _ in range(training.steps):
        chosen = torch.randint(len(target), (training.points,), generator=draw).to(target.device)
        some = (coords[chosen], target[chosen]) if training.points else (coords, target)
        adam.zero_grad()
        (siren(weights, some[0]) - some[1]).square().mean().backward()
        adam.step()
        schedule.step()
    return ms.Field(siren, {k: p.detach() for k, p in weights.items()}, single=True)


def points_of(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Coordinates (pixels, 2) and colours (pixels, 3)."""
    return ms.grid(picture.shape[:2]).to(picture.device), picture.reshape(-1, 3)


@torch.no_grad()
def quality(field: ms.Field, picture: Tensor) -> float:
    """PSNR in dB, of all pixels."""
    coords, target = points_of(picture)
    blocks = zip(coords.split(2**15), target.split(2**15), strict=True)
    total = sum(float((field(x) - y).double().square().sum()) for x, y in blocks)
    return float(ms.psnr(total / target.numel()) or float("nan"))


Pair = tuple[float, float]


def search(rival: Rival, picture: Tensor, given: argparse.Namespace) -> tuple[Pair, dict[Pair, float], bool]:
    """The best (scale, rate), every pair tried with its PSNR, and whether the search ended by itself."""
    tried: dict[Pair, float] = {}

    def score(pair: Pair) -> float:
        if pair not in tried:
            found = quality(fit(rival, Training(*pair, given.width, given.steps, given.points), picture, 0), picture)
            tried[pair] = found if isfinite(found) else -inf
        return tried[pair]

    best = (float(rival.guess or 1), RATE)
    score(best)
    while True:
        scale, rate = best
        near = [(scale, 2 * rate), (scale, rate / 2)]
        near += [(2 * scale, rate), (scale / 2, rate)] if rival.guess else []
        for pair in near:
            if pair not in tried and len(tried) == TRIALS:
                return max(tried, key=lambda p: tried[p]), tried, False
            score(pair)
        if (found := max(tried, key=lambda p: tried[p])) == best:
            return best, tried, True
        best = found


def tune(rivals: list[Rival], given: argparse.Namespace) -> None:
    """Search every network's scale and rate; one line each, and the file of rates."""
    rows = json.loads(given.tune.read_text()) if given.tune.exists() else []
    picture = photograph(data.astronaut(), given.size).to(given.device)
    for rival in rivals:
        if any(row["rival"] == rival.name for row in rows):
            continue
        start = time.process_time()
        (scale, rate), tried, ended = search(rival, picture, given)
        spent, best = time.process_time() - start, tried[scale, rate]
        rows.append({
            "rival": rival.name, "scale": scale, "rate": rate, "trials": len(tried), "ended": ended, "db": best,
            "seconds": spent, "tried": [[*pair, db] for pair, db in tried.items()],
        })  # fmt: skip
        given.tune.write_text(json.dumps(rows, indent=1))
        count = f"{len(tried)}{'' if ended else ' (cut off)'}"
        print(f"| {rival.name} | {scale:g} | {rate:g} | {count} | {best:.2f} | {spent:.0f} s |", flush=True)


def trainings(rivals: list[Rival], given: argparse.Namespace) -> Iterable[tuple[Rival, Training]]:
    """How each network is fitted under what was asked for."""
    budget = (given.width, given.steps, given.points)
    if given.rates:
        rows = {row["rival"]: row for row in json.loads(given.rates.read_text())}
        return [(r, Training(rows[r.name]["scale"], rows[r.name]["rate"], *budget)) for r in rivals if r.name in rows]
    if given.authors:
        known = [(r, r.published, r.rate) for r in rivals if r.published and r.rate]
        return [(r, Training(scale, rate, *budget, "tenth")) for r, scale, rate in known]
    return [(r, Training(r.published, 1e-4, *budget, "constant")) for r in rivals if r.published]


def measure(rivals: list[Rival], given: argparse.Namespace) -> None:
    """Every network on every picture; one line each, with the mean and the standard deviation over pictures."""
    if given.files:
        pictures = {
            f"{path.parent.name}/{path.stem}": np.asarray(Image.open(path).convert("RGB")) for path in given.files
        }
    else:
        pictures = {name: getattr(data, name)() for name in ("coffee", "chelsea")}
    rows = json.loads(given.out.read_text()) if given.out and given.out.exists() else []
    for rival, training in trainings(rivals, given):
        found, spent = [], []
        for name, image in pictures.items():
            for seed in range(given.seeds):
                key = {"rival": rival.name, "picture": name, "seed": seed, "size": given.size, **asdict(training)}
                row = next((row for row in rows if key.items() <= row.items()), None)
                if row is None:
                    picture, start = photograph(image, given.size).to(given.device), clock(given)
                    field = fit(rival, training, picture, seed)
                    seconds = clock(given) - start
                    row = {**key, "db": quality(field, picture), "seconds": seconds}
                    rows.append(row)
                    if given.out:
                        given.out.write_text(json.dumps(rows, indent=1))
                found.append(row["db"])
                spent.append(row["seconds"])
        spread = stdev(found) if len(found) > 1 else 0.0
        cells = f"{training.scale:g} | {training.rate:g} | {mean(found):.2f} ± {spread:.2f} | {mean(spent):.1f}"
        print(f"| {rival.name} | {cells} |", flush=True)


def clock(given: argparse.Namespace) -> float:
    """Seconds: of the processor, or by the clock on a GPU."""
    if given.device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def draw(rivals: list[Rival], given: argparse.Namespace) -> None:
    """Value, size of the gradient and Laplacian of every network's luminance, each beside the picture's differences."""
    plt = ms.load_extra("matplotlib.pyplot", extra="plots", where="benchmarks/rivals.py")
    image = np.asarray(Image.open(given.files[0]).convert("RGB")) if given.files else data.coffee()
    picture = photograph(image, given.size)
    side, step = given.size, 2 / (given.size - 1)
    grey = picture.mean(-1)
    down, right = torch.gradient(grey, spacing=step)
    laplacian = torch.gradient(down, spacing=step, dim=0)[0] + torch.gradient(right, spacing=step, dim=1)[0]
    columns = [("photograph, differences", (grey, (down.square() + right.square()).sqrt(), laplacian))]
    limits = [(-1.0, 1.0), (0.0, float(columns[0][1][1].quantile(0.99)))]
    limits.append((-float(laplacian.abs().quantile(0.99)), float(laplacian.abs().quantile(0.99))))
    for rival, training in trainings(rivals, given):
        field = fit(rival, training, picture, 0)
        jet = field.jet(points_of(picture)[0], "laplacian")
        made = (jet.value.mean(-1), jet.gradient.mean(-2).norm(dim=-1), jet.laplacian.mean(-1))
        columns.append((f"{rival.name}\n{quality(field, picture):.1f} dB", tuple(m.reshape(side, side) for m in made)))
    figure, axes = plt.subplots(3, len(columns), figsize=(1.7 * len(columns), 5.5), layout="constrained")
    for column, (name, pictures) in enumerate(columns):
        for place, each, (low, high) in zip(axes[:, column], pictures, limits, strict=True):
            place.imshow(each, cmap="gray", vmin=low, vmax=high)
            place.set_axis_off()
        axes[0, column].set_title(name, fontsize=8)
    figure.savefig(given.picture, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("tune", "rates", "out", "picture"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--published", action="store_true")
    parser.add_argument("--authors", action="store_true")
    parser.add_argument("--files", type=Path, nargs="+")
    for name in ("size", "width", "steps", "points"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", action="append", help="a network; may be given again")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    full = given.published or given.authors
    defaults = {"size": 0, "width": 256, **PUBLISHED[given.device.split(":")[0]]} if full else SMALL
    for name, value in defaults.items():
        if getattr(given, name) is None:
            setattr(given, name, value)
    torch.set_num_threads(1)
    keep_freed_memory()
    rivals = [rival for rival in RIVALS if not given.only or rival.name in given.only]
    if given.tune:
        tune(rivals, given)
    elif given.picture:
        draw(rivals, given)
    elif given.rates or full:
        measure(rivals, given)
    else:
        parser.error("give --tune, --rates or --published")


if __name__ == "__main__":
    main()
