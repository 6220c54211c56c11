"""The options of the data set `box`: axes, names of axes and point sets, formulas and noise, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from metasiren import RecipeError
from metasiren_physics.expressions import Expression

Formula = str | float | list[str | float]
WHERE = "data: box"


def check_axes(axes: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """The axes, each with a lower and a higher end.

    Raises:
        RecipeError: none at all, a name that no formula could use, or an interval that is empty.
    """
    if not axes:
        raise RecipeError(f"{WHERE}: axes", "there are none.", "An example is {t: [0, 1], x: [-1, 1]}.")
    for name, (low, high) in axes.items():
        if not name.isidentifier():
            raise RecipeError(f"{WHERE}: axes", f"{name!r} is no name.", "Give letters, such as x.")
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            found = f"[{low}, {high}] is no interval."
            raise RecipeError(f"{WHERE}: axes: {name}", found, "Give two numbers, the smaller first.")
    return {name: (float(low), float(high)) for name, (low, high) in axes.items()}


def check_names(where: str, given: Any, known: Sequence[str], kind: str) -> None:
    """Refuse names that do not exist.

    Raises:
        RecipeError: naming those that do.
    """
    for name in given:
        if name not in known:
            raise RecipeError(where, f"there is no {kind} {name!r}.", f"known: {', '.join(known) or 'none'}")


def read_planes(
    planes: Mapping[str, Mapping[str, float]], axes: Mapping[str, tuple[float, float]], time: str | None
) -> dict[str, dict[str, float]]:
    """The fixed coordinates of each plane; `initial` is the start of the axis `time` unless it is given.

    Raises:
        RecipeError: an unknown axis.
    """
    found = {name: dict(fixed) for name, fixed in planes.items()}
    if time is not None:
        found.setdefault("initial", {time: axes[time][0]})
    for name, fixed in found.items():
        check_names(f"{WHERE}: planes: {name}", fixed, list(axes), "axis")
    return found


def read_targets(
    at: str, given: Formula | Mapping[str, Formula], names: Sequence[str]
) -> dict[str, tuple[Expression, ...]]:
    """Formulas by the target's name.

    Raises:
        RecipeError: a formula that cannot be read.
    """
    by_name = given if isinstance(given, Mapping) else {"values": given}
    found = {}
    for name, formulas in by_name.items():
        each = formulas if isinstance(formulas, list) else [formulas]
        found[name] = tuple(Expression(text, names, f"{WHERE}: targets: {at}: {name}") for text in each)
    return found


def check_noise(noise: Mapping[str, float], targets: Mapping[str, Mapping[str, object]]) -> None:
    """Refuse noise that is below zero, or on a set without values.

    Raises:
        RecipeError: naming the set.
    """
    for at, size in noise.items():
        if at == "boundary" or "values" not in targets.get(at, {}):
            found = f"the point set {at!r} has no readings."
            raise RecipeError(f"{WHERE}: noise", found, "Name a plane or interior whose targets are values.")
        if size < 0:
            raise RecipeError(f"{WHERE}: noise: {at}", f"{size} is below 0.", "Give a standard deviation.")


def check_redraw(redraw: bool | int, *, adaptive: bool, settle: bool, attention: bool) -> None:
    """Refuse options that need new points where `redraw` is off, and `attention` where it is on.

    Args:
        redraw: whether, or after how many steps, points are drawn anew.
        adaptive: whether this option is given.
        settle: whether this option is given.
        attention: whether this option is given.

    Raises:
        RecipeError: naming the option.
    """
    if adaptive and redraw is False:
        raise RecipeError(f"{WHERE}: adaptive", "redraw is off, so points stay.", "Leave one of them out.")
    if settle and redraw is False:
        raise RecipeError(f"{WHERE}: settle", "redraw is off, so points stay anyway.", "Leave one of them out.")
    if attention and redraw is not False:
        raise RecipeError(f"{WHERE}: attention", "points are drawn anew.", "Set redraw: false, or leave it out.")
