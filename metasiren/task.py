"""Recipe + Catalogue -> the assembled parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from metasiren.catalogue import Catalogue
from metasiren.contracts import Dataset, Domain, Metric, Model, Protocol
from metasiren.errors import RecipeError
from metasiren.optimization import Weighted
from metasiren.recipe import Part, Recipe, Schedule
from metasiren.siren import Siren


@dataclass(frozen=True)
class Stage:
    """A part of the training: from step `start` to before `stop`, with a fresh optimiser."""

    name: str
    start: int
    stop: int
    optimizer: Part
    schedule: Schedule
    constraints: tuple[Weighted, ...]


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
    def stages(self) -> tuple[Stage, ...]:
        """The stages of the training in order; a recipe without any has one."""
        train, made, start = self.recipe.train, [], 0
        for each in train.stages or []:
            active = tuple(w for w in self.constraints if each.constraints is None or w.name in each.constraints)
            optimizer, schedule = each.optimizer or train.optimizer, each.schedule or train.schedule
            made.append(Stage(each.name, start, start + each.steps, optimizer, schedule, active))
            start += each.steps
        if made:
            return tuple(made)
        if train.steps is not None:
            steps = train.steps
        else:
            assert train.epochs is not None
            steps = max(1, round(train.epochs * self.steps_per_epoch))
        return (Stage("training", 0, steps, train.optimizer, train.schedule, self.constraints),)

    @property
    def steps(self) -> int:
        """Length of the training."""
        return self.stages[-1].stop


def make_dataset(recipe: Recipe, catalogue: Catalogue) -> Dataset:
    """The recipe's data set, read but not moved."""
    part = recipe.data
    dataset: Dataset = catalogue.make("dataset", part.name, where=f"{recipe.name}: data", options=part.options)
    return dataset


def make_model(recipe: Recipe, catalogue: Catalogue, domain: Domain) -> Model:
    """Encoder and decoder for signals of `domain`, their weights drawn from torch's global generator."""
    name = recipe.name
    options = recipe.siren.model_dump(exclude_none=True)
    layer = options.get("input_layer")
    if layer and layer.get("samples") == "grid":
        if domain.grid is None:
            found = "this data has no grid to count samples on."
            raise RecipeError(f"{name}: siren.input_layer.samples", found, "Give their number.")
        options["input_layer"] = {**layer, "samples": max(domain.grid)}
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


def optimizers_of(recipe: Recipe) -> dict[str, Part]:
    """The optimisers that a recipe names, by their keys."""
    train = recipe.train
    own = {f"train.stages.{s.name}.optimizer": s.optimizer for s in train.stages or [] if s.optimizer is not None}
    # Where every stage has its own, the default is nobody's.
    return own if train.stages and len(own) == len(train.stages) else {"train.optimizer": train.optimizer, **own}


def make_optimizer(
    recipe: Recipe, catalogue: Catalogue, parameters: Any, part: Part | None = None
) -> torch.optim.Optimizer:
    """The recipe's optimiser (or a stage's, where `part` names one) over the given parameters."""
    part = part or recipe.train.optimizer
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
        *(
            partial(make_optimizer, recipe, catalogue, [torch.zeros(1, requires_grad=True)], part)
            for part in optimizers_of(recipe).values()
        ),
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
