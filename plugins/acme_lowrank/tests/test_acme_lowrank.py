"""The decoder keeps its contract, differs by low rank, is found by its name, and trains from the recipe."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from acme_lowrank.decoder import LowRankDecoder

import metasiren as ms
from metasiren import load_catalogue
from metasiren.testing import Part, parametrize_with_checks

RECIPE = Path(__file__).parents[1] / "recipe.yaml"
TINY = {
    "train.steps": 2,
    "train.batch": 4,
    "data.train": 16,
    "data.val": 4,
    "data.test": 4,
    "evaluate.contexts": [10],
    "evaluate.baselines": False,
}


@parametrize_with_checks(
    Part("decoder", LowRankDecoder, {"rank": 4, "hidden_features": 32}),
    Part("decoder", LowRankDecoder, {"rank": 2, "layer": 0, "hidden_features": 32}),
)
def test_contract(check: Callable[[], None]) -> None:
    """One test for each thing that metasiren relies on."""
    check()


@pytest.mark.parametrize("rank", [1, 3])
def test_signals_differ_in_one_layer_by_a_matrix_of_that_rank(rank: int) -> None:
    """The rank of the difference of two signals' weights is the option; all else is equal."""
    torch.manual_seed(0)
    siren = ms.Siren(in_features=2, out_features=3, hidden_features=16, hidden_layers=1)
    params = LowRankDecoder(siren, 4, rank=rank).double()(torch.randn(2, 4, dtype=torch.float64))
    for name, tensor in params.items():
        expected = rank if name == "1.weight" else 0
        difference = (tensor[0] - tensor[1]).reshape(tensor.shape[1], -1)
        assert torch.linalg.matrix_rank(difference, rtol=1e-9) == expected


def test_strength_is_in_units_of_the_shared_weights() -> None:
    """For latents of unit variance."""
    torch.manual_seed(0)
    siren = ms.Siren(in_features=2, out_features=3, hidden_features=64, hidden_layers=1)
    decoder = LowRankDecoder(siren, 32, rank=32, hidden_features=512, strength=0.5)
    with torch.no_grad():
        params = decoder(torch.randn(256, 32))
    shared = decoder.shared[2]
    change = (params["1.weight"] - shared).std() / shared.std()
    assert 0.4 < change < 0.6


@pytest.mark.parametrize(("options", "expected"), [({"rank": 0}, "rank"), ({"layer": 3}, "Give 0 to 2")])
def test_options_out_of_range_are_refused(options: dict[str, int], expected: str) -> None:
    """The message names the option."""
    siren = ms.Siren(in_features=2, out_features=3, hidden_features=16, hidden_layers=1)
    with pytest.raises(ms.RecipeError, match=expected):
        LowRankDecoder(siren, 4, **options)


def test_it_is_found_by_name() -> None:
    """The entry point works."""
    assert load_catalogue().factory("decoder", "lowrank", "this test") is LowRankDecoder


def test_the_recipe_trains(tmp_path: Path) -> None:
    """Two steps, from recipe to results."""
    run = ms.run(ms.load_recipe(RECIPE, overrides=TINY), out=tmp_path / "run", device="cpu")
    assert [line["step"] for line in run.losses()][-1] == 2
    assert run.environment["plugins"]["acme_lowrank"] == "acme-lowrank 0.1.0"
