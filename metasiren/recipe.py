"""A recipe: YAML that names the parts and numbers of one result. Read without importing torch.

YAML here follows the 1.2 core schema where PyYAML does not: `1e-4` is a number, `on` and `yes` are words, and a
key given twice is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from metasiren.errors import RecipeError, did_you_mean

MOST_BYTES = 1 << 20


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Part(BaseModel):
    """A named part with its options; `encoder: cnn` is short for `encoder: {name: cnn}`."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @property
    def options(self) -> dict[str, Any]:
        """Everything but the name."""
        return dict(self.model_extra or {})


class ConstraintPart(BaseModel):
    """A constraint's weight and options; its key in the recipe is its name unless `name` says otherwise."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str | None = None
    weight: float = 1.0

    @model_validator(mode="before")
    @classmethod
    def _from_weight(cls, value: Any) -> Any:
        return {"weight": value} if isinstance(value, int | float) else value

    @property
    def options(self) -> dict[str, Any]:
        """Everything but name and weight."""
        return dict(self.model_extra or {})


class SirenOptions(_Strict):
    """What a person decides of the SIREN; its inputs and outputs follow from the data."""

    hidden_features: int = Field(256, ge=1)
    hidden_layers: int = Field(3, ge=0)
    first_omega: float = 30.0
    hidden_omega: float = 30.0
    nonlinearity: str = "sine"
    input_layer: dict[str, Any] | None = None
    init_scale: float = Field(1.0, gt=0)


class Schedule(_Strict):
    """Learning rate over training: linear warm-up, then constant, or a cosine to `final` times the start."""

    name: Literal["constant", "cosine"] = "constant"
    warmup: int = Field(0, ge=0)
    final: float = Field(0.0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class Stage(_Strict):
    """A part of the training, with a fresh optimiser, and perhaps with some of the constraints only."""

    name: str
    steps: int = Field(ge=1)
    optimizer: Part | None = None
    schedule: Schedule | None = None
    constraints: list[str] | None = Field(None, min_length=1)


class Train(_Strict):
    """How the parts are trained."""

    epochs: float | None = Field(None, gt=0)
    steps: int | None = Field(None, ge=0)
    stages: list[Stage] | None = Field(None, min_length=1)
    batch: int = Field(1, ge=1)
    optimizer: Part = Part(name="adam")
    schedule: Schedule = Schedule()
    context: tuple[int, int] | None = None
    clip: float | None = Field(None, gt=0)
    ema: float | None = Field(None, gt=0, lt=1)
    precision: Literal["fp32", "bf16"] = "fp32"
    tf32: bool = False
    compile: bool = False
    dtype: Literal["float32", "float64"] = "float32"
    seed: int = Field(0, ge=0)
    log_every: int = Field(50, ge=1)
    checkpoint_every: int = Field(1000, ge=1)
    pictures_every: int = Field(1000, ge=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        given = [word for word in ("epochs", "steps", "stages") if getattr(self, word) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other; give one")
        if not given:
            raise ValueError("give epochs or steps (or stages)")
        names = [stage.name for stage in self.stages or []]
        if len(set(names)) < len(names):
            raise ValueError(f"stages must have names of their own; found {', '.join(names)}")
        if self.context is not None and not 0 <= self.context[0] <= self.context[1]:
            raise ValueError(f"context is {list(self.context)}; expected [least, most] with 0 <= least <= most")
        return self


class MetricPart(BaseModel):
    """A metric's options; its key in the recipe is its name unless `name` says otherwise."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_nothing(cls, value: Any) -> Any:
        return {} if value is None else value

    @property
    def options(self) -> dict[str, Any]:
        """Everything but the name."""
        return dict(self.model_extra or {})


class Evaluate(BaseModel):
    """The protocol that judges the model, with its options, and metrics by name."""

    model_config = ConfigDict(extra="allow", frozen=True)
    protocol: str | None = None
    metrics: dict[str, MetricPart] = Field(default_factory=dict)

    @property
    def options(self) -> dict[str, Any]:
        """Everything but the protocol's name and the metrics."""
        return dict(self.model_extra or {})


class Recipe(_Strict):
    """A validated recipe, its preset and overrides applied. See docs/recipes.md for every key."""

    data: Part
    siren: SirenOptions = SirenOptions()
    encoder: Part = Part(name="fixed")
    decoder: Part = Part(name="free")
    constraints: dict[str, ConstraintPart] = Field(min_length=1)
    train: Train
    evaluate: Evaluate = Evaluate()

    @model_validator(mode="after")
    def _stages_name_constraints(self) -> Self:
        for stage in self.train.stages or []:
            for name in stage.constraints or []:
                if name not in self.constraints:
                    known = ", ".join(self.constraints)
                    raise ValueError(f"train.stages: {stage.name}: no constraint is called {name!r}; known: {known}")
        return self

    _name: str = PrivateAttr("recipe")
    _preset: str | None = PrivateAttr(None)

    @property
    def name(self) -> str:
        """The file's stem."""
        return self._name

    @property
    def preset(self) -> str | None:
        """The preset that was applied."""
        return self._preset

    def to_yaml(self) -> str:
        """The resolved recipe, which `load_recipe` reads back unchanged."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


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


def merge(base: Any, change: Any) -> Any:
    """Overlay `change` on `base`: mappings merge, all else is replaced, and null removes a constraint or option.

    A part whose `name` changes (or is given as a word) is replaced whole: options of one part mean nothing to another.
    """
    if not isinstance(change, Mapping) or not isinstance(base, Mapping):
        return deepcopy(change)
    if "name" in change and base.get("name", change["name"]) != change["name"]:
        return deepcopy(dict(change))
    merged = dict(base)
    for key, value in change.items():
        below = merged.get(key)
        if isinstance(below, str) and isinstance(value, Mapping) and "name" not in value:
            below = {"name": below}
        merged[key] = merge(below, value)
    return merged


def nested(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """{"train.optimizer.lr": 1e-3} -> {"train": {"optimizer": {"lr": 1e-3}}}."""
    tree: dict[str, Any] = {}
    for key, value in overrides.items():
        words = key.split(".")
        if not all(words):
            raise RecipeError(f"--set {key}", "an empty word in the key.", "Write it as train.optimizer.lr=1e-3.")
        branch: Any = value
        for word in reversed(words):
            branch = {word: branch}
        tree = merge(tree, branch)
    return tree


def read_overrides(pairs: Iterable[str]) -> dict[str, Any]:
    """What `--set key=value` gives: dotted keys to YAML values, as `load_recipe` takes them.

    Raises:
        RecipeError: not key=value, or no YAML.
    """
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise RecipeError(f"--set {pair}", "not key=value.", "Write it as train.optimizer.lr=1e-3.")
        found[key.strip()] = parse_yaml(value, f"--set {key}")
    return found


def find_recipe(recipe: str | Path) -> Path:
    """The file of a recipe given as a path, or by the name of one that ships with metasiren.

    Raises:
        RecipeError: there is none; names those that ship.
    """
    path = Path(recipe)
    if path.is_file():
        return path
    shipped = {p.stem: p for p in shipped_recipes()}
    # A path such as recipes/celeba_cnn.yaml also means the shipped recipe where no clone is at hand.
    if path.stem in shipped and (path.suffix in ("", ".yaml")) and path.parent.name in ("", "recipes"):
        return shipped[path.stem]
    advice = f"{did_you_mean(path.stem, shipped)}\nshipped: {', '.join(sorted(shipped))}".strip()
    found = "is a folder, not a recipe." if path.is_dir() else "there is no such recipe."
    raise RecipeError(str(recipe), found, advice)


def shipped_recipes() -> list[Path]:
    """The recipes that come with metasiren, in the wheel or in a checkout."""
    here = Path(__file__).resolve().parent
    for folder in (here / "recipes", here.parent / "recipes"):
        if folder.is_dir():
            return sorted(folder.glob("*.yaml"))
    return []


def read_recipe(recipe: str | Path) -> dict[str, Any]:
    """The mapping that a recipe file holds, presets and all, unvalidated.

    Raises:
        RecipeError: not a file, too large, not text, not YAML or not a mapping.
    """
    path = find_recipe(recipe)
    if path.stat().st_size > MOST_BYTES:
        raise RecipeError(str(path), f"{path.stat().st_size} bytes.", "A recipe is a short text file.")
    try:
        text = path.read_text("utf-8")
    except (UnicodeDecodeError, OSError) as error:
        raise RecipeError(str(path), f"not readable as text: {error}.", "Give a YAML file in UTF-8.") from None
    tree = parse_yaml(text, str(path))
    if not isinstance(tree, dict):
        raise RecipeError(str(path), f"found {type(tree).__name__}, not keys.", f"A recipe has {_keys()}.")
    presets = tree.get("presets") or {}
    if not isinstance(presets, dict) or not all(isinstance(p, dict | None) for p in presets.values()):
        raise RecipeError(f"{path}: presets", "not a mapping of names to changes.", "Write presets: {quick: {...}}.")
    return tree


def _keys() -> str:
    return ", ".join([*Recipe.model_fields, "presets"])


def load_recipe(recipe: str | Path, *, preset: str | None = None, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Read, overlay and validate a recipe.

    Args:
        recipe: a path, or the name of a shipped recipe such as `celeba_cnn`.
        preset: a key of the recipe's `presets`; None takes the recipe as it stands.
        overrides: dotted keys to values, as `--set` takes them; they win over the preset.

    Raises:
        RecipeError: a missing file, broken YAML, an unknown key or preset, or a value of the wrong type.
    """
    path = find_recipe(recipe)
    tree = read_recipe(path)
    presets = tree.pop("presets", None) or {}
    where = str(path)
    if preset is not None:
        if preset not in presets:
            advice = f"{did_you_mean(preset, presets)}\npresets: {', '.join(presets) or 'none'}".strip()
            raise RecipeError(f"{where}: presets", f"no preset is called {preset!r}.", advice)
        change = {key: value for key, value in (presets[preset] or {}).items() if key != "needs"}
        tree = _overlay(tree, change)
    if overrides:
        tree = _overlay(tree, nested(overrides))
    return validate(tree, where, name=path.stem, preset=preset)


def _overlay(tree: dict[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Merge, with two rules of recipes: null drops a constraint, and epochs, steps and stages displace each other."""
    merged: dict[str, Any] = merge(tree, change)
    constraints = merged.get("constraints")
    if isinstance(constraints, dict):
        dropped = [k for k, v in (change.get("constraints") or {}).items() if v is None]
        merged["constraints"] = {k: v for k, v in constraints.items() if k not in dropped}
    train, changed = merged.get("train"), change.get("train")
    if isinstance(train, dict) and isinstance(changed, Mapping):
        lengths = ("steps", "epochs", "stages")
        if any(word in changed for word in lengths):
            for other in lengths:
                if other not in changed:
                    train.pop(other, None)
    return merged


def validate(tree: Mapping[str, Any], where: str, *, name: str = "recipe", preset: str | None = None) -> Recipe:
    """A mapping as a Recipe.

    Raises:
        RecipeError: naming every key that is wrong.
    """
    try:
        recipe = Recipe.model_validate(tree)
    except ValidationError as error:
        raise explain(error, where, Recipe) from None
    recipe._name, recipe._preset = name, preset
    return recipe


def explain(error: ValidationError, where: str, model: type[BaseModel], prefix: str = "") -> RecipeError:
    """A pydantic error as one that names keys and what would work."""
    found, advice = [], []
    for item in error.errors(include_url=False):
        key = ".".join([prefix, *map(str, item["loc"])] if prefix else map(str, item["loc"]))
        if item["type"] == "extra_forbidden":
            known = _fields_at(model, item["loc"][:-1])
            word = str(item["loc"][-1])
            found.append(f"{key}: unknown key.")
            advice.append(f"{did_you_mean(word, known)} known: {', '.join(known)}".strip())
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
