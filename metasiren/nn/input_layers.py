"""The input layers that a recipe can name: `input_layer: {name: positional_encoding, frequencies: 7}`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from metasiren.errors import RecipeError, did_you_mean
from metasiren.nn.encodings import InputLayer, PositionalEncoding, RbfGaussian, RbfQuartic
from metasiren.nn.magnifier import Magnifier

INPUT_LAYERS: dict[str, type[PositionalEncoding | RbfGaussian | RbfQuartic | Magnifier]] = {
    "positional_encoding": PositionalEncoding,
    "rbf_gaussian": RbfGaussian,
    "rbf_quartic": RbfQuartic,
    "magnifier": Magnifier,
}

OPTION_TYPES: dict[str, type] = {"sigma": float, "gain": float, "distance": bool, "places": list, "axes": list}
"""Of options that are not whole numbers."""

ARTICLES: dict[type, str] = {int: "an int", float: "a float", bool: "a bool", list: "a list"}
ADVICE: dict[type, str] = {int: "a number", float: "a number", bool: "true or false", list: "a list"}


def make_input_layer(spec: Mapping[str, Any]) -> InputLayer:
    """The input layer that `spec` names: `{"name": "rbf_gaussian", "centres": 256}`.

    Raises:
        RecipeError: no name, an unknown name or option, or a number out of range.
    """
    name = spec.get("name")
    if not isinstance(name, str) or name not in INPUT_LAYERS:
        advice = f"{did_you_mean(str(name), INPUT_LAYERS)}\nknown: {', '.join(INPUT_LAYERS)}".strip()
        raise RecipeError("siren: input_layer", f"no input layer is called {name!r}.", advice)
    kind = INPUT_LAYERS[name]
    known = [f.name for f in fields(kind)]
    options = {key: value for key, value in spec.items() if key != "name"}
    for key, value in options.items():
        if key not in known:
            advice = f"{did_you_mean(key, known)}\nknown: {', '.join(known)}".strip()
            raise RecipeError(f"siren: input_layer: {name}", f"no option is called {key!r}.", advice)
        wanted = OPTION_TYPES.get(key, int)
        fits = isinstance(value, wanted) or (wanted is float and isinstance(value, int))
        if not fits or (isinstance(value, bool) and wanted is not bool):
            found = f"{key} is {value!r}, which is not {ARTICLES[wanted]}."
            raise RecipeError(f"siren: input_layer: {name}", found, f"Give {ADVICE[wanted]}.")
    return kind(**options)
