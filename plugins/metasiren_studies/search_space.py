"""The space of a search: factors on the learning rates and on the network's scale, in rounds of growing length."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from metasiren import Catalogue, Recipe, RecipeError
from metasiren.registry.catalogue import options_model

RATES = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Factors on the recipe's learning rates."""
SCALES = (0.5, 1.0, 2.0)
"""Factors on the network's scale."""
SCALE_OPTIONS = ("omega", "scale", "sigma", "samples")
"""Options of nonlinearities and input layers that stand for a scale; those of one part change together."""
KEPT = 3
"""One in so many candidates goes on, with so many times the steps."""

Options = dict[str, float]


def groups(recipe: Recipe, fixed: Mapping[str, Any], catalogue: Catalogue) -> list[Options]:
    """The groups of options that are searched, with the recipe's values: the learning rates, and the network's scale.

    A group's values are multiplied by one factor. The scale is `first_omega` of sines without an input layer, and the
    options named in `SCALE_OPTIONS` of the input layer, or else of the nonlinearity.

    Args:
        recipe: of the variant.
        fixed: dotted keys that a person set for this variant, which stay.
        catalogue: the plugins.
    """
    rates = {
        f"train.optimizer.{name}": value
        for name, value in _numbers("optimizer", recipe.train.optimizer.model_dump(), catalogue).items()
        if name == "lr" or name.endswith("_lr")
    }
    siren = recipe.siren.model_dump()
    layer, nonlinearity = siren["input_layer"], siren["nonlinearity"]
    kind, key, part = "input_encoding", "siren.input_layer", layer
    if layer is None:
        kind, key = "activation", "siren.nonlinearity"
        part = {"name": nonlinearity} if isinstance(nonlinearity, str) else nonlinearity
    if layer is None and part["name"] == "sine":
        scale = {"siren.first_omega": float(recipe.siren.first_omega)}
    else:
        found = _numbers(kind, part, catalogue)
        scale = {f"{key}.{name}": found[name] for name in SCALE_OPTIONS if name in found}
    made = ({name: value for name, value in group.items() if name not in fixed} for group in (rates, scale))
    return [group for group in made if group]


def with_a_scale(catalogue: Catalogue) -> str:
    """The variants of a search that names none: every nonlinearity with a scale, and ReLU with positional encoding."""
    found = ["sine"]
    for name in catalogue.names("activation"):
        if any(option in _defaults("activation", name, catalogue) for option in SCALE_OPTIONS):
            found.append(name)
    return f"nonlinearity={','.join(dict.fromkeys([*found, 'relu_pe']))}"


def _numbers(kind: str, part: Mapping[str, Any], catalogue: Catalogue) -> Options:
    """The numbers among a part's options, in the types of its signature: given ones, and defaults of the others."""
    given = {name: value for name, value in part.items() if name != "name"}
    values = catalogue.options(kind, part["name"], _defaults(kind, part["name"], catalogue) | given, f"--tune: {kind}")
    return {name: value for name, value in values.items() if _is_number(value)}


def _defaults(kind: str, name: str, catalogue: Catalogue) -> Options:
    fields = options_model(kind, catalogue.factory(kind, name, f"--tune: {kind}")).model_fields
    return {option: field.default for option, field in fields.items() if _is_number(field.default)}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def candidates(found: list[Options]) -> list[Options]:
    """Every combination of the groups' factors."""
    made: list[Options] = [{}]
    for group in found:
        factors = RATES if any(key.startswith("train.") for key in group) else SCALES
        made = [before | {k: _times(v, factor) for k, v in group.items()} for before in made for factor in factors]
    return made


def _times(value: float, factor: float) -> float:
    return max(1, round(value * factor)) if isinstance(value, int) else value * factor


def rungs(count: int, budget: int, longest: int) -> list[tuple[int, int]]:
    """(candidates, steps of each) of every round.

    Args:
        count: of candidates.
        budget: steps of all trainings together, at most.
        longest: no training has more steps.

    Raises:
        RecipeError: a budget that leaves no step for some.
    """
    counts = [count]
    while counts[-1] > KEPT:
        counts.append(math.ceil(counts[-1] / KEPT))
    unit = budget // sum(c * KEPT**i for i, c in enumerate(counts))
    if unit < 1:
        least = sum(c * KEPT**i for i, c in enumerate(counts))
        raise RecipeError("--tune-steps", f"{budget} steps for {count} candidates.", f"Give {least} or more.")
    return [(c, min(unit * KEPT**i, longest)) for i, c in enumerate(counts)]
