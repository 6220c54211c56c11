"""YAML text to plain data, safely.

YAML here follows the 1.2 core schema where PyYAML does not: `1e-4` is a number, `010` is ten, `on` and `yes` are words,
keys are text, and a key given twice is an error. Aliases are counted as if they were written out, so that a short text
cannot become a tree that fills the memory.
"""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

from metasiren.errors import RecipeError

MOST_NODES = 20_000
MOST_CHARACTERS = 1 << 20


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2 scalars that refuses a key given twice, and a tree that is too large."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (PyYAML's own protocol)
    composed = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        # Counted on the way, because composing a large text takes long, too.
        self.composed += 1
        if self.composed > MOST_NODES:
            raise _too_large(self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        return super().compose_node(parent, index)

    def get_single_node(self) -> Any:
        node = super().get_single_node()
        if node is not None:
            nodes, characters = _expanded(node, {})
            if nodes > MOST_NODES or characters > MOST_CHARACTERS:
                raise _too_large(node.start_mark)
        return node

    def construct_yaml_int(self, node: Any) -> int:
        return int(self.construct_scalar(node))

    def construct_yaml_float(self, node: Any) -> float:
        value = float(self.construct_scalar(node))
        if not math.isfinite(value):
            raise yaml.constructor.ConstructorError(
                None, None, f"{_short(node.value)} is beyond the largest number", node.start_mark
            )
        return value

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a word", key.start_mark)
            key.tag = "tag:yaml.org,2002:str"  # `10:` is the key "10", as it is in JSON
            if key.value in seen:
                problem = f"the key {_short(key.value)} is given twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Quotes exactly the words that `_Loader` would read as something else."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (PyYAML's own protocol)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _expanded(node: Any, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Nodes and characters of a tree with its aliases written out. A node inside itself counts as too many."""
    if id(node) in known:
        return known[id(node)]
    if isinstance(node, yaml.ScalarNode):
        return 1, len(node.value)
    known[id(node)] = (MOST_NODES + 1, 0)
    below = [each for pair in node.value for each in (pair if isinstance(pair, tuple) else (pair,))]
    sizes = [_expanded(each, known) for each in below]
    known[id(node)] = 1 + sum(nodes for nodes, _ in sizes), sum(characters for _, characters in sizes)
    return known[id(node)]


def _too_large(mark: Any) -> yaml.YAMLError:
    limits = f"{MOST_NODES:,} values or {MOST_CHARACTERS:,} characters, aliases written out"
    return yaml.constructor.ConstructorError(None, None, f"more than {limits}", mark)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:40]}... ({len(text):,} characters)"


_CORE = ("null", "bool", "str", "seq", "map")
_Loader.yaml_constructors = {
    f"tag:yaml.org,2002:{word}": yaml.SafeLoader.yaml_constructors[f"tag:yaml.org,2002:{word}"] for word in _CORE
}
_Loader.yaml_constructors[None] = yaml.SafeLoader.yaml_constructors[None]
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_yaml_float)

for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^[-+]?[0-9]+$", list("-+0123456789")),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", list("-+0123456789.")),
    ("merge", r"^<<$", ["<"]),
):
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


def dump_yaml(tree: Any) -> str:
    """Plain data as YAML that `parse_yaml` reads back unchanged; keys are text."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False)


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
