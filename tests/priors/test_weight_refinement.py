"""Refinement of emitted weights: what it keeps, and what it finds."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import metasiren as ms
from metasiren import Context, Field, Siren
from metasiren_basics.hypernetwork import Hypernetwork
from metasiren_priors.evaluation import weight_refinement
from metasiren_priors.evaluation.refinement import observed_errors
from metasiren_priors.evaluation.weight_refinement import refine_weights

SIREN = Siren(in_features=2, out_features=3, hidden_features=24, hidden_layers=1)


@pytest.fixture
def field() -> Field:
    torch.manual_seed(0)
    return Hypernetwork(SIREN, 5, start="siren", spread=0.5).double().field(torch.randn(4, 5).double()).detach()


@pytest.fixture
def context() -> Context:
    g = torch.Generator().manual_seed(1)
    coords = torch.rand(4, 40, 2, generator=g, dtype=torch.float64) * 2 - 1
    values = torch.stack([coords.sum(2).sin(), coords[..., 0], coords.prod(2)], dim=2)
    mask = torch.arange(40) < torch.tensor([40, 10, 1, 0])[:, None]
    return Context(torch.arange(4), coords, values * mask.unsqueeze(2), mask)


def test_no_steps_change_nothing(field: Field, context: Context) -> None:
    assert refine_weights(field, context, 0) is field


@pytest.mark.parametrize("rate", [0.02, 50.0])
def test_no_item_gets_worse_where_it_was_observed(field: Field, context: Context, rate: float) -> None:
    """Not even with a learning rate that destroys the hidden layers."""
    before = observed_errors(field, context)
    after = [observed_errors(refine_weights(field, context, k, rate=rate), context) for k in (1, 2, 6)]
    for errors in after:
        assert bool((errors <= before).all())
        assert bool((errors[:3] < before[:3]).all())
        assert float(errors[3]) == 0
    assert bool((after[2] <= after[1]).all())


def test_one_step_is_the_ridge_regression_of_the_output_layer(field: Field, context: Context) -> None:
    found = refine_weights(field, context, 1, ridge=0.3)
    last, h = SIREN.layers[-1], ms.feature_jet(SIREN, field.params, context.coords, "value").value
    h = torch.cat([h, torch.ones_like(h[..., :1])], 2)[0]
    start = torch.cat([field.params[last.weight][0], field.params[last.bias][0, :, None]], 1)
    weights = torch.cat([found.params[last.weight][0], found.params[last.bias][0, :, None]], 1)
    # The gradient of the penalised error vanishes.
    gradient = (weights @ h.T - context.values[0].T) @ h + 0.3 * (weights - start)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-10)
    for name in ("0.weight", "1.bias"):
        assert torch.equal(found.params[name], field.params[name])


def test_a_step_takes_two_passes(field: Field, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """One for errors and their gradients, one for the features; the first errors take one more."""
    passes = {"values": 0, "features": 0}
    evaluate, features = Siren.evaluate, weight_refinement.feature_jet

    def counted(name: str, function: Any) -> Any:
        def call(*given: Any) -> Any:
            passes[name] += 1
            return function(*given)

        return call

    monkeypatch.setattr(Siren, "evaluate", counted("values", evaluate))
    monkeypatch.setattr(weight_refinement, "feature_jet", counted("features", features))
    refine_weights(field, context, 5)
    assert passes == {"values": 6, "features": 5}


def test_items_do_not_influence_one_another(field: Field, context: Context) -> None:
    whole = refine_weights(field, context, 4)
    for i in range(4):
        own = Context(*(t[i : i + 1] for t in (context.items, context.coords, context.values, context.mask)))
        alone = refine_weights(Field(SIREN, {k: v[i : i + 1] for k, v in field.params.items()}), own, 4)
        for name, value in alone.params.items():
            torch.testing.assert_close(whole.params[name][i : i + 1], value)


def test_more_steps_fit_better(field: Field, context: Context) -> None:
    one, many = (observed_errors(refine_weights(field, context, k), context)[0] for k in (1, 40))
    assert float(many) < 0.5 * float(one)


def test_a_table_says_what_was_refined(tmp_path: object) -> None:
    from pathlib import Path

    changes = {
        "data.train": 40, "data.val": 4, "data.test": 0, "data.size": 8, "siren.hidden_features": 16,
        "encoder.latent_dim": 8, "decoder.hidden_features": 16, "train.steps": 2, "evaluate.contexts": [20, "full"],
        "evaluate.baselines": False, "evaluate.refine_in": "weights",
    }  # fmt: skip
    recipe = ms.load_recipe("celeba_gaussian", preset="quick", overrides=changes)
    made = ms.run(recipe, Path(str(tmp_path)) / "run", device="cpu")
    from metasiren.engine.running import evaluate

    before = ms.read_table(made.results / "table.json").rows[0]
    evaluate(made.path, refine=5, device="cpu")
    after = ms.read_table(made.results / "table.json").rows[0]
    assert "refined in the weights, 5 steps" in after.name
    assert after.mse["64"] < before.mse["64"]
