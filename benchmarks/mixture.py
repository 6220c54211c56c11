"""A fitted `celeba_mixture`: log-likelihoods by density ridge and scales, and how fast faces are completed.

python benchmarks/mixture.py RUN [--images 100]

RUN is a run directory of `celeba_mixture`, whose data lie where they lay. Ridge and scales of densities are no part of
the fit, so that one run serves all pairs. Log-likelihoods follow `metasiren_priors.evaluation.predictive`. Speed: faces
with masks of their own, 100 pixels seen, become fields and their pixels; processor seconds, the median of five.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median

import torch

import metasiren as ms
from metasiren.assembly.parts import make_dataset
from metasiren_priors.encoders.gaussian import signals
from metasiren_priors.encoders.mixture_encoder import MixtureEncoder
from metasiren_priors.evaluation.masks import DRAWS, views
from metasiren_priors.evaluation.predictive import log_likelihoods
from metasiren_priors.evaluation.protocols import Exact

PAIRS: tuple[tuple[float, tuple[float, ...]], ...] = (
    (1e-4, (1.0,)),
    (1e-4, (0.5, 1.0, 2.0)),
    (3e-5, (0.4, 1.0, 2.5)),
    (1e-5, (1.0,)),
    (1e-5, (0.5, 1.0, 2.0)),
    (1e-5, (0.4, 1.0, 2.5)),
    (1e-5, (0.25, 0.4, 0.63, 1.0, 1.6, 2.5, 4.0)),
)


def main() -> None:
    """Print a line for each pair, then the speed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--images", type=int, default=100)
    arguments = parser.parse_args()
    run = ms.open_run(arguments.run)
    dataset = make_dataset(run.recipe, ms.load_catalogue())
    model, items = run.model(), torch.arange(min(arguments.images, dataset.splits.get("val", 0)))
    encoder, grid = model.encoder, dataset.domain.grid
    if not isinstance(encoder, MixtureEncoder) or grid is None:
        raise SystemExit(f"{arguments.run} is no run of celeba_mixture")
    values = signals(dataset, "val", items)
    mixture = encoder.mixture
    for ridge, scales in PAIRS:
        mixture.density_ridge, mixture.scales = 4 * ridge, scales
        with torch.no_grad():
            found = log_likelihoods(encoder.posteriors, values, items, 0)
        print(
            f"density ridge {ridge:g}, scales {scales}: {found.mean():.2f} ± {found.std() / len(items) ** 0.5:.2f} nats"
        )
    mask = next(iter(views((100,), grid))).mask(items.tolist(), 0, DRAWS["exact"])
    predict, seconds = Exact().predictor(model, grid), []
    for _ in range(6):
        began = time.process_time()
        predict(values, mask, items)
        seconds.append(time.process_time() - began)
    print(f"{len(items) / median(seconds[1:]):.0f} images/s")


if __name__ == "__main__":
    main()
