"""Options of a data set that take the place of others: one rule for the choice of a preset and for names of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metasiren.errors import RecipeError
from metasiren.recipe.overlay import nested


@dataclass(frozen=True)
class Displacement:
    """`option` takes the place of `other`.

    Attributes:
        option: its name, such as `path`.
        other: the option that gives way, such as `photograph` or `size`.
        mutual: whether `other` also takes the place of `option`, as of two names for one signal.
    """

    option: str
    other: str
    mutual: bool


def displacements(factory: object, options: Mapping[str, Any]) -> list[Displacement]:
    """What `Dataset.instead_of` and `Dataset.unused` of a data set say of these options."""
    pairs: Mapping[str, str] = getattr(factory, "instead_of", {})
    mutual = [Displacement(*each, mutual=True) for pair in pairs.items() for each in (pair, pair[::-1])]
    unused: Any = getattr(factory, "unused", None)
    without: Mapping[str, str] = unused(**options) if unused is not None else {}
    return [*mutual, *(Displacement(reason, option, mutual=False) for option, reason in without.items())]


def displaced_options(
    factory: object, options: Mapping[str, Any], changes: Mapping[str, Any], where: str
) -> dict[str, Any]:
    """Overrides that drop a recipe's own options in whose place a person gives others.

    Args:
        factory: of the data set.
        options: of the recipe's data, with the person's changes.
        changes: dotted keys to values, as the person gives them.
        where: the name of the recipe, for errors.

    Raises:
        RecipeError: a person gives two options of which the data set takes one, or an option without effect.
    """
    given = nested(changes).get("data")
    if not isinstance(given, Mapping):
        return {}
    dropped: dict[str, Any] = {}
    for each in displacements(factory, options):
        option, other = each.option, each.other
        value = given.get(option) if each.mutual else options.get(option)
        if given.get(other) is not None and not each.mutual:
            beside = f"without {option}" if value is None else f"beside {option} {value}"
            found = f"{other} is {given[other]}, which has no effect {beside}."
            advice = f"Leave out data.{other}." + ("" if value else f" To use it, set data.{option}.")
            raise RecipeError(f"{where}: data.{other}", found, advice)
        if value is None or (not value and not each.mutual):  # such as a share of 0, beside which a width may stay
            continue
        if given.get(other) is not None:
            found = f"{option} is {value} and {other} is {given[other]}; give one of them."
            advice = f"Leave out data.{other} for {value}, or data.{option} for {given[other]}."
            raise RecipeError(f"{where}: data", found, advice)
        if given.get(option) is not None and other not in given and options.get(other) is not None:
            dropped[f"data.{other}"] = None
    return dropped


def displaced_keys(factory: object, options: Mapping[str, Any], changes: Mapping[str, Any]) -> list[str]:
    """Changes that only drop an option in whose place a person gives another: no part of a run's name."""
    given = nested(changes).get("data")
    if not isinstance(given, Mapping):
        return []
    found = [each for each in displacements(factory, options) if given.get(each.option) is not None]
    return [f"data.{each.other}" for each in found if given.get(each.other) is None]
