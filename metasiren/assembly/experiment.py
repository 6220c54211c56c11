"""The experiment that a recipe describes: its parts, its stages and its length."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch

from metasiren.assembly.first_omega import resolved
from metasiren.assembly.parts import (
    check_evaluation,
    check_options,
    demand_points_used,
    make_constraints,
    make_dataset,
    make_metrics,
    make_model,
    make_protocol,
)
from metasiren.contracts import Dataset, Metric, Model, Protocol
from metasiren.contracts.optimizer import Weighted
from metasiren.errors import RecipeError
from metasiren.recipe import Part, Recipe, Schedule
from metasiren.recipe import Stage as StageOfRecipe
from metasiren.registry.catalogue import Catalogue


@dataclass(frozen=True)
class Stage:
    """A part of the training: from step `start` to before `stop`, with a fresh optimiser."""

    name: str
    start: int
    stop: int
    optimizer: Part
    schedule: Schedule
    constraints: tuple[Weighted, ...]


def active_in(stage: StageOfRecipe, constraints: tuple[Weighted, ...]) -> tuple[Weighted, ...]:
    """The constraints that a stage of a recipe trains on; all of them where it names none."""
    return tuple(w for w in constraints if stage.constraints is None or w.name in stage.constraints)


@dataclass(frozen=True)
class Experiment:
    """The parts that a recipe names, and the length of its training."""

    recipe: Recipe
    dataset: Dataset
    model: Model
    constraints: tuple[Weighted, ...]
    protocol: Protocol | None
    metrics: Mapping[str, Metric] = field(default_factory=dict)

    @property
    def steps_per_epoch(self) -> int:
        """Number of steps in an epoch; a smaller last batch counts as a step."""
        return -(-self.dataset.splits["train"] // self.recipe.train.batch)

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """The stages of the training in order; a recipe without any has one."""
        train, made, start = self.recipe.train, [], 0
        for each in train.stages or []:
            active = active_in(each, self.constraints)
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


def assemble(
    recipe: Recipe,
    catalogue: Catalogue,
    *,
    seed: int | None = None,
    check: Callable[[Recipe, Dataset, tuple[Weighted, ...]], None] = lambda recipe, dataset, constraints: None,
    named: Callable[[str], AbstractContextManager[None]] = lambda title: nullcontext(),
) -> Experiment:
    """Make every part that the recipe names; mistakes anywhere in it are found before any training.

    Args:
        recipe: what to make.
        catalogue: the plugins.
        seed: of the initial weights, in place of the recipe's.
        check: called with the recipe, the data set and the constraints before the model is made; may raise.
        named: called with what is being made; the work is done inside the context that it gives.

    Raises:
        RecipeError, PluginError, DataError: naming the key.
    """
    # Options are checked before any data is read, which may take a minute.
    check_options(recipe, catalogue)
    constraints = make_constraints(recipe, catalogue)
    protocol, metrics = make_protocol(recipe, catalogue), make_metrics(recipe, catalogue)
    demand_points_used(recipe, catalogue, [*(each.constraint for each in constraints), *metrics.values()])
    path = recipe.data.options.get("path")
    with named(f"making the data set {recipe.data.name}" + (f" from {path}" if path else "")):
        dataset = make_dataset(recipe, catalogue)
    check_evaluation(dataset, protocol, metrics, recipe.train.context)
    recipe = resolved(recipe, dataset)
    constraints = tuple(replace(each, constraint=each.constraint.for_data(dataset)) for each in constraints)
    check(recipe, dataset, constraints)
    torch.manual_seed(recipe.train.seed if seed is None else seed)
    with named(f"making the encoder {recipe.encoder.name} and the decoder {recipe.decoder.name}"):
        model = make_model(recipe, catalogue, dataset.domain)
    if (encoding := model.decoder.siren.encoding) is not None:
        encoding.check(dataset)
    if not any(True for _ in model.parameters()) and recipe.train.steps != 0:
        raise RecipeError(recipe.name, "nothing to train: no part has parameters.", "Name a decoder with weights.")
    return Experiment(recipe, dataset, model, constraints, protocol, metrics)
