"""The texts of docstrings about arguments, and types in words."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable
from types import NoneType, UnionType
from typing import Any, Literal, Union

_SECTION = re.compile(r"(Args|Arguments|Attributes|Returns|Yields|Raises|Example|Examples|Note|Notes):$")
_ENTRY = re.compile(r"    \*{0,2}(\w+(?:, \w+)*)(?: \([^)]*\))?:\s*(.*)")

CONTRACTS = re.compile(r"metasiren\.(contracts\b.*|nn\.activations\.Activation|nn\.encodings\.InputLayer)")


def documentation(factory: Callable[..., Any]) -> str:
    """A factory's docstring, tidied; a class may inherit that of a base, but not the contract's."""
    for each in factory.__mro__ if isinstance(factory, type) else (factory,):
        if CONTRACTS.fullmatch(f"{each.__module__}.{each.__qualname__}"):
            break
        if each.__doc__:
            return inspect.cleandoc(each.__doc__)
    return ""


def prose(doc: str) -> str:
    """A docstring without its `Args` and `Attributes` sections, the rest laid out as it was."""
    kept, section = [], ""
    for line in inspect.cleandoc(doc).splitlines():
        match = _SECTION.match(line)
        if match:
            section = match[1]
        elif line and not line.startswith(" "):
            section = ""
        if section not in ("Args", "Arguments", "Attributes"):
            kept.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()


def argument_help(factory: Callable[..., Any]) -> dict[str, str]:
    """The text of a factory's docstring about each argument, in one line each.

    A class inherits what the docstrings of its bases say; `__init__` may have a docstring of its own.
    """
    if not isinstance(factory, type):
        return _arguments(factory.__doc__)
    found: dict[str, str] = {}
    for each in reversed(factory.__mro__):
        init = vars(each).get("__init__")
        found |= _arguments(each.__doc__) | _arguments(getattr(init, "__doc__", None))
    return found


def _arguments(doc: str | None) -> dict[str, str]:
    """The entries of the `Args` section, of which one may be of several arguments: `low, high: bounds`."""
    found: dict[str, str] = {}
    names: list[str] = []
    inside = False
    for line in inspect.cleandoc(doc or "").splitlines():
        if line and not line.startswith(" "):
            inside = line in ("Args:", "Arguments:")
            names = []
        elif inside and (match := _ENTRY.match(line)):
            names = match[1].split(", ")
            found |= dict.fromkeys(names, match[2])
        elif inside and line.strip():
            found |= {name: f"{found[name]} {line.strip()}".strip() for name in names}
    return found


def type_name(annotation: Any) -> str:
    """A type as a person would write it: `'a' | 'b'` for a Literal, no module names."""
    origin, given = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return " | ".join(map(repr, given))
    if origin in (Union, UnionType):
        return " | ".join(map(type_name, given))
    if origin is not None:
        inner = ", ".join("..." if each is Ellipsis else type_name(each) for each in given)
        return f"{getattr(origin, '__name__', origin)}[{inner}]"
    if annotation is NoneType:
        return "None"
    return getattr(annotation, "__name__", re.sub(r"\b[\w.]+\.", "", str(annotation)))
