"""Find, read, overlay and validate a recipe's file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import deepcopy
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any

from pydantic import ValidationError

from metasiren.errors import RecipeError, did_you_mean
from metasiren.recipe.explanation import explain
from metasiren.recipe.model import Recipe
from metasiren.recipe.overlay import nested, overlay
from metasiren.recipe.yaml_text import parse_yaml

MOST_BYTES = 1 << 20
MOST_PARENTS = 20
BASE = "base"
"""The word for a recipe as it stands, without any preset."""
DATA = (
    ".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".wav", ".flac", ".ogg", ".mp3", ".mp4", ".mov",
    ".avi", ".mkv", ".webm", ".ply", ".obj", ".stl", ".off", ".glb", ".xyz", ".npz", ".npy", ".zip",
)  # fmt: skip
"""Endings of data files, which no recipe has."""
ABOUT = ("needs", "cost", "gives")
"""Keys of a preset that describe it and change nothing."""


def find_recipe(recipe: str | Path) -> Path:
    """The file of a recipe given as a path, or by the name of one that ships with metasiren.

    Raises:
        RecipeError: there is none; names those that ship.
    """
    path = Path(recipe)
    if path.is_file():
        if path.suffix.lower() in DATA:
            advice = f"To fit it: metasiren run RECIPE --set data.path={path}, with a recipe of metasiren recipes."
            raise RecipeError(str(path), f"a {path.suffix} file is no recipe.", advice)
        return path
    shipped = {p.stem: p for p in shipped_recipes()}
    # A path such as recipes/celeba_cnn.yaml also means the shipped recipe where no clone is at hand.
    if path.stem in shipped and (path.suffix in ("", ".yaml")) and path.parent.name in ("", "recipes"):
        return shipped[path.stem]
    close = did_you_mean(path.stem, shipped)
    if path.suffix in (".yaml", ".yml"):
        beside = [file.name for end in ("*.yaml", "*.yml") for file in path.parent.glob(end)]
        close = did_you_mean(path.name, beside) or close
    advice = f"{close}\nshipped: {', '.join(sorted(shipped))}".strip()
    found = "is a folder, not a recipe." if path.is_dir() else "there is no such recipe."
    raise RecipeError(str(recipe) or repr(recipe), found, advice)


def shipped_recipes() -> list[Path]:
    """The recipes that come with metasiren, in the wheel or in a checkout."""
    here = Path(__file__).resolve().parents[1]
    for folder in (here / "recipes", here.parent / "recipes"):
        if folder.is_dir():
            return sorted(folder.glob("*.yaml"))
    return []


def read_recipe(recipe: str | Path) -> dict[str, Any]:
    """The mapping that a recipe file holds, presets and all, laid over the recipe that it `extends`; unvalidated.

    `extends` names a shipped recipe, or a file below the folder of this one, no link that leads out of it. Presets of
    the same name merge.

    Raises:
        RecipeError: not a file, too large, not text, not YAML or not a mapping; what it extends does not exist, lies
            elsewhere, or extends this one.
    """
    return _read(find_recipe(recipe), ())


def _read(path: Path, heirs: tuple[Path, ...]) -> dict[str, Any]:
    where = f"{path}: extends"
    if path in heirs:
        raise RecipeError(where, "the recipe extends itself.", "Leave out one of the links.")
    if len(heirs) > MOST_PARENTS:
        raise RecipeError(where, f"a chain of more than {MOST_PARENTS} recipes.", "Write fewer, with more in each.")
    tree = _read_file(path)
    if "extends" not in tree:
        return tree
    word = tree.pop("extends")
    if not isinstance(word, str):
        raise RecipeError(where, f"found {word!r}.", "Name one recipe, or one file below this folder.")
    below = PurePath(word)
    beside = path.parent / below
    if below.is_absolute() or ".." in below.parts or not _lies_below(beside, path):
        raise RecipeError(where, f"{word!r} leads out of the recipe's folder.", "Name a file below it.")
    return overlay(_read(beside if beside.is_file() else find_recipe(word), (*heirs, path)), tree)


def _lies_below(beside: Path, path: Path) -> bool:
    """Whether a file, links followed, lies below the folder of a recipe, or below that of the file behind its link."""
    if not beside.is_file():
        return True  # perhaps a shipped recipe
    real = beside.resolve()
    return any(real.is_relative_to(home) for home in (path.parent.resolve(), path.resolve().parent))


def _read_file(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MOST_BYTES:
        raise RecipeError(str(path), f"{path.stat().st_size} bytes.", "A recipe is a short text file.")
    try:
        text = path.read_text("utf-8")
    except (UnicodeDecodeError, OSError) as error:
        raise RecipeError(str(path), f"not readable as text: {error}.", "Give a YAML file in UTF-8.") from None
    tree = deepcopy(_parsed(text, str(path)))
    if not isinstance(tree, dict):
        raise RecipeError(str(path), f"found {type(tree).__name__}, not keys.", f"A recipe has {_keys()}.")
    presets = tree.get("presets") or {}
    if not isinstance(presets, dict) or not all(isinstance(p, dict | str | None) for p in presets.values()):
        raise RecipeError(f"{path}: presets", "not a mapping of names to changes.", "Write presets: {quick: {...}}.")
    for word, meant in presets.items():
        if isinstance(meant, str) and not isinstance(presets.get(meant, ""), dict | None):
            found = f"{meant!r}, which is no preset of this recipe."
            raise RecipeError(f"{path}: presets.{word}", found, "An alias names a preset: fast: cpu.")
    return tree


@lru_cache(maxsize=128)
def _parsed(text: str, where: str) -> Any:
    """The text as plain data: choosing a preset and loading it read the same file several times.

    All shipped recipes are kept, for what goes through them, such as `describe`.
    """
    return parse_yaml(text, where)


def presets_of(recipe: str | Path) -> dict[str, dict[str, Any]]:
    """The presets of a recipe file by name, in its order, `needs` and descriptions included; no aliases."""
    presets = read_recipe(recipe).get("presets") or {}
    return {name: dict(change or {}) for name, change in presets.items() if not isinstance(change, str)}


def aliases_of(recipe: str | Path) -> dict[str, str]:
    """Former names of a recipe's presets, and the presets that they stand for."""
    presets = read_recipe(recipe).get("presets") or {}
    return {name: meant for name, meant in presets.items() if isinstance(meant, str)}


def _keys() -> str:
    return ", ".join([*Recipe.model_fields, "presets"])


def load_recipe(recipe: str | Path, *, preset: str | None = None, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Read, overlay and validate a recipe.

    Args:
        recipe: a path, or the name of a shipped recipe such as `celeba_cnn`.
        preset: a key of the recipe's `presets`; `base` or None takes the recipe as it stands.
        overrides: dotted keys to values, as `--set` takes them; they win over the preset.

    Raises:
        RecipeError: a missing file, broken YAML, an unknown key or preset, or a value of the wrong type.
    """
    path = find_recipe(recipe)
    tree, preset = preset_tree(path, preset)
    if overrides:
        tree = overlay(tree, nested(overrides))
    recipe_ = validate(tree, str(path), name=path.stem, preset=preset, overrides=overrides or ())
    recipe_._changes = dict(overrides or {})
    return recipe_


def preset_tree(path: Path, preset: str | None) -> tuple[dict[str, Any], str | None]:
    """A file's recipe under a preset, not validated, and the preset's own name, where a former one was given.

    Raises:
        RecipeError: a missing file, broken YAML, or an unknown preset.
    """
    tree = read_recipe(path)
    presets = tree.pop("presets", None) or {}
    if preset is not None and (preset != BASE or BASE in presets):
        if preset not in presets:
            present = [name for name, change in presets.items() if not isinstance(change, str)]
            advice = f"{did_you_mean(preset, presets)}\npresets: {', '.join([BASE, *present])}".strip()
            raise RecipeError(f"{path}: presets", f"no preset is called {preset!r}.", advice)
        preset = presets[preset] if isinstance(presets[preset], str) else preset
        change = {key: value for key, value in (presets[preset] or {}).items() if key not in ABOUT}
        tree = overlay(tree, change)
    return tree, preset


def validate(
    tree: Mapping[str, Any],
    where: str,
    *,
    name: str = "recipe",
    preset: str | None = None,
    overrides: Collection[str] = (),
) -> Recipe:
    """A mapping as a Recipe; errors of keys in `overrides` alone name these in place of `where`.

    Raises:
        RecipeError: naming every key that is wrong.
    """
    try:
        recipe = Recipe.model_validate(tree)
    except ValidationError as error:
        wrong = explain(error, where, Recipe, overrides=overrides)
        wrong.tree = tree
        raise wrong from None
    recipe._name, recipe._preset = name, preset
    return recipe


def changed(recipe: Recipe, options: Mapping[str, Any], where: str) -> Recipe:
    """A recipe with values set at dotted keys, each in place of what was there; its `changes` have them too.

    Raises:
        RecipeError: a value that does not fit.
    """
    tree = recipe.model_dump()
    for key, value in options.items():
        *path, last = key.split(".")
        place = tree
        for word in path:
            if isinstance(place[word], str):
                place[word] = {"name": place[word]}
            place = place[word]
        place[last] = value
    if options.get("train.steps") is not None:
        tree["train"] |= {"epochs": None, "stages": None}
    made = validate(tree, where, name=recipe.name, preset=recipe.preset)
    made._changes = {**recipe.changes, **options}
    return made
