"""Recipes from strangers: what is written reads back, nothing hangs, nothing fills the memory."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import metasiren as ms
from metasiren.recipe import parse_yaml, shipped_recipes, validate
from metasiren.recipe.yaml_text import dump_yaml

WORDS = st.sampled_from(
    ["1e4", "010", "0x10", "on", "~", "null", "1_000", "2001-01-01", "=", "<<", ".inf", "1:30", "", " a", "#", "- a"]
)
TEXT = WORDS | st.text(max_size=20)
SCALARS = TEXT | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TREES = st.recursive(
    SCALARS, lambda below: st.lists(below, max_size=4) | st.dictionaries(TEXT, below, max_size=4), max_leaves=15
)


@given(TREES)
@settings(max_examples=400)
def test_plain_data_reads_back(tree: Any) -> None:
    again = parse_yaml(dump_yaml(tree), "here")
    assert again == tree
    assert repr(again) == repr(tree)  # 1, 1.0 and True are equal to one another


@given(st.dictionaries(st.text("abcdef", min_size=1), TREES, max_size=3), TEXT)
@settings(max_examples=200)
def test_a_resolved_recipe_reads_back(options: dict[str, Any], path: str) -> None:
    options = {key: value for key, value in options.items() if key != "name"}
    tree = {"data": {"name": "toy", "path": path, **options}, "constraints": {"mse": 1}, "train": {"steps": 1}}
    recipe = validate(tree, "here")
    assert validate(parse_yaml(recipe.to_yaml(), "again"), "again").model_dump() == recipe.model_dump()


def nested_aliases(levels: int, width: int, form: str) -> str:
    lines = ["x0: &x0 {a: 1}" if form == "merge" else "x0: &x0 [1]"]
    for level in range(1, levels):
        below = ", ".join([f"*x{level - 1}"] * width)
        lines.append(f"x{level}: &x{level} " + ("{<<: [" + below + "]}" if form == "merge" else f"[{below}]"))
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        nested_aliases(12, 10, "list"),
        nested_aliases(12, 10, "merge"),
        "x: &x [*x]",
        f"long: &l {'a' * 5000}\nmany: [{', '.join(['*l'] * 5000)}]",
        "[" * 100_000,
        "- a\n" * 300_000,
        "{a: " * 5000,
        f"x: {'9' * 6000}",
        "x: 1e999",
        "x: !!python/object/apply:os.system ['true']",
        "x: !!binary aaaa",
        "x: !!set {a}",
    ],
    ids=lambda text: text[:12],
)
def test_a_bomb_is_refused_at_once(text: str) -> None:
    began = time.process_time()
    with pytest.raises(ms.RecipeError) as caught:
        parse_yaml(text, "here")
    assert len(str(caught.value)) < 1000
    assert time.process_time() - began < 30  # minutes and gigabytes without the limits


def test_a_leading_zero_is_no_octal() -> None:
    assert parse_yaml("steps: 010", "here") == {"steps": 10}


def test_a_message_does_not_echo_a_long_value(tmp_path: Path) -> None:
    path = tmp_path / "long.yaml"
    path.write_text(f"data: toy\nconstraints: {{mse: 1}}\ntrain: {{steps: {'a' * 5000}}}\n")
    with pytest.raises(ms.RecipeError) as caught:
        ms.load_recipe(path)
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("seed", range(4))
def test_mutated_recipes_end_in_a_recipe_or_a_message(tmp_path: Path, seed: int) -> None:
    draw, path = random.Random(seed), tmp_path / "mutated.yaml"
    texts = [file.read_text("utf-8") for file in shipped_recipes()]
    for _ in range(60):
        text = list(draw.choice(texts))
        for _ in range(draw.randint(1, 8)):
            place = draw.randrange(len(text))
            text[place : place + draw.randint(0, 3)] = draw.choice(
                ["", "\t", "&a ", "*a", "{", "]", ": ", "'", "9e9", "\0"]
            )
        path.write_text("".join(text), "utf-8")
        try:
            recipe = ms.load_recipe(path, preset=draw.choice([None, "quick"]))
        except ms.MetasirenError:
            continue
        assert validate(parse_yaml(recipe.to_yaml(), "again"), "again").model_dump() == recipe.model_dump()
