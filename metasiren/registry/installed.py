"""The entry points of installed plugins, and the distributions that they come from."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from typing import Any

Entry = tuple[str, str, str, str, Callable[[], Any]]


def installed(group: str) -> list[Entry]:
    """Name, `module`, distribution, version and what imports it, of every entry point of a group."""
    entries = metadata.entry_points(group=group)
    # A distribution parses its metadata at every question, and most entry points are of one distribution.
    about = {id(d): (d.name, d.version) for d in {id(e.dist): e.dist for e in entries}.values() if d}
    return [(e.name, e.value, *about.get(id(e.dist), ("?", "?")), e.load) for e in entries]
