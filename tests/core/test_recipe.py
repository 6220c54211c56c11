"""Recipes: YAML read safely, overlaid predictably, refused clearly."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import metasiren as ms
from metasiren.recipe import loading, merge, nested, parse_yaml

MINIMAL = """
data: {name: toy, size: 8}
constraints: {mse: {at: pixels}}
train: {steps: 10, optimizer: {name: adam, lr: 1e-4}}
presets:
  quick: {data: {name: other}, train: {epochs: 2}}
  smaller: {data: {size: 4}, constraints: {mse: null, prior: 0.5}}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "minimal.yaml"
    path.write_text(MINIMAL)
    return path


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    return path


def test_reading_a_recipe_imports_no_torch() -> None:
    code = "import sys, metasiren as m; m.load_recipe('celeba_cnn', preset='quick'); print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_numbers_without_a_point_are_numbers(recipe: Path) -> None:
    assert ms.load_recipe(recipe, preset="base").train.optimizer.options == {"lr": 1e-4}


def test_on_and_yes_are_words() -> None:
    assert parse_yaml("on: yes", "here") == {"on": "yes"}


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.booleans() | st.none())
@settings(deadline=None, max_examples=50, derandomize=True)
def test_python_scalars_survive(value: Any) -> None:
    text = json.dumps(value)
    assert parse_yaml(text, "here") == value


def test_a_part_whose_name_changes_is_replaced_whole(recipe: Path) -> None:
    quick = ms.load_recipe(recipe, preset="quick")
    assert (quick.data.name, quick.data.options) == ("other", {})


def test_options_of_the_same_part_merge(recipe: Path) -> None:
    smaller = ms.load_recipe(recipe, preset="smaller")
    assert (smaller.data.name, smaller.data.options) == ("toy", {"size": 4})


def test_null_drops_a_constraint(recipe: Path) -> None:
    constraints = ms.load_recipe(recipe, preset="smaller").constraints
    assert {k: c.weight for k, c in constraints.items()} == {"prior": 0.5}


def test_epochs_displace_steps(recipe: Path) -> None:
    train = ms.load_recipe(recipe, preset="quick").train
    assert (train.steps, train.epochs) == (None, 2)


def test_overrides_win_over_presets(recipe: Path) -> None:
    r = ms.load_recipe(recipe, preset="quick", overrides={"train.epochs": 7, "encoder": "cnn"})
    assert (r.train.epochs, r.encoder.name) == (7, "cnn")


def test_a_resolved_recipe_reads_back_unchanged(recipe: Path, tmp_path: Path) -> None:
    first = ms.load_recipe(recipe, preset="smaller")
    again = ms.load_recipe(write(tmp_path, first.to_yaml()))
    assert again.model_dump() == first.model_dump()


def test_merging_nothing_changes_nothing() -> None:
    tree = {"a": {"name": "x", "b": 1}, "c": [1, 2]}
    assert merge(tree, {}) == tree
    assert merge(tree, tree) == tree


def test_entries_of_a_list_are_changed_by_number() -> None:
    tree = {"stages": [{"name": "a", "steps": 4}, {"name": "b", "steps": 5, "optimizer": "adam"}], "sizes": [1, 2]}
    change = nested({"stages.1.steps": 7, "stages.1.optimizer.lr": 0.1, "stages.0": {"name": "c"}, "sizes.0": 9})
    stages = [{"name": "c"}, {"name": "b", "steps": 7, "optimizer": {"name": "adam", "lr": 0.1}}]
    before = json.dumps(tree)
    assert merge(tree, change) == {"stages": stages, "sizes": [9, 2]}
    assert json.dumps(tree) == before
    assert merge([1, 2], {"0": 3, "x": 4}) == {"0": 3, "x": 4}


@pytest.mark.parametrize("key", ["train.stages.2.steps", "train.stages.99999999999999999999"])
def test_an_entry_that_a_list_lacks_is_named(key: str) -> None:
    with pytest.raises(ms.RecipeError, match=rf"{key.removesuffix('.steps')}: the list train.stages has 2 entries"):
        ms.load_recipe("burgers", preset="cpu", overrides={key: 3})


def test_a_stage_of_a_recipe_is_changed_by_number() -> None:
    stages = ms.load_recipe("burgers", preset="cpu", overrides={"train.stages.0.steps": 70}).train.stages
    assert [stage.steps for stage in stages or ()] == [70, 250]


def test_dotted_keys_nest() -> None:
    assert nested({"train.optimizer.lr": 1, "train.batch": 2}) == {"train": {"optimizer": {"lr": 1}, "batch": 2}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("data: [", "line 1"),
        ("a: 1\na: 2", "given twice"),
        ("- just\n- a list", "not keys"),
        ("!!python/object/apply:os.system ['true']", "YAML"),
        ("data: toy\nconstraints: {mse: 1}\ntrain: {steps: 1, lerning: 2}", "train.lerning: unknown key"),
        ("data: toy\nconstraints: {mse: 1}\ntrain: {steps: many}", "train.steps"),
        ("data: toy\nconstraints: {mse: 1}\ntrain: {steps: 1, epochs: 1}", "exclude each other"),
        ("data: toy\nconstraints: {mse: 1}\ntrain: {batch: 1}", "epochs or steps"),
        ("data: toy\nconstraints: {mse: 1}\ntrain: {steps: 1, context: [9, 3]}", "least <= most"),
        ("data: toy\nconstraints: {mse: 1}\ntrian: {steps: 1}", "Did you mean 'train'?"),
        ("data: toy\nconstraints: {}\ntrain: {steps: 1}", "constraints"),
        ("constraints: {mse: 1}\ntrain: {steps: 1}", "data: missing"),
        ("presets: [quick]", "presets"),
    ],
)
def test_a_broken_recipe_is_refused_with_the_place(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ms.RecipeError) as caught:
        ms.load_recipe(write(tmp_path, text))
    assert expected in str(caught.value)
    assert "r.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "place"),
    [
        ({"siren.hiden_features": 3}, "--set siren.hiden_features: unknown key."),
        ({"train.steps": "abc"}, "--set train.steps: Input should be a valid integer"),
        ({"train.optimizer": 3}, "--set train.optimizer"),
        ({"siren": {"hiden_features": 3}}, "--set siren.hiden_features: unknown key."),
        ({"siren.hiden_features": 3, "train.steps": "abc"}, "--set siren.hiden_features: unknown key.\n  train.steps:"),
    ],
)
def test_a_wrong_override_is_named_as_it_was_given(recipe: Path, overrides: dict[str, Any], place: str) -> None:
    with pytest.raises(ms.RecipeError) as caught:
        ms.load_recipe(recipe, overrides=overrides)
    assert str(caught.value).startswith(place)
    assert "minimal.yaml" not in str(caught.value)


def test_an_unknown_preset_is_answered_with_the_present_ones() -> None:
    with pytest.raises(ms.RecipeError, match="no preset is called 'quik'") as caught:
        ms.load_recipe("wave", preset="quik")
    assert "Did you mean 'quick'?" in str(caught.value)
    assert "cpu_border" in str(caught.value)
    assert "fast" not in str(caught.value)


def test_a_fault_of_the_file_is_the_file_s_beside_a_wrong_override(tmp_path: Path) -> None:
    path = write(tmp_path, "data: toy\nconstraints: {mse: 1}\ntrain: {steps: many}")
    with pytest.raises(ms.RecipeError, match=r"r\.yaml: siren\.hiden_features: unknown key") as caught:
        ms.load_recipe(path, overrides={"siren.hiden_features": 3})
    assert "train.steps: Input should be a valid integer" in str(caught.value)


def test_not_text(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ms.RecipeError, match="not readable as text"):
        ms.load_recipe(path)


def test_too_large(tmp_path: Path) -> None:
    with pytest.raises(ms.RecipeError, match="short text file"):
        ms.load_recipe(write(tmp_path, "#" * (1 << 21)))


def test_unknown_presets_and_recipes_are_suggested(recipe: Path) -> None:
    with pytest.raises(ms.RecipeError, match="Did you mean 'quick'"):
        ms.load_recipe(recipe, preset="quik")
    with pytest.raises(ms.RecipeError, match="Did you mean 'celeba_cnn'"):
        ms.load_recipe("celeba_cnnn")


def test_an_empty_word_in_a_key_is_refused(recipe: Path) -> None:
    with pytest.raises(ms.RecipeError, match="empty word"):
        ms.load_recipe(recipe, overrides={"train..lr": 1})


def test_a_shipped_recipe_is_found_by_path_without_a_clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert ms.load_recipe("recipes/celeba_cnn.yaml").name == "celeba_cnn"


def test_an_anchor_may_be_merged_and_what_is_beside_it_wins(tmp_path: Path) -> None:
    text = "data: {name: toy, size: &n 3}\nconstraints: {mse: 1}\ntrain: &t {steps: 1, batch: 2}\n"
    text += "presets: {more: {train: {<<: *t, batch: 5}}}\n"
    train = ms.load_recipe(write(tmp_path, text), preset="more").train
    assert (train.steps, train.batch) == (1, 5)


def test_a_recipe_is_parsed_once_however_often_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, parsed, parse = tmp_path / "once.yaml", [], loading.parse_yaml
    presets = "presets: {quick: {train: {steps: 3}}, other: {train: {steps: 4}}}"
    path.write_text("data: sketch_faces\nconstraints: {mse: {at: pixels}}\n" + presets + "\n")
    monkeypatch.setattr(loading, "parse_yaml", lambda text, where: parsed.append(where) or parse(text, where))
    ms.load_recipe(path)
    again = ms.load_recipe(path, preset="other")
    assert parsed == [str(path)]
    # What a caller changes does not reach the next one; a changed file is read anew.
    loading.read_recipe(path)["presets"].clear()
    assert again == ms.load_recipe(path, preset="other")
    path.write_text(path.read_text().replace("steps: 4", "steps: 5"))
    assert ms.load_recipe(path, preset="other").train.steps == 5
