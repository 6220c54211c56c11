"""A small data set, encoder and decoder of pure torch, for tests of the core alone."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from metasiren import (
    Batch,
    Constraint,
    Context,
    Dataset,
    Decoder,
    Domain,
    Encoder,
    Model,
    Params,
    Points,
    Prediction,
    Protocol,
    Recipe,
    Siren,
    hookimpl,
)  # fmt: skip
from metasiren.recipe import validate


class Waves(Dataset):
    """Sines of random phase on 16 points; its context is what was drawn of them."""

    title = "waves"

    def __init__(self, *, count: int = 10, poison: int = -1) -> None:
        self.splits = {"train": count}
        self.domain = Domain(1, 1, (16,), count)
        self.coords = torch.linspace(-1, 1, 16).reshape(1, 16, 1)
        self.poison = poison

    def batch(
        self, split: str, items: Tensor, *, context: tuple[int, int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Batch:  # fmt: skip
        values = torch.sin(3 * self.coords + 0.1 * items.reshape(-1, 1, 1))
        values[items == self.poison] = torch.nan
        cells = torch.rand(len(items), 16, generator=generator).argsort(1)[:, :5]
        seen = Context(
            items, self.coords.expand(len(items), -1, -1).gather(1, cells.unsqueeze(-1)),
            values.gather(1, cells.unsqueeze(-1)), torch.ones_like(cells, dtype=torch.bool),
        )  # fmt: skip
        return Batch(seen, {"pixels": Points(self.coords, {"values": values})})


class Mean(Encoder):
    """A linear map of the mean pair, with dropout to tempt the random state."""

    def __init__(self, domain: Domain, *, latent_dim: int = 4) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.net = nn.Sequential(nn.Linear(domain.d_in + domain.d_out, latent_dim), nn.Dropout(0.1))

    def forward(self, context: Context, decoder: Decoder) -> Tensor:
        pairs = torch.cat([context.coords, context.values], -1)
        return self.net(pairs.mean(1))  # type: ignore[no-any-return]


class Shift(Decoder):
    """One shared SIREN whose first biases the latent shifts."""

    def __init__(self, siren: Siren, latent_dim: int) -> None:
        super().__init__(siren, latent_dim)
        self.shared = nn.ParameterDict({k.replace(".", "_"): nn.Parameter(v) for k, v in siren.init().items()})
        self.shift = nn.Linear(latent_dim, siren.hidden_features)

    def forward(self, latent: Tensor) -> Params:
        params = {k.replace("_", "."): v.expand(len(latent), *v.shape[1:]) for k, v in self.shared.items()}
        return {**params, "0.bias": params["0.bias"] + 0.1 * self.shift(latent)}


class Squares(Constraint):
    """Mean squared error on the points."""

    at = "pixels"

    def __call__(self, prediction: Prediction) -> Tensor:
        return (prediction.jets["pixels"].value - prediction.batch.points["pixels"].values).square().mean()


class Judge(Protocol):
    """Writes the mean squared error of the first items."""

    def __init__(self, *, seeds: int = 1) -> None:
        self.seeds = seeds

    def evaluate(
        self, model: Model, dataset: Dataset, results: Path, *, name: str, limit: int | None = None,
        refine: int = 0, device: torch.device | str = "cpu",
    ) -> pd.DataFrame:  # fmt: skip
        items = torch.arange(limit or dataset.splits["train"])
        batch = dataset.batch("train", items, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            error = model(batch.context)(batch.points["pixels"].coords) - batch.points["pixels"].values
        (results / "table.json").write_text(f'{{"mse": {float(error.square().mean())}, "items": {len(items)}}}')
        (results / "table.md").write_text("| name | mse |\n|---|---|\n")
        return pd.DataFrame({"mse": [float(error.square().mean())]}, index=[name])


def adam(parameters: Any, *, lr: float = 1e-3) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=lr)


def recipe(train: dict[str, Any], where: str = "toy", **changes: Any) -> Recipe:
    """A recipe of the parts here; `changes` replace its keys."""
    tree = {
        "data": "waves",
        "siren": {"hidden_features": 8, "hidden_layers": 1, "first_omega": 5},
        "encoder": {"name": "mean_pair", "latent_dim": 3},
        "decoder": "shift",
        "constraints": {"squares": {"weight": 2.0}},
        "train": {"batch": 4, "optimizer": {"name": "toy_adam", "lr": 1e-3}, **train},
        "evaluate": {"protocol": "judge"},
        **changes,
    }
    return validate(tree, where, name="toy")


def plugin() -> ModuleType:
    """The parts as a plugin module."""
    return offering(
        "toys",
        datasets={"waves": Waves}, encoders={"mean_pair": Mean}, decoders={"shift": Shift},
        constraints={"squares": Squares}, protocols={"judge": Judge}, optimizers={"toy_adam": adam},
    )  # fmt: skip


def offering(name: str, **offers: dict[str, Any]) -> ModuleType:
    """A plugin module that offers parts: kind, in the plural, -> name -> factory."""
    module = ModuleType(name)
    for kind, parts in offers.items():

        def hook(parts: dict[str, Any] = parts) -> dict[str, Any]:
            return parts

        hook.__name__ = f"metasiren_{kind}"
        setattr(module, hook.__name__, hookimpl(hook))
    return module
