"""The priors that ship with the app: errors of completed faces, and processor seconds of a completion.

python benchmarks/app_priors.py

Errors are mean squared errors of values in [0, 1] over 16 cartoon faces that no prior was trained on, with random masks
of 10, 100 and 1,000 pixels. Seconds are those of one face with 100 pixels seen, its samples included, at 32, 128 and
512 rows: the median of five. OMP_NUM_THREADS says how many threads there are.
"""

from __future__ import annotations

import time
from statistics import mean, median

import numpy as np
import torch

import metasiren as ms
from metasiren_report.app.packed_mixture import read_mixture
from metasiren_report.app.prior import Pixels, Prior, SmallPrior

FACES = 16


def unseen_faces(side: int) -> list[Pixels]:
    """Cartoon faces (side, side, 3) in [0, 1] of the split `test`."""
    options = {"train": 1, "val": 1, "test": FACES, "size": side}
    dataset = ms.load_catalogue().make("dataset", "sketch_faces", where="faces", options=options)
    values = dataset.batch("test", torch.arange(FACES)).points["pixels"].values.double()
    return list(((values + 1) / 2).clamp(0, 1).view(FACES, side, side, 3).numpy())


def error(prior: Prior, faces: list[Pixels], count: int) -> float:
    """Mean squared error over the faces, with `count` random pixels of each seen."""
    found = []
    for number, face in enumerate(faces):
        seen = np.random.default_rng(number).permutation(prior.side**2).reshape(prior.side, prior.side) < count
        found.append(float(((prior.complete(face, seen, prior.side).picture - face) ** 2).mean()))
    return mean(found)


def seconds(prior: Prior, face: Pixels, size: int) -> float:
    """Processor seconds of a completion at `size` rows."""
    seen = np.random.default_rng(0).permutation(prior.side**2).reshape(prior.side, prior.side) < 100
    found = []
    for _ in range(6):
        began = time.process_time()
        prior.complete(face, seen, size)
        found.append(time.process_time() - began)
    return median(found[1:])


if __name__ == "__main__":
    for prior in (SmallPrior(), read_mixture()):
        faces = unseen_faces(prior.side)
        errors = ", ".join(f"{error(prior, faces, count):.4f}" for count in (10, 100, 1000))
        times = ", ".join(f"{seconds(prior, faces[0], size):.2f}" for size in (32, 128, 512))
        print(f"{prior.name}: errors {errors}; seconds {times}")
