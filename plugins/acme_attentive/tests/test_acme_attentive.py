"""The encoder keeps its contract, attends, is found by its name, and trains from the recipe."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from acme_attentive.encoder import AttentiveEncoder

import metasiren as ms
from metasiren import load_catalogue
from metasiren.testing import Part, Ripples, parametrize_with_checks

RECIPE = Path(__file__).parents[1] / "recipe.yaml"
SMALL = {"latent_dim": 8, "features": 16, "heads": 2}
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
    Part("encoder", AttentiveEncoder, SMALL),
    Part("encoder", AttentiveEncoder, {**SMALL, "octaves": 0, "blocks": 0}, Ripples(ms.Domain(1, 2, None, 6))),
)
def test_contract(check: Callable[[], None]) -> None:
    """One test for each thing that metasiren relies on."""
    check()


def test_observations_attend_to_one_another() -> None:
    """Unlike the latent of a mean, that of two observations is no average of the latents of each."""
    torch.manual_seed(0)
    encoder = AttentiveEncoder(ms.Domain(1, 1), latent_dim=4, features=16, heads=2)
    context = ms.Context(torch.zeros(1), torch.tensor([[[-1.0], [1.0]]]), torch.ones(1, 2, 1), torch.ones(1, 2) > 0)
    one = replace(context, mask=torch.tensor([[True, False]]))
    two = replace(context, mask=torch.tensor([[False, True]]))
    both, first, second = (encoder(each, None) for each in (context, one, two))
    assert (both - (first + second) / 2).abs().max() > 1e-3


def test_heads_that_do_not_divide_the_features_are_refused() -> None:
    """The message says what would work."""
    with pytest.raises(ms.RecipeError, match="divides the features"):
        AttentiveEncoder(ms.Domain(1, 1), features=10, heads=3)


def test_it_is_found_by_name() -> None:
    """The entry point works."""
    assert load_catalogue().factory("encoder", "attentive", "this test") is AttentiveEncoder


def test_the_recipe_trains(tmp_path: Path) -> None:
    """Two steps, from recipe to results."""
    run = ms.run(ms.load_recipe(RECIPE, overrides=TINY), out=tmp_path / "run", device="cpu")
    assert [line["step"] for line in run.losses()][-1] == 2
    assert run.environment["plugins"]["acme_attentive"] == "acme-attentive 0.1.0"
