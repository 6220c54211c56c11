"""The built-in input layers by name, which `Siren` takes as plain data: `{"name": "rbf_gaussian", "centres": 256}`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from metasiren.errors import RecipeError, did_you_mean
from metasiren.nn.domain import Domain
from metasiren.nn.encodings import InputLayer, PositionalEncoding, RbfGaussian, RbfQuartic

INPUT_LAYERS: dict[str, type[PositionalEncoding | RbfGaussian | RbfQuartic]] = {
    "positional_encoding": PositionalEncoding,
    "rbf_gaussian": RbfGaussian,
    "rbf_quartic": RbfQuartic,
}


def make_input_layer(spec: Mapping[str, Any], domain: Domain) -> InputLayer:
    """The built-in input layer that `spec` names.

    Raises:
        RecipeError: no name, an unknown name or option, or a number out of range.
    """
    name = spec.get("name")
    if not isinstance(name, str) or name not in INPUT_LAYERS:
        advice = f"{did_you_mean(str(name), INPUT_LAYERS)}\nknown: {', '.join(INPUT_LAYERS)}".strip()
        advice += "\nThose of plugins are named in recipes, or given as objects."
        raise RecipeError("siren: input_layer", f"no input layer is called {name!r}.", advice)
    kind = INPUT_LAYERS[name]
    known = [f.name for f in fields(kind) if f.name != "domain"]
    options = {key: value for key, value in spec.items() if key != "name"}
    for key, value in options.items():
        if key not in known:
            advice = f"{did_you_mean(key, known)}\nknown: {', '.join(known)}".strip()
            raise RecipeError(f"siren: input_layer: {name}", f"no option is called {key!r}.", advice)
        wanted, article = (float, "a float") if key == "sigma" else (int, "an int")
        fits = isinstance(value, wanted | int) or (key, value) == ("samples", "grid")
        if not fits or isinstance(value, bool):
            found = f"{key} is {value!r}, which is not {article}."
            raise RecipeError(f"siren: input_layer: {name}", found, "Give a number.")
    return kind(domain, **options)
