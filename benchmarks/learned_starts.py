"""Learned starts: what weights that saw other pictures are worth to pictures that they have not seen.

    python benchmarks/learned_starts.py                                       # sketch faces
    python benchmarks/learned_starts.py --train FACES.npz --test FACES.npz    # its splits train, and test or val
    python benchmarks/learned_starts.py --train FOLDER --test OTHER --size 64

Each start comes from its shipped recipe, by the ordinary trainer: `noise_start` (ten pictures of noise), `trunk_start`
(ten training pictures whose networks share all layers but the last) and `meta_start` (Reptile over all training
pictures, or with --maml first-order MAML too). Its weights then begin the fit of every test picture, by Adam at a
constant rate on all pixels, in turns with the others; so do drawn weights. A start has the rate, of three, that is best
after 100 steps on the first test pictures with the first seed. The table is of the others: PSNR in dB, the mean over
pictures and its standard deviation over seeds (of the start and of the last layer).
"""

from __future__ import annotations

import argparse
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
Weights = dict[str, Tensor]


def learn(name: str, given: argparse.Namespace, seed: int, folder: Path) -> Weights:
    """The weights of a start, trained by its recipe."""
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
    made = ms.run(
        ms.load_recipe(recipe, preset="quick", overrides=changes), folder / f"{recipe}_{name}_{seed}", device="cpu"
    )
    return dict(made.field().params)


def begun(siren: ms.Siren, learned: Weights, drawn: Weights) -> Weights:
    """The learned weights; a last layer of other channels is drawn."""
    fits = {name: name in learned and learned[name].shape == p.shape for name, p in drawn.items()}
    return {name: learned[name] if fits[name] else p for name, p in drawn.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("--size", 32), ("--width", 32), ("--items", 4), ("--seeds", 3), ("--meta-steps", 400)):
        parser.add_argument(name, type=int, default=default)
    parser.add_argument("--train", type=Path, help="a folder of pictures or an .npz file")
    parser.add_argument("--test", type=Path, help="likewise; of splits, test or else val")
    parser.add_argument("--maml", action="store_true", help="with first-order MAML")
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
    names = ["drawn", *(name for name in LEARNED if name != "MAML" or given.maml)]
    starts: dict[tuple[str, int], Weights] = {}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(given.seeds):
            drawn = siren.init(generator=torch.Generator().manual_seed(seed))
            starts["drawn", seed] = drawn
            for name in names[1:]:
                start = time.process_time()
                starts[name, seed] = begun(siren, learn(name, given, seed, Path(folder)), drawn)
                print(f"{name}, seed {seed}: {time.process_time() - start:.0f} processor seconds", flush=True)
    coords = ms.grid((given.size, given.size)).unsqueeze(0)
    rates: dict[str, float] = {}
    for name in names:
        tried = [fit_from(siren, starts[name, 0], coords, tuning, steps=[TUNED_AT], lr=rate) for rate in RATES]
        reached = [mean(ms.psnr(each.marked[0]).tolist()) for each in tried]
        rates[name] = RATES[reached.index(max(reached))]
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
