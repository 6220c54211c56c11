"""What --over means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metasiren import Domain, RecipeError, load_recipe
from metasiren.nn.input_layers import make_input_layer
from metasiren.registry.catalogue import Catalogue
from metasiren_studies.variants import Axis, cross, nonlinearity_options, read_axes


def axes(recipe: Path, catalogue: Catalogue, *texts: str) -> tuple[Axis, ...]:
    return read_axes(texts, load_recipe(recipe), catalogue)


@pytest.mark.parametrize(
    ("word", "key"),
    [
        ("nonlinearity", "siren.nonlinearity"),
        ("optimizer", "train.optimizer"),
        ("optimizer.lr", "train.optimizer.lr"),
        ("lr", "train.optimizer.lr"),
        ("size", "data.size"),  # an option that the recipe does not mention
        ("mse.weight", "constraints.mse.weight"),
        ("train.steps", "train.steps"),
        ("constraints.laplace.weight", "constraints.laplace.weight"),  # what these hold is open
    ],
)
def test_the_end_of_a_key_stands_for_it(word: str, key: str, recipe: Path, catalogue: Catalogue) -> None:
    assert axes(recipe, catalogue, f"{word}=1,2") == (Axis(key, (1, 2)),)


def test_values_are_yaml(recipe: Path, catalogue: Catalogue) -> None:
    text = "input_layer=null,{name: rbf_gaussian, centres: 9},rbf_quartic"
    (axis,) = axes(recipe, catalogue, text)
    assert axis.values == (None, {"name": "rbf_gaussian", "centres": 9}, "rbf_quartic")
    assert axes(recipe, catalogue, "lr=1e-4,on")[0].values == (1e-4, "on")


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ((), "not given"),
        (("nonlinearity",), "not KEY=V1,V2"),
        (("=sine",), "not KEY=V1,V2"),
        (("nonlinearity=",), "an empty value"),
        (("nonlinearity=sine,",), "an empty value"),
        (("nonlinearity=sine,,relu",), "not readable as YAML"),
        (("nonlinearity=[sine",), "not readable as YAML"),
        (("nonlinarity=sine",), "Did you mean 'nonlinearity'"),
        (("train.optimiser.lr=1",), "Did you mean 'train.optimizer.lr'"),
        (("name=a",), "Give one of: .*data.name.*encoder.name"),
        (("lr=1", "train.optimizer.lr=2"), "given twice"),
    ],
)
def test_mistakes_are_named(texts: tuple[str, ...], message: str, recipe: Path, catalogue: Catalogue) -> None:
    with pytest.raises(RecipeError, match=f"(?s){message}"):
        axes(recipe, catalogue, *texts)


def test_several_axes_make_their_product() -> None:
    variants = cross([Axis("siren.nonlinearity", ("sine", "relu")), Axis("train.optimizer.lr", (1e-3, 1e-4))])
    assert [v.name for v in variants] == ["sine-lr=0.001", "sine-lr=0.0001", "relu-lr=0.001", "relu-lr=0.0001"]
    assert variants[1].title == "sine, lr=0.0001"
    assert variants[1].overrides() == {"siren.nonlinearity": "sine", "train.optimizer.lr": 1e-4}


def test_a_word_names_a_part_and_a_mapping_gives_its_options() -> None:
    plain, given_options = cross([Axis("train.optimizer", ("muon", {"name": "adam", "lr": 0.1}))])
    assert plain.overrides() == {"train.optimizer.name": "muon"}
    assert given_options.overrides() == {"train.optimizer": {"name": "adam", "lr": 0.1}}
    assert given_options.title == "adam, lr=0.1"


def test_options_of_parts_without_a_name_keep_their_part_s_key() -> None:
    without, tv, hessian = cross(
        [Axis("constraints", ({"tv": None}, {"tv": {"weight": 1e-3}}, {"hessian": {"at": "free", "weight": 2}}))]
    )
    assert [v.title for v in (without, tv, hessian)] == ["tv=none", "tv (weight=0.001)", "hessian (free, weight=2)"]
    assert [v.name for v in (tv, hessian)] == ["tv_weight=0.001", "hessian_free_weight=2"]


values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(st.lists(values | st.dictionaries(st.text(max_size=3), values, max_size=2), min_size=1, max_size=6))
def test_names_are_of_folders_and_each_its_own(found: list[Any]) -> None:
    names = [variant.name for variant in cross([Axis("data.size", tuple(found))])]
    assert len(set(names)) == len(names)
    assert all(name == Path(name).name and name not in ("", ".", "..") for name in names)


@pytest.mark.parametrize(("size", "octaves"), [(512, 7), (256, 6)])
def test_positional_encoding_has_the_octaves_of_the_paper(size: int, octaves: int) -> None:
    options = nonlinearity_options("relu_pe", Domain(2, 1, (size, size + 99)))
    assert options["siren.nonlinearity"] == "relu"
    assert make_input_layer(options["siren.input_layer"], Domain(2, 1)).octaves == octaves  # type: ignore[attr-defined]
    assert nonlinearity_options("relu_pe", Domain(3, 3, (300, 512, 512)))["siren.input_layer"]["frequencies"] == 10


@pytest.mark.parametrize(("rival", "layer"), [("rbf", "rbf_gaussian"), ("rbf_quartic", "rbf_quartic")])
def test_radial_bases_have_the_centres_of_the_paper(rival: str, layer: str) -> None:
    assert nonlinearity_options(rival, Domain(2, 1))["siren.input_layer"] == {"name": layer, "centres": 256}
    assert nonlinearity_options(rival, Domain(3, 1))["siren.input_layer"] == {"name": layer, "centres": 1024}


def test_octaves_that_no_grid_settles_must_be_said() -> None:
    with pytest.raises(RecipeError, match=r"frequencies: 7"):
        nonlinearity_options("relu_pe", Domain(2, 2))
