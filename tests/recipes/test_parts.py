"""One walk over a recipe's parts: what loads validates against the schema, and what validates loads."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

import metasiren as ms
from metasiren.assembly.parts import check_options
from metasiren.recipe import parts_of, read_recipe, shipped_recipes, validate
from metasiren.registry.describe import named
from metasiren.registry.schema import recipe_schema

BASE: dict[str, Any] = {
    "data": {"name": "sketch_faces", "train": 8},
    "encoder": {"name": "set", "latent_dim": 4},
    "decoder": "hypernetwork",
    "constraints": {"mse": {"at": "pixels"}},
    "train": {"steps": 2, "optimizer": {"name": "adam", "lr": 1e-3}},
}
STAGE = {"name": "one", "steps": 2}


@cache
def tools() -> tuple[Any, Draft7Validator]:
    catalogue = ms.load_catalogue()
    return catalogue, Draft7Validator(recipe_schema(catalogue))


def loads(tree: dict[str, Any]) -> bool:
    try:
        check_options(validate(deepcopy(tree), "r"), tools()[0])
    except ms.MetasirenError:
        return False
    return True


def validates(tree: dict[str, Any]) -> bool:
    return tools()[1].is_valid(tree)


def changed(path: str, value: Any) -> dict[str, Any]:
    tree = deepcopy(BASE)
    *above, last = path.split(".")
    below = tree
    for word in above:
        below = below.setdefault(word, {})
    below[last] = value
    return tree


@pytest.mark.parametrize(
    ("train", "good"),
    [
        ({"stages": [{**STAGE, "schedule": "cosine", "optimizer": {"name": "adam", "lr": 1e-3}}]}, True),
        ({"stages": [{**STAGE, "optimizer": {"name": "sgd", "lr": 1e-3}}]}, True),
        ({"stages": [{**STAGE, "optimizer": "gauss_newton"}]}, True),
        ({"stages": [{**STAGE, "optimizer": None}], "optimizer": {"name": "adam", "lr": 1e-3}}, True),
        ({"stages": [STAGE], "steps": 3}, False),
        ({"stages": [STAGE], "epochs": 3}, False),
        ({"epochs": 2, "steps": 3}, False),
        ({"stages": [{**STAGE, "optimizer": {"name": "adam", "lrr": 1}}]}, False),
        ({"stages": [{**STAGE, "optimizer": "adm"}]}, False),
        ({"stages": [{**STAGE, "schedule": "cosin"}]}, False),
        ({"stages": []}, False),
    ],
    ids=str,
)
def test_stages_load_as_they_validate(train: dict[str, Any], good: bool) -> None:
    tree = {**BASE, "train": train}
    assert (loads(tree), validates(tree)) == (good, good)


PARTS = {
    "data": ["sketch_faces", {"name": "npz", "path": "x.npz"}, {"name": "sketch_faces", "tran": 1}, {"train": 1}, "x"],
    "encoder": ["fixed", {"name": "set", "latent_dim": 3}, {"name": "set", "latent": 3}, {"latent_dim": 3}, "sett"],
    "decoder": ["free", {"name": "hypernetwork", "hidden_features": 8}, {"name": "free", "no": 1}, {}],
    "constraints": [
        {"latent_prior": 0.1},
        {"a": {"name": "mse", "at": "pixels"}},
        {"mse": {"att": "pixels"}},
        {"m": {}},
    ],
    "train.optimizer": [{"name": "adam", "lr": 1e-3}, "gauss_newton", {"name": "sgd", "lrr": 1e-3}, "adm", {"lr": 1.0}],
    "train.schedule": ["cosine", {"name": "cosine", "warmup": 2}, {"warmup": 2}, "cos", {"final": -1.0}],
    "train.stages": [[STAGE], [{**STAGE, "optimizer": {"name": "adam", "lr": 1.0}}], [{**STAGE, "steps": 0}], None],
    "train.steps": [1, 0, None, -1],
    "train.epochs": [1.5, None, 0],
    "siren": [{}, {"hidden_features": 8}, {"hidden_feature": 8}, {"nonlinearity": "tanh"}],
    "evaluate.protocol": ["exact", "exct", None],
    "evaluate.metrics": [{}, {"psnr_db": {"at": "pixels"}}, {"psnr_db": {"at_": "pixels"}}, {"psnr": {}}],
}


@settings(deadline=None, max_examples=150, derandomize=True)
@given(data=st.data())
def test_what_loads_validates_and_what_validates_loads(data: st.DataObject) -> None:
    tree = deepcopy(BASE)
    for path in data.draw(st.lists(st.sampled_from(sorted(PARTS)), min_size=1, max_size=4, unique=True)):
        value = data.draw(st.sampled_from(PARTS[path]))
        *above, last = path.split(".")
        below = tree
        for word in above:
            below = below.setdefault(word, {})
        below[last] = deepcopy(value)
    assert loads(tree) == validates(tree), tree


def test_optimisers_named_in_stages_are_found() -> None:
    tree = {**BASE, "train": {"stages": [{**STAGE, "optimizer": "gauss_newton"}, {**STAGE, "name": "b"}]}}
    assert [p.key for p in parts_of(tree) if p.kind == "optimizer"] == ["train.stages.one.optimizer"]
    keys = [p.key for p in validate(tree, "r").parts() if p.kind == "optimizer"]
    assert keys == ["train.optimizer", "train.stages.one.optimizer"]


def test_the_default_optimiser_of_a_recipe_whose_stages_all_have_their_own_is_nobodys() -> None:
    tree = {**BASE, "train": {"stages": [{**STAGE, "optimizer": "gauss_newton"}]}}
    assert [p.key for p in validate(tree, "r").parts() if p.kind == "optimizer"] == ["train.stages.one.optimizer"]


@pytest.mark.parametrize("path", shipped_recipes(), ids=lambda path: path.stem)
def test_every_part_of_a_shipped_recipe_is_offered(path: Any) -> None:
    catalogue = tools()[0]
    tree = read_recipe(path)
    found = [
        part
        for each in (tree, *(tree.get("presets") or {}).values())
        if isinstance(each, dict)
        for part in parts_of(each)
    ]
    assert {"dataset", "constraint"} <= {part.kind for part in found}
    for part in found:
        if part.place.form != "keyed":  # a preset may change a renamed constraint without its name
            assert part.name in catalogue.offers[part.kind], part.key
        assert part.name in named(part.kind, path)
