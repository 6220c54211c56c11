"""Presets and overrides: merging of plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from metasiren.errors import RecipeError
from metasiren.recipe.yaml_text import parse_yaml


def merge(base: Any, change: Any, where: str = "") -> Any:
    """Overlay `change` on `base`: mappings merge, all else is replaced, and null removes a constraint or option.

    A part whose `name` changes (or is given as a word) is replaced whole: options of one part are not those of another.
    A mapping from numbers changes these entries of a list, counted from 0: {"0": {"steps": 70}}.

    Raises:
        RecipeError: a list has no entry of this number; the message names `where` the list is.
    """
    if isinstance(base, list) and isinstance(change, Mapping) and change and all(map(_number, change)):
        return _merged_entries(base, change, where)
    if not isinstance(change, Mapping) or not isinstance(base, Mapping):
        return deepcopy(change)
    if "name" in change and base.get("name", change["name"]) != change["name"]:
        return deepcopy(dict(change))
    merged = dict(base)
    for key, value in change.items():
        below = merged.get(key)
        if isinstance(below, str) and isinstance(value, Mapping) and "name" not in value:
            below = {"name": below}
        merged[key] = merge(below, value, f"{where}.{key}".lstrip("."))
    return merged


def _number(key: Any) -> bool:
    return isinstance(key, str) and key.isascii() and key.isdecimal() and len(key) < 100


def _merged_entries(entries: list[Any], change: Mapping[str, Any], where: str) -> list[Any]:
    merged = list(entries)
    for key, value in change.items():
        if int(key) >= len(merged):
            found = f"the list {where} has {len(merged)} entries."
            raise RecipeError(f"{where}.{key}", found, "Entries are counted from 0; to add one, give the whole list.")
        merged[int(key)] = merge(merged[int(key)], value, f"{where}.{key}")
    return merged


def overlay(tree: dict[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Merge, with two rules of recipes: null drops a constraint, and epochs, steps and stages displace each other."""
    merged: dict[str, Any] = merge(tree, change)
    constraints = merged.get("constraints")
    if isinstance(constraints, dict):
        dropped = [k for k, v in (change.get("constraints") or {}).items() if v is None]
        merged["constraints"] = {k: v for k, v in constraints.items() if k not in dropped}
    train, changed = merged.get("train"), change.get("train")
    if isinstance(train, dict) and isinstance(changed, Mapping):
        lengths = ("steps", "epochs", "stages")
        if any(word in changed for word in lengths):
            for other in lengths:
                if other not in changed:
                    train.pop(other, None)
    return merged


def nested(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """{"train.optimizer.lr": 1e-3} -> {"train": {"optimizer": {"lr": 1e-3}}}."""
    tree: dict[str, Any] = {}
    for key, value in overrides.items():
        words = key.split(".")
        if not all(words):
            raise RecipeError(f"--set {key}", "an empty word in the key.", "Write it as train.optimizer.lr=1e-3.")
        branch: Any = value
        for word in reversed(words):
            branch = {word: branch}
        tree = merge(tree, branch)
    return tree


def read_overrides(pairs: Iterable[str]) -> dict[str, Any]:
    """What `--set key=value` gives: dotted keys to YAML values, as `load_recipe` takes them.

    Raises:
        RecipeError: not key=value, or no YAML.
    """
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise RecipeError(f"--set {pair}", "not key=value.", "Write it as train.optimizer.lr=1e-3.")
        found[key.strip()] = parse_yaml(value, f"--set {key}")
    return found
