"""The shipped recipes in words: presets, what each needs, costs and gives."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from metasiren.errors import RecipeError, did_you_mean
from metasiren.recipe import aliases_of, find_recipe, presets_of, shipped_recipes


@dataclass(frozen=True)
class PresetInfo:
    """A preset in words.

    Attributes:
        name: of the preset.
        needs: what must be there: `data`, `gpu`.
        cost: time (and memory) on a stated machine; empty where it was not measured.
        gives: what comes of it; empty where the recipe does not say.
        aliases: former names.
    """

    name: str
    needs: tuple[str, ...]
    cost: str
    gives: str
    aliases: tuple[str, ...]

    def __str__(self) -> str:
        needs = f"needs {' and '.join(self.needs)}" if self.needs else "needs nothing"
        words = "; ".join(filter(None, [needs, self.cost, self.gives]))
        former = f" (formerly {', '.join(self.aliases)})" if self.aliases else ""
        return f"{self.name:<16} {words}{former}"


@dataclass(frozen=True)
class RecipeInfo:
    """A recipe in words.

    Attributes:
        name: of the recipe.
        path: of its file.
        comment: the comment at its head.
        presets: in the order in which they are tried.
    """

    name: str
    path: Path
    comment: str
    presets: tuple[PresetInfo, ...]

    @property
    def title(self) -> str:
        """The first sentence of the comment."""
        return re.split(r"(?<!\bet al)\.\s(?=[A-Z`])", self.comment, maxsplit=1)[0].rstrip(".") if self.comment else ""

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.path}", "", self.comment, "", "presets, in the order in which they are tried:"]
        return "\n".join([*lines, *(f"  {preset}" for preset in self.presets)])


def recipe_info(recipe: str | Path) -> RecipeInfo:
    """A recipe in words.

    Raises:
        RecipeError: there is no such recipe, or it cannot be read.
    """
    path = find_recipe(recipe)
    lines = path.read_text("utf-8").splitlines()
    head = lines[: next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))]
    comment = " ".join(line.lstrip("#").strip() for line in head)
    former = aliases_of(path)
    presets = [
        PresetInfo(
            name,
            tuple(entry.get("needs") or ()),
            str(entry.get("cost", "")),
            str(entry.get("gives", "")),
            tuple(old for old, meant in former.items() if meant == name),
        )
        for name, entry in presets_of(path).items()
    ]
    return RecipeInfo(path.stem, path, comment, tuple(presets))


def recipes_named(word: str = "") -> list[RecipeInfo]:
    """The shipped recipes whose names contain a word, in words.

    Raises:
        RecipeError: no name contains it.
    """
    names = [path.stem for path in shipped_recipes()]
    found = [path for path in shipped_recipes() if word.lower() in path.stem.lower()]
    if not found:
        advice = f"{did_you_mean(word, names)}\nrecipes: {', '.join(names)}".strip()
        raise RecipeError(f"recipes {word}", f"no recipe's name contains {word!r}.", advice)
    return [recipe_info(path) for path in found]
