"""Recipe + Catalogue -> the assembled parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from metasiren.catalogue import Catalogue
from metasiren.contracts import Constraint, Dataset, Domain, Metric, Model, Protocol
from metasiren.errors import RecipeError
from metasiren.recipe import Recipe
from metasiren.siren import Siren


@dataclass(frozen=True)
class Weighted:
    """A constraint with its name and weight in the recipe."""

    name: str
    weight: float
    constraint: Constraint


@dataclass(frozen=True)
class Task:
    """What a recipe's words stand for."""

    recipe: Recipe
    dataset: Dataset
    model: Model
    constraints: tuple[Weighted, ...]
    protocol: Protocol | None
    metrics: Mapping[str, Metric] = field(default_factory=dict)

    @property
    def steps_per_epoch(self) -> int:
        """Steps that see each training item once; a last, smaller batch counts."""
        return -(-self.dataset.splits["train"] // self.recipe.train.batch)

    @property
    def steps(self) -> int:
        """Length of the training."""
        train = self.recipe.train
        if train.steps is not None:
            return train.steps
        assert train.epochs is not None
        return max(1, round(train.epochs * self.steps_per_epoch))


def make_dataset(recipe: Recipe, catalogue: Catalogue) -> Dataset:
    """The recipe's data set, read but not moved."""
    part = recipe.data
    dataset: Dataset = catalogue.make("dataset", part.name, where=f"{recipe.name}: data", options=part.options)
    return dataset


def make_model(recipe: Recipe, catalogue: Catalogue, domain: Domain) -> Model:
    """Encoder and decoder for signals of `domain`, their weights drawn from torch's global generator."""
    name = recipe.name
    options = recipe.siren.model_dump(exclude_none=True)
    siren = Siren(in_features=domain.d_in, out_features=domain.d_out, **options)
    encoder = catalogue.make(
        "encoder", recipe.encoder.name, domain, where=f"{name}: encoder", options=recipe.encoder.options
    )
    decoder = catalogue.make(
        "decoder", recipe.decoder.name, siren, encoder.latent_dim,
        where=f"{name}: decoder", options=recipe.decoder.options,
    )  # fmt: skip
    return Model(encoder, decoder).to(getattr(torch, recipe.train.dtype))


def make_constraints(recipe: Recipe, catalogue: Catalogue) -> tuple[Weighted, ...]:
    """The recipe's constraints with their weights."""
    made = []
    for key, part in recipe.constraints.items():
        where = f"{recipe.name}: constraints"
        constraint = catalogue.make("constraint", part.name or key, where=where, options=part.options)
        made.append(Weighted(key, part.weight, constraint))
    return tuple(made)


def make_protocol(recipe: Recipe, catalogue: Catalogue, name: str | None = None) -> Protocol | None:
    """The protocol named here or in the recipe; the recipe's options go along where they fit it."""
    chosen = name or recipe.evaluate.protocol
    if chosen is None:
        return None
    where = f"{recipe.name}: evaluate"
    options = recipe.evaluate.options
    if name is not None and name != recipe.evaluate.protocol:
        from metasiren.catalogue import options_model

        known = options_model("protocol", catalogue.factory("protocol", chosen, where)).model_fields
        options = {key: value for key, value in options.items() if key in known}
    protocol: Protocol = catalogue.make("protocol", chosen, where=where, options=options)
    return protocol


def make_metrics(recipe: Recipe, catalogue: Catalogue) -> dict[str, Metric]:
    """The recipe's metrics by name."""
    where = f"{recipe.name}: evaluate: metrics"
    return {
        key: catalogue.make("metric", part.name or key, where=where, options=part.options)
        for key, part in recipe.evaluate.metrics.items()
    }


def make_optimizer(recipe: Recipe, catalogue: Catalogue, parameters: Any) -> torch.optim.Optimizer:
    """The recipe's optimiser over the given parameters."""
    part = recipe.train.optimizer
    optimizer: torch.optim.Optimizer = catalogue.make(
        "optimizer", part.name, parameters, where=f"{recipe.name}: train.optimizer", options=part.options
    )
    return optimizer


def assemble(recipe: Recipe, catalogue: Catalogue, *, seed: int | None = None) -> Task:
    """Make every part that the recipe names; mistakes anywhere in it are found before any training.

    Raises:
        RecipeError, PluginError, DataError: naming the key.
    """
    # Cheap parts first, so that a misspelt constraint is not found after a minute of reading images.
    checks: list[Callable[[], Any]] = [
        lambda: catalogue.options("dataset", recipe.data.name, recipe.data.options, f"{recipe.name}: data"),
        lambda: catalogue.options("encoder", recipe.encoder.name, recipe.encoder.options, f"{recipe.name}: encoder"),
        lambda: catalogue.options("decoder", recipe.decoder.name, recipe.decoder.options, f"{recipe.name}: decoder"),
        lambda: make_optimizer(recipe, catalogue, [torch.zeros(1, requires_grad=True)]),
    ]
    for check in checks:
        check()
    constraints = make_constraints(recipe, catalogue)
    protocol, metrics = make_protocol(recipe, catalogue), make_metrics(recipe, catalogue)
    dataset = make_dataset(recipe, catalogue)
    torch.manual_seed(recipe.train.seed if seed is None else seed)
    model = make_model(recipe, catalogue, dataset.domain)
    if not any(True for _ in model.parameters()) and recipe.train.steps != 0:
        raise RecipeError(recipe.name, "nothing to train: no part has parameters.", "Name a decoder with weights.")
    return Task(recipe, dataset, model, constraints, protocol, metrics)
