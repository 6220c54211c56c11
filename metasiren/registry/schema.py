"""A JSON schema of recipes, with which editors complete and check them; installed plugins included.

Draft 7, which every editor understands. A part must be named where the recipe itself uses it; a preset may change
options without naming the part again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError

from metasiren.errors import PluginError
from metasiren.nn.activations import ACTIVATIONS
from metasiren.nn.input_layers import INPUT_LAYERS
from metasiren.recipe import SirenOptions, Train
from metasiren.registry.catalogue import Catalogue, options_model
from metasiren.registry.docstrings import argument_help, documentation, prose

Schema = dict[str, Any]

DIALECT = "http://json-schema.org/draft-07/schema#"
NULL: Schema = {"type": "null"}

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
    presets = {
        "type": ["object", "null"],
        "description": "named changes to all of the above",
        "additionalProperties": {"type": ["object", "null"], "additionalProperties": False, "properties": preset},
    }
    return {
        "$schema": DIALECT,
        "title": "metasiren recipe",
        "type": "object",
        "additionalProperties": False,
        # A preset may supply what the recipe itself leaves open.
        "anyOf": [{"required": ["data", "constraints", "train"]}, {"required": ["presets"]}],
        "properties": {**_keys(catalogue, named=True), "presets": presets},
        "definitions": {
            f"{kind}.{name}": _options(catalogue, kind, name)
            for kind, offers in catalogue.offers.items()
            for name in offers
        },
    }


def _keys(catalogue: Catalogue, *, named: bool) -> Schema:
    """The keys of a recipe, or (not `named`) of a preset."""
    train = _plain(Train.model_json_schema())
    train["properties"]["optimizer"] = _part(catalogue, "optimizer", named=named)
    schedule = train["properties"]["schedule"]
    train["properties"]["schedule"] = {"anyOf": [{"enum": schedule["properties"]["name"]["enum"]}, schedule]}
    siren = _plain(SirenOptions.model_json_schema())
    siren["properties"]["nonlinearity"] = {"enum": list(ACTIVATIONS), "default": "sine"}
    layer = {"type": "object", "required": ["name"], "properties": {"name": {"enum": list(INPUT_LAYERS)}}}
    siren["properties"]["input_layer"] = {"anyOf": [layer, NULL]}
    return {
        "data": _part(catalogue, "dataset", named=named),
        "siren": siren,
        "encoder": _part(catalogue, "encoder", named=named),
        "decoder": _part(catalogue, "decoder", named=named),
        "constraints": _keyed(catalogue, "constraint", {"type": "number"}, named=named),
        "train": {**train, "not": {"required": ["epochs", "steps"]}},
        "evaluate": _evaluate(catalogue, named=named),
    }


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


def _evaluate(catalogue: Catalogue, *, named: bool) -> Schema:
    evaluate = _chosen("protocol", catalogue.names("protocol"), "protocol", named=False)
    evaluate["properties"]["metrics"] = _keyed(catalogue, "metric", NULL, named=named)
    return evaluate


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
