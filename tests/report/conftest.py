"""Tiny finished runs."""

from __future__ import annotations

import pytest

import metasiren as ms

TINY = {
    "data.size": 16, "siren.hidden_features": 8, "train.steps": 3, "train.log_every": 1, "train.pictures_every": 100,
}  # fmt: skip


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[ms.Run, ms.Run]:
    """Two runs of the recipe `image` that differ in their learning rate and seed."""
    folder = tmp_path_factory.mktemp("runs")
    first = ms.run(ms.load_recipe("image", preset="quick", overrides=TINY), folder / "first", device="cpu")
    changed = {**TINY, "train.optimizer.lr": 2e-3}
    second = ms.run(ms.load_recipe("image", preset="quick", overrides=changed), folder / "second", device="cpu", seed=1)
    return first, second


@pytest.fixture(scope="session")
def prior(tmp_path_factory: pytest.TempPathFactory) -> ms.Run:
    """A prior over a few sketch faces."""
    changes = {
        "data": {"name": "sketch_faces", "train": 64, "val": 8, "test": 8, "size": 16},
        "siren.hidden_features": 8, "decoder.hidden_features": 8, "encoder.latent_dim": 8, "train.steps": 2,
        "train.batch": 8, "train.pictures_every": 100, "evaluate.baseline_images": 2, "evaluate.seeds": 1,
        "evaluate.contexts": [10, 100, "half"],
    }  # fmt: skip
    recipe = ms.load_recipe("celeba_gaussian", preset="quick", overrides=changes)
    return ms.run(recipe, tmp_path_factory.mktemp("runs") / "prior", device="cpu")
