"""A JSON schema of recipes, with which editors complete and check them; installed plugins included.

Draft 7, which every editor understands. A part must be named where the recipe itself uses it; a preset may change
options without naming the part again.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError

from metasiren.errors import PluginError
from metasiren.recipe import PLACES, Schedule, SirenOptions, Stage, Train
from metasiren.registry.catalogue import Catalogue, options_model
from metasiren.registry.docstrings import argument_help, documentation, prose

Schema = dict[str, Any]

DIALECT = "http://json-schema.org/draft-07/schema#"
NULL: Schema = {"type": "null"}

LENGTHS: list[Schema] = [
    {"required": [word], "properties": {word: {"not": NULL}}} for word in ("epochs", "steps", "stages")
]
"""The ways to say how long training is, each given."""

# What may stand beside a part's own options.
BESIDE: dict[str, Schema] = {
    "constraint": {"name": True, "weight": {"type": "number", "default": 1.0, "description": "factor on the loss"}},
    "protocol": {"protocol": True, "metrics": True},
}


def recipe_schema(catalogue: Catalogue) -> Schema:
    """The schema of a recipe file.

    Parts that cannot be imported are known by name, their options unchecked.
    """
    preset = _keys(catalogue, named=False)
    preset["needs"] = {"type": "array", "items": {"enum": ["data", "gpu"]}}
    preset |= {key: {"type": "string"} for key in ("cost", "gives")}
    presets = {
        "type": ["object", "null"],
        "description": "named changes to all of the above",
        "additionalProperties": {
            "type": ["object", "null", "string"],
            "description": "changes, or the name of a preset that this is another name of",
            "additionalProperties": False,
            "properties": preset,
        },
    }
    return {
        "$schema": DIALECT,
        "title": "metasiren recipe",
        "type": "object",
        "additionalProperties": False,
        # A preset may supply what the recipe itself leaves open.
        "anyOf": [
            {"required": ["data", "constraints", "train"], "properties": {"train": {"anyOf": LENGTHS}}},
            {"required": ["presets"]},
            {"required": ["extends"]},
        ],
        "properties": {**_keys(catalogue, named=True), "presets": presets, "extends": {"type": "string"}},
        "definitions": {
            f"{kind}.{name}": _options(catalogue, kind, name)
            for kind, offers in catalogue.offers.items()
            for name in offers
        },
    }


def _keys(catalogue: Catalogue, *, named: bool) -> Schema:
    """The keys of a recipe, or (not `named`) of a preset."""
    siren = _plain(SirenOptions.model_json_schema())
    keys: Schema = {"siren": siren, "train": _train()}
    for place in PLACES:
        if place.form == "keyed":
            short = {"type": "number"} if place.kind == "constraint" else NULL
            part = _keyed(catalogue, place.kind, short, named=named)
        elif place.form == "beside":
            part = _chosen(place.kind, catalogue.names(place.kind), place.kind, named=False)
            part["properties"][place.kind] = {"enum": [*catalogue.names(place.kind), None]}
        else:
            part = _part(catalogue, place.kind, named=named)
            if "*" in place.path or place.path == "siren.input_layer":
                part = {"anyOf": [*part["anyOf"], NULL]}
        _put(keys, place.path.split("."), part)
    return keys


def _train() -> Schema:
    """The keys of training; of its three ways to say how long it is, a recipe gives one."""
    train = _plain(Train.model_json_schema())
    words = {"enum": list(Schedule.model_json_schema()["properties"]["name"]["enum"])}
    train["properties"]["schedule"] = {"anyOf": [words, train["properties"]["schedule"]]}
    stage = _plain(Stage.model_json_schema())
    stage["properties"]["schedule"] = {"anyOf": [words, *stage["properties"]["schedule"]["anyOf"]]}
    train["properties"]["stages"] = {"anyOf": [{"type": "array", "minItems": 1, "items": stage}, NULL]}
    train["not"] = {"anyOf": [{"allOf": list(two)} for two in combinations(LENGTHS, 2)]}
    return train


def _put(keys: Schema, path: list[str], part: Schema) -> None:
    """Set what stands at a dotted path of a recipe; `*` stands for every stage."""
    *above, last = path
    for word in above:
        if word == "*":
            keys = keys["anyOf"][0]["items"]["properties"]
        else:
            below = keys[word]
            keys = below if word == "stages" else below["properties"]
    keys[last] = part


def _part(catalogue: Catalogue, kind: str, *, named: bool) -> Schema:
    """A part given as a word, or as `name` with options."""
    names = catalogue.names(kind)
    return {"anyOf": [{"enum": names}, _chosen(kind, names, "name", named=named)]}


def _chosen(kind: str, names: list[str], key: str, *, named: bool) -> Schema:
    """A mapping whose other keys depend on the name at `key`."""
    cases = [
        {"if": {"properties": {key: {"const": name}}, "required": [key]}, "then": _reference(kind, name)}
        for name in names
    ]
    chosen: Schema = {"type": "object", "properties": {key: {"enum": names}}, "allOf": cases}
    return {**chosen, "required": [key]} if named else chosen


def _keyed(catalogue: Catalogue, kind: str, short: Schema, *, named: bool) -> Schema:
    """Parts whose key is their name, unless they say otherwise."""
    names = catalogue.names(kind)
    elsewhere = _chosen(kind, names, "name", named=named)
    shorts = [short] if named else [short, NULL]  # in a preset, null drops what the recipe has
    renamed: Schema = {"type": "object", "required": ["name"]}
    own = {
        name: {"if": renamed, "then": elsewhere, "else": {"anyOf": [_reference(kind, name), *shorts]}} for name in names
    }
    other = elsewhere if named else {"anyOf": [elsewhere, *shorts]}
    return {"type": "object", "properties": own, "additionalProperties": other}


def _reference(kind: str, name: str) -> Schema:
    return {"$ref": f"#/definitions/{kind}.{name}"}


def _options(catalogue: Catalogue, kind: str, name: str) -> Schema:
    """The options of one part; everything is allowed where they cannot be known."""
    try:
        factory = catalogue.factory(kind, name, "schema")
        schema = _plain(options_model(kind, factory).model_json_schema(), factory)
    except (PluginError, PydanticInvalidForJsonSchema, PydanticSchemaGenerationError):
        return {"type": "object"}
    schema["properties"] = {**BESIDE.get(kind, {"name": True}), **schema.get("properties", {})}
    schema.pop("required", None)  # a preset may leave out what the recipe gives
    return schema


def _plain(schema: Schema, factory: Callable[..., Any] | None = None) -> Schema:
    """A pydantic schema as draft 7: references resolved, titles dropped, help and summary added."""
    below = schema.get("$defs", {})

    def over(node: Any) -> Any:
        if isinstance(node, list):
            return [over(each) for each in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return over({**below[node["$ref"].rpartition("/")[2]], **{k: v for k, v in node.items() if k != "$ref"}})
        kept = {k: over(v) for k, v in node.items() if k != "$defs" and not (k == "title" and isinstance(v, str))}
        if "prefixItems" in kept:  # draft 7 says the same with a list
            kept["items"] = kept.pop("prefixItems")
        return kept

    plain: Schema = over(schema)
    plain.pop("description", None)
    if factory is not None:
        words = argument_help(factory)
        for name, option in plain.get("properties", {}).items():
            if words.get(name):
                option["description"] = words[name]
        plain["description"] = prose(documentation(factory)).partition("\n\n")[0].replace("\n", " ")
    return plain
