"""Which preset of a recipe runs: one rule for the command line and for Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metasiren.errors import RecipeError
from metasiren.recipe import BASE, Recipe, find_recipe, nested, presets_of
from metasiren.recipe import load_recipe as load_preset
from metasiren.recipe.displacing import displaced_options
from metasiren.recipe.loading import preset_tree
from metasiren.recipe.overlay import overlay
from metasiren.registry.catalogue import Catalogue, load_catalogue, options_model

WITHOUT_COST = (
    "train.seed",
    "train.log_every",
    "train.checkpoint_every",
    "train.pictures_every",
    "data.title",
)
"""Changes that hardly alter what a run takes."""


@dataclass(frozen=True)
class Choice:
    """The preset that a recipe runs with here.

    Attributes:
        recipe: with that preset and the overrides.
        preset: its name; None where the recipe has no presets.
        overrides: the changes that were asked for, and what follows from them.
        cost: the preset's stated cost, and the changes that it does not cover; empty where none is stated.
        missing: preset passed over -> what it lacks here.
        without_gpu: whether the preset was asked for, is made for a GPU, and there is none.
    """

    recipe: Recipe
    preset: str | None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    cost: str = ""
    missing: Mapping[str, list[str]] = field(default_factory=dict)
    without_gpu: bool = False


def choose_preset(
    recipe: str | Path, catalogue: Catalogue, *, preset: str | None = None, overrides: Mapping[str, Any] | None = None
) -> Choice:
    """The preset asked for, or else the first of the file that can run here with these overrides.

    A preset can run where its `needs` are met: `gpu`, and `data`, which the overrides may name. A file that the
    overrides name (`data.path`) must exist for any preset. A signal that they name takes the place of the preset's.

    Args:
        recipe: a path, or the name of a shipped recipe.
        catalogue: the plugins.
        preset: a preset of the recipe, or `base` for the recipe without any.
        overrides: dotted keys to values; they are applied before `needs` are checked.

    Raises:
        RecipeError: no preset can run here (with the reasons), or a mistake in the recipe or the overrides.
    """
    presets, asked = presets_of(recipe), dict(overrides or {})
    named = nested(asked).get("data")
    given = isinstance(named, Mapping) and named.get("path") is not None
    if preset is not None or not presets:
        loaded, changes = _load_with_signal(recipe, preset, asked, catalogue)
        if given and preset is not None:
            _demand_takes_files(recipe, loaded, presets, asked, catalogue)
        entry = presets.get(str(loaded.preset)) or {}
        without_gpu = "gpu" in (entry.get("needs") or []) and not _has_gpu()
        cost = _cost(recipe, loaded, asked, entry)
        return Choice(loaded, loaded.preset, changes, cost, without_gpu=without_gpu)
    missing: dict[str, list[str]] = {}
    of_data: list[str] = []
    for name, entry in presets.items():
        loaded, changes = _load_with_signal(recipe, name, asked, catalogue)
        lacking = []
        needs = list(entry.get("needs") or [])
        for need in [*needs, "data"] if given and "data" not in needs else needs:
            if need == "gpu":
                lacking += [] if _has_gpu() else ["there is no GPU that torch can use"]
            elif need == "data":
                reasons, takes = _missing_data(loaded, catalogue)
                lacking += reasons
                # The last presets need least: what they say of a person's file is nearest to what was meant.
                of_data = reasons if reasons and takes else of_data
            else:
                known = "known: data, gpu"
                raise RecipeError(f"{recipe}: presets.{name}.needs", f"{need!r} is not a known need.", known)
        if not lacking:
            return Choice(loaded, name, changes, _cost(recipe, loaded, asked, entry), missing)
        missing[name] = lacking
    if given and of_data:
        found, _, advice = of_data[0].partition("\n")
        raise RecipeError(f"{recipe}: data", found, advice)
    why_not = "\n".join(f"{name}: {'; '.join(why)}" for name, why in missing.items())
    raise RecipeError(str(recipe), "no preset can run here.", f"{why_not}\nWithout any preset: --preset {BASE}.")


def _cost(recipe: str | Path, loaded: Recipe, asked: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    """The stated cost of a preset; where a person's changes may alter it, it says so and names them."""
    cost = str(entry.get("cost", ""))
    counted = [key for key in asked if not key.startswith(WITHOUT_COST)]
    if not cost or not counted:
        return cost
    plain, _ = preset_tree(find_recipe(recipe), loaded.preset)
    own = overlay(plain, nested(asked))
    differing = [key for key in counted if _at(plain, key) != _at(own, key)]
    return f"{cost}, as the preset stands; yours differs in {', '.join(differing)}" if differing else cost


def _at(tree: Any, key: str) -> Any:
    for word in key.split("."):
        if isinstance(tree, list):
            tree = tree[int(word)] if word.isdigit() and int(word) < len(tree) else None
        else:
            tree = tree.get(word) if isinstance(tree, Mapping) else None
    return tree


def load_recipe(recipe: str | Path, *, preset: str | None = None, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Read, overlay and validate a recipe.

    Args:
        recipe: a path, or the name of a shipped recipe such as `celeba_cnn`.
        preset: a key of the recipe's `presets`; `base` takes the recipe as it stands. None takes the first preset
            that can run here, as `metasiren run` does; the recipe's `preset` says which.
        overrides: dotted keys to values, as `--set` takes them; they win over the preset. A signal that they
            name, by `data.path` or otherwise, takes the place of the preset's.

    Raises:
        RecipeError: a missing file, broken YAML, an unknown key or preset, a value of the wrong type, or no preset
            that can run here.
    """
    if not presets_of(recipe) or not (preset is None or overrides):
        return _load(recipe, preset, overrides)
    return choose_preset(recipe, load_catalogue(), preset=preset, overrides=overrides).recipe


def _load(
    recipe: str | Path, preset: str | None, overrides: Mapping[str, Any] | None, catalogue: Catalogue | None = None
) -> Recipe:
    """The recipe; an error about its keys also names what is wrong in its parts."""
    try:
        return load_preset(recipe, preset=preset, overrides=overrides)
    except RecipeError as error:
        if error.tree is None:
            raise
        from metasiren.assembly.parts import with_wrong_parts  # Imports torch.

        raise with_wrong_parts(error, catalogue or load_catalogue()) from None


def _load_with_signal(
    recipe: str | Path, preset: str | None, asked: Mapping[str, Any], catalogue: Catalogue
) -> tuple[Recipe, dict[str, Any]]:
    """The recipe with the signal that a person gives in place of the preset's, and the overrides that make it."""
    loaded = _load(recipe, preset, asked, catalogue)
    displaced = _displaced(loaded, asked, catalogue)
    changes = {**asked, **displaced}
    return load_preset(recipe, preset=preset, overrides=changes) if displaced else loaded, changes


def _demand_takes_files(
    recipe: str | Path, loaded: Recipe, presets: Mapping[str, Any], asked: Mapping[str, Any], catalogue: Catalogue
) -> None:
    """Raise a RecipeError where the preset's data set has no `path` and that of another preset has one."""
    if _takes_path(loaded, catalogue):
        return
    others = [
        name
        for name in presets
        if name != loaded.preset and _takes_path(_load_with_signal(recipe, name, asked, catalogue)[0], catalogue)
    ]
    if others:
        found = f"the preset {loaded.preset} has the data set {loaded.data.name}, which reads no file."
        advice = f"Leave --preset out, or give a preset that does: {', '.join(others)}."
        raise RecipeError(f"{recipe}: data.path", found, advice)


def _takes_path(recipe: Recipe, catalogue: Catalogue) -> bool:
    """Whether the recipe's data set has an option `path`; true where the data set is unknown, another error."""
    if recipe.data.name not in catalogue.offers["dataset"]:
        return True
    model = options_model("dataset", catalogue.factory("dataset", recipe.data.name, f"{recipe.name}: data"))
    return "path" in model.model_fields or model.model_config.get("extra") == "allow"


def _has_gpu() -> bool:
    import torch  # Only recipes that ask for a GPU pay for the import.

    return torch.cuda.is_available()


def _displaced(recipe: Recipe, overrides: Mapping[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    """Overrides that drop the recipe's own options where a person gives others in their place."""
    if recipe.data.name not in catalogue.offers["dataset"]:
        return {}
    factory = catalogue.factory("dataset", recipe.data.name, f"{recipe.name}: data")
    return displaced_options(factory, recipe.data.options, overrides, recipe.name)


def _missing_data(recipe: Recipe, catalogue: Catalogue) -> tuple[list[str], bool]:
    """Why the data of a recipe cannot be used here, and whether its data set takes the options at all."""
    where = f"{recipe.name}: data"
    factory: Any = catalogue.factory("dataset", recipe.data.name, where)
    try:
        options = catalogue.options("dataset", recipe.data.name, recipe.data.options, where)
    except RecipeError as error:
        return [f"its data set {recipe.data.name!r} does not take this: {error.found}"], False
    reason = factory.missing(**options) if hasattr(factory, "missing") else None
    return [reason] if reason else [], True
