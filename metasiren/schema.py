"""A JSON schema of recipes, with which editors complete and check them; installed plugins included.

It is stricter than nothing and never stricter than `load_recipe`: what a recipe may say, the schema allows.
Draft 7, which every editor understands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError

from metasiren.activations import ACTIVATIONS
from metasiren.catalogue import Catalogue, options_model
from metasiren.docstrings import argument_help, prose
from metasiren.errors import PluginError
from metasiren.inputs import INPUT_LAYERS
from metasiren.recipe import Schedule, SirenOptions, Train

Schema = dict[str, Any]

DIALECT = "http://json-schema.org/draft-07/schema#"
NEEDS = ("data", "gpu")


def recipe_schema(catalogue: Catalogue) -> Schema:
    """The schema of a recipe file.

    Parts whose module cannot be imported are known by name, their options unchecked.
    """
    definitions = _definitions(catalogue)
    parts = {"data": "dataset", "encoder": "encoder", "decoder": "decoder"}
    keys: Schema = {key: {"$ref": f"#/definitions/{kind}"} for key, kind in parts.items()}
    keys["siren"] = _siren()
    keys["constraints"] = _keyed(catalogue, "constraint", {"weight": {"type": "number", "default": 1.0}}, "number")
    keys["train"] = _train()
    keys["evaluate"] = {"$ref": "#/definitions/evaluate"}
    preset = {"type": ["object", "null"], "additionalProperties": False, "properties": {**keys, "needs": _needs()}}
    return {
        "$schema": DIALECT,
        "title": "metasiren recipe",
        "type": "object",
        "additionalProperties": False,
        # A preset may supply what the recipe itself leaves open.
        "anyOf": [{"required": ["data", "constraints", "train"]}, {"required": ["presets"]}],
        "properties": {**keys, "presets": {"type": ["object", "null"], "additionalProperties": preset}},
        "definitions": definitions,
    }


def _definitions(catalogue: Catalogue) -> Schema:
    found: Schema = {}
    for kind, named in catalogue.offers.items():
        for name in named:
            found[f"{kind}:{name}"] = _options(catalogue, kind, name)
    for kind in ("dataset", "encoder", "decoder", "optimizer"):
        found[kind] = _part(catalogue, kind)
    found["evaluate"] = _evaluate(catalogue)
    return found


def _options(catalogue: Catalogue, kind: str, name: str) -> Schema:
    """The options of one part; everything is allowed where they cannot be known."""
    try:
        factory = catalogue.factory(kind, name, "schema")
        model = options_model(kind, factory)
        schema = model.model_json_schema()
    except (PluginError, PydanticInvalidForJsonSchema, PydanticSchemaGenerationError):
        return {"type": "object", "properties": {}}
    return _flat(schema, factory)


def _flat(schema: Schema, factory: Callable[..., Any]) -> Schema:
    """A pydantic schema of options as draft 7: references resolved, help added, titles dropped."""
    below, words = schema.get("$defs", {}), argument_help(factory)

    def plain(node: Any) -> Any:
        if isinstance(node, list):
            return [plain(each) for each in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return plain(below.get(node["$ref"].rpartition("/")[2], {}))
        kept = {key: plain(value) for key, value in node.items() if key != "title" or not isinstance(value, str)}
        if "prefixItems" in kept:  # draft 7 says the same with a list
            kept["items"] = kept.pop("prefixItems")
        return kept

    options = {name: plain(option) for name, option in schema.get("properties", {}).items()}
    for name, option in options.items():
        if words.get(name):
            option["description"] = words[name]
    about = prose(factory.__doc__ or "").partition("\n\n")[0].replace("\n", " ")
    allowed = schema.get("additionalProperties", False)
    flat = {"type": "object", "description": about, "properties": options, "additionalProperties": allowed}
    return flat


def _part(catalogue: Catalogue, kind: str) -> Schema:
    """A part named by a word or by `name`; a preset may change options without naming it again."""
    names = catalogue.names(kind)
    cases = [_case("name", name, _with(f"{kind}:{name}", catalogue, kind, name, "name")) for name in names]
    part = {"type": "object", "properties": {"name": {"enum": names}}, "allOf": cases}
    return {"anyOf": [{"enum": names}, part]}


def _with(reference: str, catalogue: Catalogue, kind: str, name: str, *further: str) -> Schema:
    """A part's options, with keys that stand beside them."""
    options = _options(catalogue, kind, name)
    return {**options, "properties": {**{key: True for key in further}, **options["properties"]}}


def _case(key: str, name: str, then: Schema) -> Schema:
    return {"if": {"properties": {key: {"const": name}}, "required": [key]}, "then": then}


def _keyed(catalogue: Catalogue, kind: str, beside: Schema, short: str) -> Schema:
    raise AssertionError


def _siren() -> Schema:
    raise AssertionError


def _train() -> Schema:
    raise AssertionError


def _evaluate(catalogue: Catalogue) -> Schema:
    raise AssertionError


def _needs() -> Schema:
    return {"type": "array", "items": {"enum": list(NEEDS)}}
