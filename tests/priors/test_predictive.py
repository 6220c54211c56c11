"""Scores of predictive distributions, against their definitions and on models whose answers are known."""

from __future__ import annotations

import json
from math import log, pi, sqrt
from pathlib import Path

import numpy as np
import pytest
import torch

from metasiren import RecipeError, load_recipe, run
from metasiren_priors.encoders.gaussian import Gaussian
from metasiren_priors.evaluation.predictive import (
    context_and_targets,
    log_likelihoods,
    mixture_crps,
    spread_scores,
)
from metasiren_priors.evaluation.protocols import Exact
from metasiren_priors.mixture.mixture import Mixture

PIXELS, CHANNELS = 25, 2


def white(variance: float) -> Mixture:
    """Independent values of mean zero and the given variance in [-1, 1]."""
    gaussian = Gaussian(PIXELS * CHANNELS, ridge=1e-6).double()
    gaussian.covariance.copy_(torch.eye(PIXELS * CHANNELS) * variance)
    return Mixture.alone(gaussian).double()


def posteriors(mixture: Mixture):  # type: ignore[no-untyped-def]
    return lambda v, s: mixture.posteriors(v.flatten(1), s.repeat_interleave(CHANNELS, 1))


def test_crps_is_the_integral_that_defines_it() -> None:
    weights, means = torch.tensor([0.3, 0.7], dtype=torch.float64), torch.tensor([[-0.2], [0.5]], dtype=torch.float64)
    deviations, y = torch.tensor([[0.1], [0.3]], dtype=torch.float64), torch.tensor([0.2], dtype=torch.float64)
    t = torch.linspace(-6, 6, 240001, dtype=torch.float64)
    cdf = (weights.unsqueeze(1) * torch.special.ndtr((t - means) / deviations)).sum(0)
    integral = torch.trapezoid((cdf - (t >= y).double()).square(), t)
    torch.testing.assert_close(mixture_crps(y, weights, means, deviations)[0], integral, rtol=0, atol=1e-4)


def test_crps_of_a_sure_prediction_is_the_absolute_error() -> None:
    one = torch.ones(1, 1, dtype=torch.float64)
    found = mixture_crps(torch.tensor([0.7], dtype=torch.float64), one[0], 0.2 * one, 1e-9 * one)
    torch.testing.assert_close(found, torch.tensor([0.5], dtype=torch.float64))


def test_a_gaussian_toy_is_calibrated_exactly() -> None:
    values = 0.3 * torch.randn(400, PIXELS, CHANNELS, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    seen = torch.arange(PIXELS).lt(5).expand(400, -1)
    found = spread_scores(posteriors(white(0.09)), values, seen)
    torch.testing.assert_close(
        found.coverage.mean(0), torch.tensor([0.5, 0.9, 0.95], dtype=torch.float64), rtol=0, atol=0.01
    )
    # E CRPS of a calibrated Gaussian is sigma / sqrt(pi); halved, since values in [0, 1] are half as wide.
    torch.testing.assert_close(found.crps.mean(), torch.tensor(0.15 / sqrt(pi), dtype=torch.float64), rtol=0.02, atol=0)
    # Twice too sure: fewer values inside.
    narrow = spread_scores(posteriors(white(0.09 / 4)), values, seen).coverage.mean(0)
    assert float(narrow[1]) < 0.65


def test_log_likelihood_of_independent_values_is_a_sum_over_them() -> None:
    variance = 0.09
    values = 0.3 * torch.randn(20, PIXELS, CHANNELS, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    items = torch.arange(20)
    found = log_likelihoods(posteriors(white(variance)), values, items, 3)
    v = (variance + 4e-6) / 4  # of values in [0, 1]
    for item in range(20):
        _, target = context_and_targets(item, PIXELS, 3)
        y = values[item][target] / 2
        each = -y.square() / (2 * v) - log(2 * pi * v) / 2
        assert float(found[item]) == pytest.approx(float(each.sum(1).mean()), abs=1e-6)


def test_contexts_and_targets_are_disjoint_and_within_their_bounds() -> None:
    counts = []
    for item in range(400):
        context, target = context_and_targets(item, 1024, 0)
        assert not bool((context & target).any())
        counts.append((int(context.sum()), int(target.sum())))
    contexts, targets = np.array(counts).T
    assert (contexts.min(), contexts.max()) >= (3, 190)
    assert contexts.max() <= 197
    assert targets.min() >= 3
    assert (contexts + targets).max() <= 200
    again = context_and_targets(7, 1024, 0)[0]
    assert torch.equal(again, context_and_targets(7, 1024, 0)[0])


def test_nothing_hidden_has_no_score() -> None:
    found = spread_scores(
        posteriors(white(0.1)), torch.zeros(2, PIXELS, CHANNELS), torch.ones(2, PIXELS, dtype=torch.bool)
    )
    assert bool(found.crps.isnan().all())
    assert bool(found.coverage.isnan().all())


def test_a_negative_number_of_images() -> None:
    with pytest.raises(RecipeError, match="negative"):
        Exact(distributions=-1)


def test_the_recipe_in_closed_form_writes_its_distribution_into_the_table(tmp_path: Path) -> None:
    overrides = {
        "data.train": 300, "data.val": 12, "data.test": 0, "data.size": 16,
        "siren.hidden_features": 500,
        "encoder.components": 2, "encoder.coordinates": 40, "encoder.pooled": 100, "encoder.rounds": 3,
        "evaluate.contexts": [10, "half", 250, 256], "evaluate.seeds": 1, "evaluate.distributions": 6,
    }  # fmt: skip
    made = run(load_recipe("celeba_mixture", preset="quick", overrides=overrides), tmp_path / "run", device="cpu")
    table = json.loads((made.results / "table.json").read_text())
    model, gaussian = (next(r for r in table["rows"] if r["name"].startswith(n)) for n in ("celeba_mixture", "Gauss"))
    assert model["mse"]["256"] < 2e-3
    for row in (model, gaussian):
        assert 0.5 < row["coverage_90"]["10"] <= 1
        assert 0 < row["crps"]["250"] < row["crps"]["10"]
        assert row["crps"]["256"] is None
        assert np.isfinite(row["log_likelihood"])
    words = (made.results / "table.md").read_text()
    assert "Continuous ranked probability score" in words
    assert "log p(targets | context)".replace("|", "\\|") in words
    again = made.model()
    assert float(again.encoder.mixture.weights.sum()) == pytest.approx(1, abs=1e-6)
