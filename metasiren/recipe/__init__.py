"""A recipe: YAML that names the parts and numbers of one result. Read without importing torch."""

from metasiren.recipe.explanation import explain
from metasiren.recipe.loading import (
    BASE,
    aliases_of,
    changed,
    find_recipe,
    load_recipe,
    presets_of,
    read_recipe,
    shipped_recipes,
    validate,
)
from metasiren.recipe.model import (
    ConstraintPart,
    Evaluate,
    MetricPart,
    Part,
    Recipe,
    Schedule,
    SirenOptions,
    Stage,
    Train,
)
from metasiren.recipe.overlay import merge, nested, read_overrides
from metasiren.recipe.parts import PLACES, NamedPart, Place, parts_of
from metasiren.recipe.yaml_text import parse_yaml

__all__ = [
    "BASE",
    "PLACES",
    "ConstraintPart",
    "Evaluate",
    "MetricPart",
    "NamedPart",
    "Part",
    "Place",
    "Recipe",
    "Schedule",
    "SirenOptions",
    "Stage",
    "Train",
    "aliases_of",
    "changed",
    "explain",
    "find_recipe",
    "load_recipe",
    "merge",
    "nested",
    "parse_yaml",
    "parts_of",
    "presets_of",
    "read_overrides",
    "read_recipe",
    "shipped_recipes",
    "validate",
]  # fmt: skip
