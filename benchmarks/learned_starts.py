"""Learned starts: what weights that saw other pictures are worth to pictures that they have not seen.

    python benchmarks/learned_starts.py                                       # sketch faces
    python benchmarks/learned_starts.py --train FACES.npz --test FACES.npz    # its splits train, and test or val
    python benchmarks/learned_starts.py --train FOLDER --test OTHER --size 64
    python benchmarks/learned_starts.py --tune META.json [--train ... --test ...]    # then --meta META.json

Each start comes from its shipped recipe, by the ordinary trainer: `noise_start` (ten pictures of noise), `trunk_start`
(ten training pictures whose networks share all layers but the last) and `meta_start` (Reptile over all training
pictures, or with --maml first-order MAML too). Its weights then begin the fit of every test picture, by Adam at a
constant rate on all pixels, in turns with the others; so do drawn weights. A start has the rate, of three, that is best
after 100 steps on the first test pictures with the first seed. The table is of the others: PSNR in dB, the mean over
pictures and its standard deviation over seeds (of the start and of the last layer).

`--tune` searches the outer and the inner rate of Reptile and MAML by one rule: from 3e-4 and 3e-2, thrice and a third
of either are tried and the best is moved to, until none is better or 12 pairs are tried. A pair's score is the PSNR of
the first test pictures after 100 steps, at the best of the three rates, with the first seed. `--meta` uses what was
found.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from torch import Tensor

import metasiren as ms
from metasiren_fields.zoo import fit_from
from metasiren_priors.data.imageset import to_values
from metasiren_priors.data.own_pictures import open_pictures
from metasiren_priors.data.sketch_faces import draw_faces

RATES, STEPS, TUNED_AT = (1e-3, 3e-3, 1e-2), (50, 100, 300, 1000), 100
LEARNED = {
    "noise": ("noise_start", {"train.steps": 500}),
    "shared trunk": ("trunk_start", {"train.steps": 2000}),
    "Reptile": ("meta_start", {"train.optimizer.method": "reptile"}),
    "MAML": ("meta_start", {"train.optimizer": {"name": "meta_adam", "lr": 1e-4, "method": "maml", "inner_lr": 1e-2}}),
}
GUESS, FACTOR, TRIALS = (3e-4, 3e-2), 3, 12
Weights = dict[str, Tensor]


def learn(
    name: str, given: argparse.Namespace, seed: int, folder: Path, rates: tuple[float, float] | None = None
) -> Weights:
    """The weights of a start, trained by its recipe; `rates` are the outer and the inner one of MAML and Reptile."""
    recipe, own = LEARNED[name]
    changes: dict[str, Any] = {"train.seed": seed, "siren.hidden_features": given.width, "siren.hidden_layers": 2}
    changes |= {"evaluate.protocol": None, "train.log_every": 10**9, **own}
    if recipe == "meta_start":
        changes |= {"train.steps": given.meta_steps, "data.size": given.size}
        if given.train:
            changes["data"] = {"name": "faces", "path": str(given.train), "size": given.size}
    elif recipe == "trunk_start":
        changes |= {"data.size": given.size} | ({"data.path": str(given.train)} if given.train else {})
    else:
        changes |= {"data.size": given.size, "data.seed": seed}
    if recipe == "meta_start" and rates:
        changes["train.optimizer"] = {
            "name": "meta_adam", "method": name.lower(), "lr": rates[0], "inner_lr": rates[1],
        }  # fmt: skip
    made = ms.run(
        ms.load_recipe(recipe, preset="quick", overrides=changes),
        Path(tempfile.mkdtemp(dir=folder)) / recipe, device="cpu",
    )  # fmt: skip
    return dict(made.field().params)


def begun(siren: ms.Siren, learned: Weights, drawn: Weights) -> Weights:
    """The learned weights; a last layer of other channels is drawn."""
    fits = {name: name in learned and learned[name].shape == p.shape for name, p in drawn.items()}
    return {name: learned[name] if fits[name] else p for name, p in drawn.items()}


def reached(siren: ms.Siren, weights: Weights, coords: Tensor, target: Tensor) -> dict[float, float]:
    """The mean PSNR after `TUNED_AT` steps at each rate of `RATES`."""
    tried = {rate: fit_from(siren, weights, coords, target, steps=[TUNED_AT], lr=rate) for rate in RATES}
    return {rate: mean(ms.psnr(each.marked[0]).tolist()) for rate, each in tried.items()}


def tune(siren: ms.Siren, coords: Tensor, target: Tensor, given: argparse.Namespace, folder: Path) -> None:
    """Search the rates of Reptile and MAML; what the file holds already is not trained again."""
    rows = json.loads(given.tune.read_text()) if given.tune.exists() else []
    drawn = siren.init(generator=torch.Generator().manual_seed(0))
    for name in ("Reptile", "MAML"):
        tried = {(row["lr"], row["inner_lr"]): row["db"] for row in rows if row["start"] == name}

        def score(pair: tuple[float, float], name: str = name, tried: dict[Any, float] = tried) -> None:
            if pair in tried or len(tried) == TRIALS:
                return
            start = time.process_time()
            try:
                weights = begun(siren, learn(name, given, 0, folder, pair), drawn)
                found = max(reached(siren, weights, coords, target).values())
            except ms.TrainingError:  # diverged
                found = 0.0
            tried[pair] = found
            rows.append({"start": name, "lr": pair[0], "inner_lr": pair[1], "db": found})
            given.tune.write_text(json.dumps(rows, indent=1))
            spent = time.process_time() - start
            print(f"{name}: {pair[0]:g}, {pair[1]:g}: {found:.2f} dB, {spent:.0f} processor seconds", flush=True)

        best = GUESS
        score(best)
        while True:
            lr, inner = best
            for pair in ((lr * FACTOR, inner), (lr / FACTOR, inner), (lr, inner * FACTOR), (lr, inner / FACTOR)):
                score((float(f"{pair[0]:.3g}"), float(f"{pair[1]:.3g}")))
            if (found := max(tried, key=lambda pair: tried[pair])) == best or len(tried) == TRIALS:
                break
            best = found
        print(f"{name}: best {found}, {len(tried)} pairs tried", flush=True)


def found_rates(path: Path | None) -> dict[str, tuple[float, float]]:
    """The best outer and inner rate of each method in a file of `tune`."""
    rows = json.loads(path.read_text()) if path else []
    best = {
        name: max((r for r in rows if r["start"] == name), key=lambda r: r["db"]) for name in {r["start"] for r in rows}
    }
    return {name: (row["lr"], row["inner_lr"]) for name, row in best.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("--size", 32), ("--width", 32), ("--items", 4), ("--seeds", 3), ("--meta-steps", 400)):
        parser.add_argument(name, type=int, default=default)
    parser.add_argument("--train", type=Path, help="a folder of pictures or an .npz file")
    parser.add_argument("--test", type=Path, help="likewise; of splits, test or else val")
    parser.add_argument("--maml", action="store_true", help="with first-order MAML")
    parser.add_argument("--tune", type=Path, help="search the rates of Reptile and MAML, and write them here")
    parser.add_argument("--meta", type=Path, help="the file that --tune wrote")
    given = parser.parse_args()
    torch.set_num_threads(1)
    began = time.process_time()
    if given.test:
        pictures = torch.from_numpy(open_pictures(given.test, size=given.size, resize="bilinear").pictures.copy())
    else:
        pictures = torch.from_numpy(draw_faces(0, "test", 2 * given.items, size=given.size))
    target = to_values(pictures[: 2 * given.items])
    tuning, target = target[: given.items], target[given.items :]
    siren = ms.Siren(
        in_features=2, out_features=target.shape[2], hidden_features=given.width, hidden_layers=2, first_omega=30
    )
    coords = ms.grid((given.size, given.size)).unsqueeze(0)
    if given.tune:
        with tempfile.TemporaryDirectory() as folder:
            tune(siren, coords, tuning, given, Path(folder))
        return
    meta = found_rates(given.meta)
    names = ["drawn", *(name for name in LEARNED if name != "MAML" or given.maml)]
    starts: dict[tuple[str, int], Weights] = {}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(given.seeds):
            drawn = siren.init(generator=torch.Generator().manual_seed(seed))
            starts["drawn", seed] = drawn
            for name in names[1:]:
                start = time.process_time()
                starts[name, seed] = begun(siren, learn(name, given, seed, Path(folder), meta.get(name)), drawn)
                print(f"{name}, seed {seed}: {time.process_time() - start:.0f} processor seconds", flush=True)
    rates: dict[str, float] = {}
    for name in names:
        each = reached(siren, starts[name, 0], coords, tuning)
        rates[name] = max(each, key=lambda rate, each=each: each[rate])  # type: ignore[misc]
    found: dict[str, list[list[float]]] = {name: [] for name in names}
    for seed in range(given.seeds):
        for name in names:
            made = fit_from(siren, starts[name, seed], coords, target, steps=STEPS, lr=rates[name])
            found[name].append([mean(row) for row in ms.psnr(made.marked).tolist()])
    print(f"{len(target)} pictures of {given.size} x {given.size}, {given.seeds} seeds, torch {torch.__version__}")
    print(f"| start | rate | {' | '.join(f'{n} steps' for n in STEPS)} |\n|---|---|{'---|' * len(STEPS)}")
    for name in names:
        cells = [
            f"{mean(each):.2f} ± {stdev(each) if len(each) > 1 else 0:.2f}" for each in zip(*found[name], strict=True)
        ]
        print(f"| {name} | {rates[name]:g} | {' | '.join(cells)} |")
    print(f"{time.process_time() - began:.0f} processor seconds")


if __name__ == "__main__":
    main()
