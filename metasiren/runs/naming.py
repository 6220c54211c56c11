"""The names of runs in tables: recipe, preset and changes in few words, which need not tell all runs apart."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

UNNAMED = (
    "data.path", "data.second_path", "data.title", "evaluate", "train.log_every", "train.checkpoint_every",
    "train.pictures_every",
)  # fmt: skip
"""Changes that a run's name leaves out: they do not change the model, or the table's title states them."""
MOST_NAMED = 4
LONGEST = 40
"""Characters of a value; a longer one is cut, and ends in four characters of its digest."""
UNSAFE = re.compile(r'[\\/:*?"<>|]')
"""Characters that names of files cannot have everywhere."""


def label_of(environment: Mapping[str, Any]) -> str:
    """The name of the run with this environment.json, such as `celeba_cnn (quick, features=48)`."""
    displaced = environment.get("displaced", ())
    changes = environment.get("changes") or {}
    changes = {k: v for k, v in changes.items() if not k.startswith(UNNAMED) and k not in displaced}
    words = [f"{key.rpartition('.')[2]}={value_words(value)}" for key, value in changes.items()]
    if len(words) > MOST_NAMED:
        words = [*words[:MOST_NAMED], f"{len(words) - MOST_NAMED} more"]
    inside = ", ".join(filter(None, [environment.get("preset"), *words]))
    return f"{environment['recipe']} ({inside})" if inside else str(environment["recipe"])


def value_words(value: Any) -> str:
    """A value of a recipe in few words: `square side=0.2` for `{name: square, side: 0.2}`.

    Words of mappings and lists can be part of a file's name. Where they are shortened for that, a digest of the value
    keeps them apart.
    """
    text = whole = _words(value)
    if isinstance(value, Mapping | list):
        text = UNSAFE.sub("_", text)
    if len(text) <= LONGEST and text == whole:
        return text
    digest = sha256(json.dumps(value, default=str).encode()).hexdigest()[:4]
    return f"{text[: LONGEST - 5].rstrip()}…{digest}"


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        options = [f"{option}={_inside(each)}" for option, each in value.items() if option != "name"]
        return " ".join([*([str(value["name"])] if "name" in value else []), *options]) or "{}"
    if isinstance(value, list):
        return f"[{' '.join(map(_inside, value))}]"
    return value if isinstance(value, str) else str(value) if isinstance(value, float) else json.dumps(value)


def _inside(value: Any) -> str:
    return f"({_words(value)})" if isinstance(value, Mapping) else _words(value)
