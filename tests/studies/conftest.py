"""A picture that is a formula, and a protocol that draws: for comparisons without any file."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
import torch
import toys
from PIL import Image
from torch import Tensor

from metasiren import (
    FULL_EVALUATION,
    Batch,
    Context,
    Dataset,
    Domain,
    EvaluationOptions,
    Model,
    Points,
    Protocol,
    grid,
    hookimpl,
)
from metasiren.registry.catalogue import Catalogue, load_catalogue

RECIPE = """
data: ripples
siren: {hidden_features: 16, hidden_layers: 1}
constraints: {mse: 1}
train: {steps: 12, optimizer: {name: adam, lr: 1.0e-3}, log_every: 3}
evaluate: {protocol: sketch, metrics: {psnr_db: {}}}
presets:
  quick: {train: {steps: 6}}
"""


class Ripples(Dataset):
    """cos(4 x y) on a square grid."""

    title = "ripples"

    def __init__(self, *, size: int = 12, poison: bool = False) -> None:
        self.domain = Domain(2, 1, (size, size))
        self.splits = {"train": 1, "test": 1}
        self.coords = grid((size, size)).unsqueeze(0)
        self.values = torch.cos(4 * self.coords.prod(-1, keepdim=True))
        if poison:
            self.values[0, 0] = torch.nan

    def batch(
        self, split: str, items: Tensor, *, context: tuple[int, int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Batch:  # fmt: skip
        points = {"pixels": Points(self.coords, {"values": self.values})}
        return Batch(Context.empty(items, self.domain), points)


class Sketch(Protocol):
    """Writes the field as value.png beside truth_value.png."""

    def evaluate(
        self, model: Model, dataset: Dataset, results: Path, *, name: str, options: EvaluationOptions = FULL_EVALUATION,
        device: torch.device | str = "cpu",
    ) -> pd.DataFrame:  # fmt: skip
        batch = dataset.batch("test", torch.zeros(1, dtype=torch.long))
        known = batch.points["pixels"]
        with torch.no_grad():
            values = model(batch.context)(known.coords)
        for stem, of in (("value", values), ("truth_value", known.values)):
            bytes_ = ((of.clamp(-1, 1) + 1) * 127.5).reshape(dataset.domain.grid or ()).byte().numpy()
            Image.fromarray(bytes_).save(results / f"{stem}.png")
        return pd.DataFrame()


@pytest.fixture
def catalogue() -> Catalogue:
    module = ModuleType("studies")

    def metasiren_datasets() -> dict[str, type]:
        return {"ripples": Ripples}

    def metasiren_protocols() -> dict[str, type]:
        return {"sketch": Sketch}

    module.metasiren_datasets = hookimpl(metasiren_datasets)  # type: ignore[attr-defined]
    module.metasiren_protocols = hookimpl(metasiren_protocols)  # type: ignore[attr-defined]
    return load_catalogue(extra=[module, toys.plugin()])


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "ripples.yaml"
    path.write_text(RECIPE)
    return path
