"""The JSON schema of recipes, and `metasiren describe`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pytest
import toys
from click.testing import CliRunner
from jsonschema import Draft7Validator

from metasiren import RecipeError, hookimpl, load_recipe
from metasiren.cli.commands import cli
from metasiren.recipe import parse_yaml, read_recipe, shipped_recipes
from metasiren.registry.catalogue import SUPPLIED, load_catalogue
from metasiren.registry.describe import describe, options_of, recipes_with
from metasiren.registry.docstrings import argument_help, documentation, prose, type_name
from metasiren.registry.schema import recipe_schema

RECIPE = """
data: {name: sketch_faces, train: 8}
encoder: {name: set, latent_dim: 4}
decoder: hypernetwork
siren: {hidden_features: 8, nonlinearity: relu}
constraints:
  mse: {at: pixels}
  latent_prior: 0.1
train: {steps: 2, optimizer: {name: adam, lr: 1e-3}, schedule: cosine, context: [1, 5]}
evaluate: {protocol: exact, contexts: [10, half], metrics: {psnr_db: {at: pixels}, relative_l2: }}
presets:
  long: {train: {epochs: 3}, encoder: {latent_dim: 8}, constraints: {latent_prior: null}, needs: [gpu]}
"""


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    schema = recipe_schema(load_catalogue())
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


@pytest.mark.parametrize("path", shipped_recipes(), ids=lambda path: path.stem)
def test_every_shipped_recipe_is_valid(path: Path, validator: Draft7Validator) -> None:
    assert not [error.message for error in validator.iter_errors(read_recipe(path))]


def test_short_forms_and_presets_are_valid(validator: Draft7Validator, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(RECIPE)
    load_recipe(tmp_path / "r.yaml", preset="long")
    assert not [error.message for error in validator.iter_errors(parse_yaml(RECIPE, "r"))]


WRONG = {
    "a misspelt key": {"sirn": {}},
    "a misspelt part": {"encoder": "cn"},
    "a misspelt part with options": {"encoder": {"name": "cn"}},
    "a misspelt option": {"encoder": {"name": "set", "latent_dims": 4}},
    "a wrong type": {"encoder": {"name": "set", "latent_dim": "many"}},
    "a wrong choice": {"encoder": {"name": "set", "nonlinearity": "sin"}},
    "a misspelt constraint": {"constraints": {"msee": {"at": "pixels"}}},
    "a misspelt constraint option": {"constraints": {"mse": {"att": "pixels"}}},
    "an option of a renamed constraint": {"constraints": {"fit": {"name": "mse", "att": "pixels"}}},
    "a wrong weight": {"constraints": {"latent_prior": {"weight": "much"}}},
    "epochs and steps": {"train": {"steps": 2, "epochs": 3}},
    "a misspelt training key": {"train": {"steps": 2, "btach": 3}},
    "a misspelt optimiser": {"train": {"steps": 2, "optimizer": "adm"}},
    "an option of the optimiser": {"train": {"steps": 2, "optimizer": {"name": "adam", "lrr": 3}}},
    "a misspelt nonlinearity": {"siren": {"nonlinearity": "sin"}},
    "a misspelt input layer": {"siren": {"input_layer": {"name": "fourier"}}},
    "a misspelt protocol": {"evaluate": {"protocol": "exct"}},
    "a misspelt protocol option": {"evaluate": {"protocol": "exact", "seds": 2}},
    "a misspelt metric": {"evaluate": {"metrics": {"psnr": {}}}},
    "a misspelt metric option": {"evaluate": {"metrics": {"psnr_db": {"att": "pixels"}}}},
    "a preset's misspelt key": {"presets": {"x": {"trian": {}}}},
    "a preset's misspelt option": {"presets": {"x": {"encoder": {"name": "set", "latent": 3}}}},
    "a preset's unknown need": {"presets": {"x": {"needs": ["luck"]}}},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_mistakes_are_found(change: Mapping[str, Any], validator: Draft7Validator) -> None:
    tree = parse_yaml(RECIPE, "r") | change
    assert list(validator.iter_errors(tree))


def test_what_is_missing_is_found_unless_a_preset_may_supply_it(validator: Draft7Validator) -> None:
    tree = parse_yaml(RECIPE, "r")
    del tree["data"]
    assert validator.is_valid(tree)
    del tree["presets"]
    assert not validator.is_valid(tree)


def test_options_carry_default_and_help(validator: Draft7Validator) -> None:
    option = validator.schema["definitions"]["encoder.cnn"]["properties"]["features"]
    assert option["default"] == 256
    assert option["type"] == "integer"
    assert "residual blocks" in option["description"]


class Strange:
    """Takes what JSON cannot say."""

    def __init__(self, domain: object, *, how: type[Strange] | None = None, pair: tuple[int, float] = (1, 2.0)) -> None:
        pass


def test_installed_plugins_are_included_even_odd_and_broken_ones() -> None:
    @hookimpl
    def metasiren_encoders() -> dict[str, Any]:
        return {"strange": Strange, "broken": "acme_nowhere:X"}

    module = ModuleType("acme")
    module.metasiren_encoders = metasiren_encoders  # type: ignore[attr-defined]
    schema = recipe_schema(load_catalogue(extra=[module, toys.plugin()]))
    Draft7Validator.check_schema(schema)
    validator, tree = Draft7Validator(schema), parse_yaml(RECIPE, "r")
    for encoder in ("strange", "broken", {"name": "broken", "anything": 1}, {"name": "mean_pair", "latent_dim": 3}):
        assert validator.is_valid(tree | {"encoder": encoder})
    assert not validator.is_valid(tree | {"encoder": {"name": "mean_pair", "latent": 3}})


def test_the_command_prints_or_writes(tmp_path: Path) -> None:
    printed = CliRunner().invoke(cli, ["schema"])
    assert json.loads(printed.stdout)["title"] == "metasiren recipe"
    path = tmp_path / "recipe.schema.json"
    written = CliRunner().invoke(cli, ["schema", "-o", str(path)])
    assert written.stdout.strip() == str(path)
    assert json.loads(path.read_text()) == json.loads(printed.stdout)
    assert "# yaml-language-server: $schema=recipe.schema.json" in written.stderr


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["schema", "-o", str(tmp_path / "no" / "file.json")])
    assert isinstance(done.exception, RecipeError)


def test_describe_shows_options_source_and_recipes() -> None:
    shown = CliRunner().invoke(cli, ["describe", "encoder", "cnn"]).stdout
    assert "metasiren_priors/encoders/cnn.py:" in shown
    assert "  features: int  = 256\n      channels of the residual blocks" in shown
    assert "  pooling: 'shared' | 'dense'  = 'shared'\n" in shown
    assert "Args:" not in shown
    assert "used in: celeba_cnn" in shown


def test_describe_names_required_options_and_unused_parts() -> None:
    shown = CliRunner().invoke(cli, ["describe", "dataset", "folder"]).stdout
    assert "  path: Path  required\n" in shown
    assert "used in: no shipped recipe" in CliRunner().invoke(cli, ["describe", "optimizer", "sgd"]).stdout


def test_describe_suggests() -> None:
    done = CliRunner().invoke(cli, ["describe", "encoder", "cn"])
    assert isinstance(done.exception, RecipeError)
    assert "Did you mean 'cnn'" in str(done.exception)


def every_built_in() -> list[tuple[str, str]]:
    return [(kind, name) for kind in SUPPLIED for name in load_catalogue().names(kind)]


@pytest.mark.parametrize(("kind", "name"), every_built_in())
def test_every_built_in_describes_itself_and_every_option(kind: str, name: str) -> None:
    found = describe(load_catalogue(), kind, name)
    assert found.about != "(no documentation)"
    assert found.source.rpartition(":")[0].endswith(".py")
    assert not [option.name for option in found.options if not option.help]


def test_recipes_are_found_by_every_kind_of_part() -> None:
    assert "celeba_cnn" in recipes_with("dataset", "sketch_faces")
    assert "celeba_cnn" in recipes_with("constraint", "latent_prior")
    assert "celeba_cnn" in recipes_with("optimizer", "adam")
    assert "celeba_cnn" in recipes_with("protocol", "exact")
    assert not recipes_with("metric", "relative_l2")


@pytest.mark.parametrize(
    ("annotation", "shown"),
    [
        (int, "int"),
        (int | None, "int | None"),
        (Literal["a", "b"], "'a' | 'b'"),
        (tuple[int, ...], "tuple[int, ...]"),
        (Mapping[str, Path], "Mapping[str, Path]"),
        (Any, "Any"),
        (list[int | Literal["half"]], "list[int | 'half']"),
    ],
)
def test_types_are_shown_as_people_write_them(annotation: Any, shown: str) -> None:
    assert type_name(annotation) == shown


class Base:
    """A base.

    Args:
        size: of
            something: large.
        low, high: bounds.

    Raises:
        ValueError: never.
    """


class Child(Base):
    """A child, in two

    paragraphs.

    Args:
        size: of something else.
        *rest: further.
        kind (str): with a type.

    Returns:
        nothing
    """

    def __init__(self, size: int, low: int = 0) -> None:
        """Make.

        Args:
            low: of the child.
        """


class Quiet(Child):
    pass


def several(low: int, high: int, top: int) -> None:
    """Between bounds.

    Args:
        low: one bound; note: an open one
        high, top: the others,
            if any.
    """


def test_help_is_inherited_and_the_nearest_wins() -> None:
    assert argument_help(Child) == {
        "size": "of something else.",
        "low": "of the child.",
        "high": "bounds.",
        "rest": "further.",
        "kind": "with a type.",
    }
    assert argument_help(several) == {
        "low": "one bound; note: an open one",
        "high": "the others, if any.",
        "top": "the others, if any.",
    }
    assert argument_help(Base)["size"] == "of something: large."
    assert argument_help(lambda: None) == {}
    assert documentation(Quiet).startswith("A child")


def test_prose_leaves_out_the_arguments_only() -> None:
    assert prose(Child.__doc__ or "") == "A child, in two\n\nparagraphs.\n\nReturns:\n    nothing"


def test_options_have_the_order_of_the_signature() -> None:
    names = [option.name for option in options_of("encoder", toys.Mean)]
    assert names == ["latent_dim"]
