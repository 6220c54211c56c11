"""The parts that a recipe names, made from a catalogue."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import PurePath
from typing import Any

import torch

from metasiren.contracts import Constraint, Dataset, Domain, Metric, Model, Protocol
from metasiren.contracts.optimizer import Weighted
from metasiren.errors import RecipeError, all_of
from metasiren.nn.derivatives.exact import ExactConditions
from metasiren.nn.siren import Siren
from metasiren.recipe import NamedPart, Part, Recipe, parts_of
from metasiren.registry.catalogue import Catalogue


def make_dataset(recipe: Recipe, catalogue: Catalogue) -> Dataset:
    """The recipe's data set, read but not moved."""
    part = recipe.data
    dataset: Dataset = catalogue.make("dataset", part.name, where=f"{recipe.name}: data", options=part.options)
    return dataset


def make_model(recipe: Recipe, catalogue: Catalogue, domain: Domain) -> Model:
    """Encoder and decoder for signals of `domain`, their weights drawn from torch's global generator."""
    name = recipe.name
    siren = make_siren(recipe, catalogue, domain)
    encoder = catalogue.make(
        "encoder", recipe.encoder.name, domain, where=f"{name}: encoder", options=recipe.encoder.options
    )
    decoder = catalogue.make(
        "decoder", recipe.decoder.name, siren, encoder.latent_dim,
        where=f"{name}: decoder", options=recipe.decoder.options,
    )  # fmt: skip
    return Model(encoder, decoder).to(getattr(torch, recipe.train.dtype))


def make_siren(recipe: Recipe, catalogue: Catalogue, domain: Domain) -> Siren:
    """The architecture that the recipe describes, for signals of `domain`.

    Raises:
        RecipeError: a first_omega that is `auto` still; see `metasiren.assembly.first_omega`.
    """
    if recipe.siren.first_omega == "auto":
        found = "the signal is not known here, and its spectrum would settle it."
        raise RecipeError(f"{recipe.name}: siren: first_omega: auto", found, "Give a number, such as 30.")
    made = {}
    for part in recipe.parts():
        if part.key in ("siren.nonlinearity", "siren.input_layer"):
            supplied = (domain,) if part.kind == "input_encoding" else ()
            where = f"{recipe.name}: {part.where}"
            key = part.key.removeprefix("siren.")
            made[key] = catalogue.make(part.kind, part.name, *supplied, where=where, options=part.options)
    options = recipe.siren.model_dump(exclude={"nonlinearity", "input_layer"})
    exact = exact_conditions(recipe, catalogue)
    return Siren(in_features=domain.d_in, out_features=domain.d_out, exact=exact, **options, **made)


def exact_conditions(recipe: Recipe, catalogue: Catalogue) -> ExactConditions | None:
    """The conditions that `data.exact` builds into the field."""
    part = recipe.data
    if part.options.get("exact") is None:
        return None
    where = f"{recipe.name}: data"
    options = catalogue.options("dataset", part.name, part.options, where)
    factory: Any = catalogue.factory("dataset", part.name, where)
    found: ExactConditions | None = factory.exact_conditions(**options)
    return found


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
        from metasiren.registry.catalogue import options_model

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


def evaluated_split(dataset: Dataset) -> str:
    """The split that metrics are computed on: `test`, or else `val`, or else `train`."""
    return next(name for name in ("test", "val", "train") if dataset.splits.get(name))


def check_evaluation(
    dataset: Dataset,
    protocol: Protocol | None,
    metrics: Mapping[str, Metric],
    context: tuple[int, int] | None = None,
) -> None:
    """Check before training that a protocol and metrics can evaluate this data.

    Args:
        dataset: on the CPU.
        protocol: of the recipe.
        metrics: of the recipe, by name.
        context: least and most observed points of an item.

    Raises:
        RecipeError, DataError: as the protocol says; a metric names a point set that the data lacks.
    """
    if protocol is not None:
        protocol.check(dataset)
    if any(metric.at is not None for metric in metrics.values()):
        items, generator = torch.zeros(1, dtype=torch.long), torch.Generator().manual_seed(0)
        batch = dataset.batch(evaluated_split(dataset), items, context=context, generator=generator)
        check_point_sets(metrics, batch.points)


def check_point_sets(metrics: Mapping[str, Metric], present: Collection[str]) -> None:
    """Check that all point sets which metrics name are present.

    Raises:
        RecipeError: one is not.
    """
    for name, metric in metrics.items():
        if metric.at is not None and metric.at not in present:
            found = f"the data has no point set {metric.at!r}; it has {', '.join(sorted(present))}."
            raise RecipeError(f"evaluate: metrics: {name}: at", found, "Name one of them.")


def check_options(recipe: Recipe, catalogue: Catalogue) -> None:
    """Check the options of every part that the recipe names, without making any.

    Raises:
        RecipeError, PluginError: naming the key; all wrong keys in one message.
    """
    if wrong := _wrong_parts(recipe.parts(), catalogue, recipe.name):
        raise all_of(wrong)


def with_wrong_parts(error: RecipeError, catalogue: Catalogue) -> RecipeError:
    """A recipe's error, with what is wrong in its parts beside it, where its keys can be read."""
    if error.tree is None:
        return error
    found = _wrong_parts(parts_of(error.tree), catalogue, PurePath(error.where).stem)
    return all_of([error, *found])


def _wrong_parts(parts: Iterable[NamedPart], catalogue: Catalogue, name: str) -> list[RecipeError]:
    wrong = []
    for part in parts:
        try:
            catalogue.options(part.kind, part.name, part.options, f"{name}: {part.where}")
        except RecipeError as error:
            wrong.append(error)
    return wrong


def demand_points_used(recipe: Recipe, catalogue: Catalogue, parts: Iterable[Constraint | Metric]) -> None:
    """Demand a constraint or a metric at the point sets that a person's changes fill: `Dataset.points_of`.

    Raises:
        RecipeError: there is none, so that the change has no effect.
    """
    factory = catalogue.factory("dataset", recipe.data.name, f"{recipe.name}: data")
    used = {getattr(part, "at", None) for part in parts}
    for option, points in getattr(factory, "points_of", {}).items():
        value = recipe.data.options.get(option)
        if value and f"data.{option}" in recipe.changes and points not in used:
            found = f"{option} is {value}, which has no effect without a constraint at these points."
            advice = f"Leave out data.{option}, or add one: metasiren describe dataset {recipe.data.name} names them."
            raise RecipeError(f"{recipe.name}: data.{option}", found, advice)


def make_optimizer(
    recipe: Recipe, catalogue: Catalogue, parameters: Any, part: Part | None = None
) -> torch.optim.Optimizer:
    """The recipe's optimiser (or a stage's, where `part` names one) over the given parameters."""
    part = part or recipe.train.optimizer
    where = f"{recipe.name}: train.optimizer"
    try:
        optimizer: torch.optim.Optimizer = catalogue.make(
            "optimizer", part.name, parameters, where=where, options=part.options
        )
    except ValueError as error:  # how torch's optimisers refuse an option, such as a negative learning rate
        raise RecipeError(where, f"{part.name}: {error}.", f"See metasiren describe optimizer {part.name}.") from None
    return optimizer
