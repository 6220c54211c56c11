"""The description of a part: its options with types, defaults and help, its source, and who uses it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metasiren.recipe import parts_of, read_recipe, shipped_recipes
from metasiren.registry.catalogue import Catalogue, options_model
from metasiren.registry.docstrings import argument_help, documentation, prose, type_name


@dataclass(frozen=True)
class Option:
    """One option of a part.

    Attributes:
        name: its key in a recipe.
        type: as a person would write it, such as `int` or `'sine' | 'relu'`.
        default: as Python writes it; None where the option is required.
        help: from the docstring.
    """

    name: str
    type: str
    default: str | None
    help: str


@dataclass(frozen=True)
class Description:
    """All that `metasiren describe` shows of a part."""

    kind: str
    name: str
    plugin: str
    distribution: str
    version: str
    source: str
    about: str
    options: tuple[Option, ...]
    recipes: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{self.kind} {self.name}", f"  from {self.distribution} {self.version}, plugin {self.plugin}"]
        lines += [f"  {self.source}", "", self.about, "", "options:" if self.options else "options: none"]
        for option in self.options:
            default = "required" if option.default is None else f"= {option.default}"
            lines.append(f"  {option.name}: {option.type}  {default}")
            if option.help:
                lines.append(f"      {option.help}")
        return "\n".join([*lines, "", f"used in: {', '.join(self.recipes) or 'no shipped recipe'}"])


def describe(catalogue: Catalogue, kind: str, name: str) -> Description:
    """Describe a part.

    Raises:
        RecipeError, PluginError: no plugin offers it, two plugins do, or it cannot be imported.
    """
    offer = catalogue.offer(kind, name, f"describe {kind}")
    factory = offer.load()
    return Description(
        kind,
        name,
        offer.plugin.name,
        offer.plugin.distribution,
        offer.plugin.version,
        _source(factory),
        prose(documentation(factory)) or "(no documentation)",
        options_of(kind, factory),
        tuple(recipes_with(kind, name)),
    )


def options_of(kind: str, factory: Callable[..., Any]) -> tuple[Option, ...]:
    """The options of a part in the order of its signature."""
    words = argument_help(factory)
    return tuple(
        Option(
            name, type_name(info.annotation), None if info.is_required() else repr(info.default), words.get(name, "")
        )
        for name, info in options_model(kind, factory).model_fields.items()
    )


def _source(factory: Callable[..., Any]) -> str:
    try:
        path, line = inspect.getsourcefile(factory), inspect.getsourcelines(factory)[1]
    except (OSError, TypeError):
        return "(no source file)"
    return f"{path}:{line}"


def recipes_with(kind: str, name: str) -> list[str]:
    """The shipped recipes that name a part, in themselves or in a preset."""
    return [path.stem for path in shipped_recipes() if name in named(kind, path)]


def named(kind: str, path: Path) -> set[str]:
    """The parts of a kind that a recipe file names, presets included."""
    tree = read_recipe(path)
    trees = [tree, *(p for p in (tree.get("presets") or {}).values() if isinstance(p, dict))]
    return {part.name for each in trees for part in parts_of(each) if part.kind == kind}
