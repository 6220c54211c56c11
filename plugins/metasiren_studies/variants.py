"""Variants of one recipe that differ in the values of a few keys: `--over KEY=V1,V2`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from metasiren import Catalogue, PluginError, Recipe, RecipeError, did_you_mean
from metasiren.recipe import nested, parse_yaml
from metasiren.registry.catalogue import options_model

if TYPE_CHECKING:
    from metasiren.contracts import Domain

NONLINEARITY, INPUT_LAYER = "siren.nonlinearity", "siren.input_layer"
INIT_SCALE = "siren.init_scale"
NAMED = ("data", "encoder", "decoder", "train.optimizer", "train.schedule", INPUT_LAYER)
"""Keys at which a word stands for a part of that name."""
BASELINES = ("relu_pe", "rbf", "rbf_quartic")
"""The paper's variants that are a nonlinearity and an input layer at once."""


@dataclass(frozen=True)
class Axis:
    """One `--over`: a recipe key, dotted, and the values that it takes in turn."""

    key: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Variant:
    """One variant.

    Attributes:
        name: names its run directory.
        title: as tables and legends call it.
        choices: the value at each axis's key.
    """

    name: str
    title: str
    choices: Mapping[str, Any]

    @property
    def baseline(self) -> str | None:
        """The word among `BASELINES` that this variant goes by, if any."""
        word = self.choices.get(NONLINEARITY)
        return word if isinstance(word, str) and word in BASELINES else None

    def overrides(self, domain: Domain | None = None) -> dict[str, Any]:
        """Dotted keys to values, as `load_recipe` takes them.

        Args:
            domain: of the data; variants fit their input layer to it.

        Raises:
            RecipeError: a positional encoding that the data does not settle.
        """
        found: dict[str, Any] = {}
        for key, value in self.choices.items():
            if key == NONLINEARITY and self.baseline is not None:
                assert domain is not None
                found |= nonlinearity_options(self.baseline, domain)
            else:
                found[f"{key}.name" if key in NAMED and isinstance(value, str) else key] = value
        return found


def nonlinearity_options(baseline: str, domain: Domain) -> dict[str, Any]:
    """The SIREN options of one of the paper's `BASELINES`, all with ReLU.

    Octaves of positional encoding are as many as the grid's shortest axis can carry, and 10 in three dimensions;
    radial bases have 256 centres in two dimensions and 1,024 otherwise (supplement, section 6.4 and the authors' code).

    Raises:
        RecipeError: positional encoding of data of one or two dimensions that lies on no grid.
    """
    if baseline != "relu_pe":
        name = "rbf_gaussian" if baseline == "rbf" else baseline
        layer: dict[str, Any] = {"name": name, "centres": 256 if domain.d_in == 2 else 1024}
    elif domain.d_in >= 3:
        layer = {"name": "positional_encoding", "frequencies": 10}
    elif domain.grid:
        layer = {"name": "positional_encoding", "samples": min(domain.grid)}
    else:
        advice = "--over 'siren={nonlinearity: relu, input_layer: {name: positional_encoding, frequencies: 7}}'"
        found = "the data lies on no grid, which would settle the number of octaves."
        raise RecipeError("--over nonlinearity=relu_pe", found, f"Say how many: {advice}")
    return {NONLINEARITY: "relu", INPUT_LAYER: layer}


def own_defaults(choices: Mapping[str, Any], recipe: Recipe, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Values of its own for a nonlinearity that is not the recipe's: `init_scale` is tuned for the recipe's alone.

    Args:
        choices: dotted keys to values of one variant.
        recipe: with its preset and overrides.
        overrides: of a person; what they set stays.
    """
    given = nested(overrides).get("siren") or {}
    if choices.get(NONLINEARITY, recipe.siren.nonlinearity) == recipe.siren.nonlinearity or INIT_SCALE in choices:
        return {}
    default = type(recipe.siren)().init_scale
    return {} if "init_scale" in given or recipe.siren.init_scale == default else {INIT_SCALE: default}


def read_axes(texts: Sequence[str], recipe: Recipe, catalogue: Catalogue) -> tuple[Axis, ...]:
    """Each `KEY=V1,V2` with its key spelt out.

    Raises:
        RecipeError: no values, an unknown or ambiguous key, or a key given twice.
    """
    if not texts:
        raise RecipeError("--over", "not given.", "Say what differs, such as --over nonlinearity=sine,relu,tanh.")
    known = recipe_keys(recipe, catalogue)
    axes: list[Axis] = []
    for text in texts:
        word, equals, listed = text.partition("=")
        if not equals or not word.strip():
            raise RecipeError(f"--over {text}", "not KEY=V1,V2.", "Write it as nonlinearity=sine,relu,tanh.")
        key, where = find_key(word.strip(), known), f"--over {word.strip()}"
        values = parse_yaml(f"[{listed}]", where)
        if not values or listed.rstrip().endswith(","):
            raise RecipeError(where, f"an empty value in {listed!r}.", "Write KEY=V1,V2; null is a value too.")
        if any(axis.key == key for axis in axes):
            raise RecipeError(where, f"{key} is given twice.", f"List all its values once: --over {key}=V1,V2,V3.")
        axes.append(Axis(key, tuple(values)))
    return tuple(axes)


def find_key(word: str, known: Sequence[str]) -> str:
    """The recipe key that a word means: a dotted key, or the end of just one.

    Raises:
        RecipeError: it means none, or several.
    """
    if word in known or re.match(r"(constraints|evaluate\.metrics)\.\w", word):
        return word  # what these hold is open; assembling the recipe checks it
    meant = [key for key in known if key.endswith(f".{word}")]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise RecipeError(f"--over {word}", "could mean several keys.", f"Give one of: {', '.join(meant)}")
    short = {key.rpartition(".")[2]: key for key in known}
    advice = f"{did_you_mean(word, [*known, *short])}\nkeys: {', '.join(known)}".strip()
    raise RecipeError(f"--over {word}", "the recipe has no such key.", advice)


def recipe_keys(recipe: Recipe, catalogue: Catalogue) -> list[str]:
    """Every dotted key that may be set in a recipe, options of its parts included."""
    keys = dict.fromkeys(_dotted(recipe.model_dump()))
    for part in recipe.parts():
        at = "evaluate" if part.kind == "protocol" else part.key
        options = options_model(part.kind, catalogue.factory(part.kind, part.name, f"{recipe.name}: {at}")).model_fields
        keys |= dict.fromkeys(f"{at}.{option}" for option in options)
    for name in catalogue.names("input_encoding"):
        try:
            options = options_model(
                "input_encoding", catalogue.factory("input_encoding", name, INPUT_LAYER)
            ).model_fields
        except PluginError:
            continue
        keys |= dict.fromkeys(f"{INPUT_LAYER}.{option}" for option in sorted(options))
    return list(keys)


def _dotted(tree: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for key, value in tree.items():
        yield before + key
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{before}{key}.")


def cross(axes: Sequence[Axis]) -> tuple[Variant, ...]:
    """Every combination of the axes' values, the last axis fastest."""
    made: list[Variant] = []
    for values in product(*(axis.values for axis in axes)):
        words = [_words(axis.key, value) for axis, value in zip(axes, values, strict=True)]
        # Names are those of folders on any system.
        name = stem = re.sub(r"[^\w.=+-]+", "_", "-".join(words)).strip("_.") or "variant"
        twins = sum(other.name == stem or other.name.startswith(f"{stem}~") for other in made)
        if twins:
            name = f"{stem}~{twins + 1}"
        choices = {axis.key: value for axis, value in zip(axes, values, strict=True)}
        made.append(Variant(name, ", ".join(words), choices))
    return tuple(made)


def _words(key: str, value: Any) -> str:
    """A value in few words: names stand for themselves, all else says its key."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        rest = [_option(option, each) for option, each in value.items() if option != "name"]
        return ", ".join([str(value["name"]), *rest] if "name" in value else rest)
    return f"{key.rpartition('.')[2]}={'none' if value is None else json.dumps(value)}"


def _option(option: str, value: Any) -> str:
    """An option of a part in few words; one that holds options without a name keeps its own: `tv (weight=0.001)`."""
    words = _words(option, value)
    return f"{option} ({words})" if isinstance(value, Mapping) and "name" not in value else words
