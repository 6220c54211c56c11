"""Validation errors as messages that name keys and what would work."""

from __future__ import annotations

from pydantic import BaseModel, ValidationError

from metasiren.errors import RecipeError, did_you_mean
from metasiren.recipe.model import Recipe
from metasiren.recipe.words import key_meant


def explain(error: ValidationError, where: str, model: type[BaseModel], prefix: str = "") -> RecipeError:
    """A pydantic error as one that names keys and what would work."""
    found, advice = [], []
    for item in error.errors(include_url=False):
        key = ".".join([prefix, *map(str, item["loc"])] if prefix else map(str, item["loc"]))
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
    return RecipeError(where, "\n  ".join(found), "\n".join(dict.fromkeys(advice)))


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    for word in location:
        field = model.model_fields.get(str(word))
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
            return []
        model = field.annotation
    return list(model.model_fields)
