"""YAML text to plain data, safely.

YAML here follows the 1.2 core schema where PyYAML does not: `1e-4` is a number, `on` and `yes` are words, and a
key given twice is an error.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from metasiren.errors import RecipeError


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2 scalars that refuses a key given twice."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (PyYAML's own protocol)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            word = self.construct_object(key, deep=True)
            if not isinstance(word, str | int | float | bool | None):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a word", key.start_mark)
            if word in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {word!r} is given twice", key.start_mark)
            seen.add(word)
        return super().construct_mapping(node, deep)


for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^[-+]?[0-9]+$", list("-+0123456789")),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", list("-+0123456789.")),
    ("merge", r"^<<$", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


def parse_yaml(text: str, where: str) -> Any:
    """Parse YAML safely.

    Raises:
        RecipeError: with the line, where the text is not YAML.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        spot = f"{where}: line {mark.line + 1}" if mark else where
        problem = getattr(error, "problem", None) or str(error)
        raise RecipeError(
            spot, f"not readable as YAML: {problem}.", "Check indentation, colons and brackets."
        ) from None
