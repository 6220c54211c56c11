"""Fields that several tests export."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import metasiren as ms


def small_field(inputs: int = 2, outputs: int = 1, *, width: int = 32, **options: object) -> ms.Field:
    siren = ms.Siren(in_features=inputs, out_features=outputs, hidden_features=width, hidden_layers=1, **options)
    return ms.Field(siren, siren.init(generator=torch.Generator().manual_seed(3)))


@pytest.fixture(scope="session")
def photograph_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few steps of one small photograph."""
    overrides = {
        "data.size": 16, "train.steps": 3, "siren.hidden_features": 16, "siren.hidden_layers": 1,
        "train.pictures_every": 100,
    }  # fmt: skip
    recipe = ms.load_recipe("image", preset="quick", overrides=overrides)
    return ms.run(recipe, tmp_path_factory.mktemp("runs") / "photograph", device="cpu").path
