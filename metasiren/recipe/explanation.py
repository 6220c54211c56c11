"""Validation errors as messages that name keys and what would work."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from metasiren.errors import RecipeError, did_you_mean
from metasiren.recipe.model import Recipe
from metasiren.recipe.words import key_meant


def explain(
    error: ValidationError,
    where: str,
    model: type[BaseModel],
    prefix: str = "",
    *,
    types: Mapping[str, str] = MappingProxyType({}),
    overrides: Collection[str] = (),
) -> RecipeError:
    """A pydantic error as one that names keys and what would work.

    Args:
        error: of validation.
        where: the place that the error names.
        model: that was validated.
        prefix: before every key.
        types: of options that may be of several types or have several entries, as `int | tuple[int, int]`; pydantic
            has an error of its own for each of them.
        overrides: keys that the caller gave, such as train.steps. Where all errors are of these, the error names the
            key as --set takes it, not `where`.
    """
    keys: list[str] = []
    found: list[str] = []
    advice: list[str] = []
    items = error.errors(include_url=False)
    # One message for an option, whose value is that of the error with the fewest words.
    shortest = {str(item["loc"][0]): item for item in sorted(items, key=lambda item: -len(item["loc"])) if item["loc"]}
    for item in items:
        option = str(item["loc"][0]) if item["loc"] else ""
        kind = types.get(option, "")
        if kind and _is_of_wrong_type(item, kind):
            value = shortest[option]["input"]
            found.append(f"{option}: expected {_expected(kind)}. Found {value!r}.")
            continue
        key = ".".join([prefix, *map(str, item["loc"])] if prefix else map(str, item["loc"]))
        keys.append(key)
        if item["type"] == "extra_forbidden":
            known = _fields_at(model, item["loc"][:-1])
            word = str(item["loc"][-1])
            found.append(f"{key}: unknown key.")
            meant = key_meant(word) if model is Recipe else key_meant(word).rpartition(".")[2]
            fits = meant != key if model is Recipe else meant in known
            question = f"Did you mean '{meant}'?" if meant and fits else did_you_mean(word, known)
            advice.append(f"{question} known: {', '.join(known)}".strip())
        elif item["type"] == "missing":
            found.append(f"{key}: missing.")
        else:
            shown = "" if isinstance(item["input"], dict) else f" Found {item['input']!r}."
            found.append(f"{key or 'recipe'}: {item['msg'].removeprefix('Value error, ')}.{shown}")
    found = list(dict.fromkeys(found))
    if keys and all(any(_overlap(key, each) for each in overrides) for key in keys):
        where = f"--set {keys[0]}"
        found = [found[0].removeprefix(f"{keys[0]}: "), *found[1:]]
    return RecipeError(where, "\n  ".join(found), "\n".join(dict.fromkeys(advice)))


def _overlap(key: str, other: str) -> bool:
    """Whether two dotted keys are equal, or one lies below the other."""
    return f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}.")


def _is_of_wrong_type(item: ErrorDetails, kind: str) -> bool:
    """Whether an error is about an option of several types, or about one with several entries."""
    if "tuple[" not in kind and len(item["loc"]) < 2:
        return False
    return item["type"].endswith(("_type", "_parsing", "_from_float", "literal_error", "missing", "too_long"))


def _expected(kind: str) -> str:
    """A type as YAML has it: `int | tuple[int, int] | None` is `int or [int, int]`."""
    words = [word for word in kind.split(" | ") if word != "None"]
    return " or ".join(words).replace("tuple[", "[").replace("list[", "[")


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    for word in location:
        field = model.model_fields.get(str(word))
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
            return []
        model = field.annotation
    return list(model.model_fields)
