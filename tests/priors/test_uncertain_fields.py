"""Fields with a standard deviation, the loss that trains it, and the scores of independent Gaussians."""

from __future__ import annotations

import json
from math import log, pi
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import metasiren as ms
from metasiren import Batch, Context, Points, Prediction, RecipeError, Siren
from metasiren.contracts import predict
from metasiren.engine.evaluation import evaluate
from metasiren_priors.data.imageset import ImageSet
from metasiren_priors.data.sketch_faces import draw_faces
from metasiren_priors.decoders.concatenation import Concatenation
from metasiren_priors.decoders.uncertain import UncertainField
from metasiren_priors.encoders.gaussian import Gaussian
from metasiren_priors.evaluation.masks import DRAWS, views
from metasiren_priors.evaluation.predictive import Independent, context_and_targets, log_likelihoods, spread_scores
from metasiren_priors.evaluation.scoring import Evaluation
from metasiren_priors.likelihood import GaussianNll
from metasiren_priors.mixture.mixture import Mixture

SIREN = Siren(in_features=1, out_features=2, hidden_features=6, hidden_layers=1, nonlinearity="relu")
PIXELS, CHANNELS = 25, 2


def decoder(**options: Any) -> Concatenation:
    torch.manual_seed(0)
    return Concatenation(SIREN, 3, **options).double()


def prediction(made: Concatenation, latent: Tensor, values: Tensor) -> Prediction:
    coords = torch.linspace(-1, 1, values.shape[1], dtype=torch.float64).view(1, -1, 1).expand(len(values), -1, -1)
    mask = torch.ones(values.shape[:2], dtype=torch.bool)
    batch = Batch(
        Context(torch.arange(len(values)), coords, values, mask), {"pixels": Points(coords, {"values": values})}
    )
    return predict(made.field(latent), latent, batch, {"pixels": "value"})


@pytest.fixture
def latent() -> Tensor:
    return torch.randn(4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.fixture
def values() -> Tensor:
    return torch.randn(4, 7, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def test_the_values_are_the_same_with_and_without_a_deviation(latent: Tensor) -> None:
    x = torch.linspace(-1, 1, 9, dtype=torch.float64).view(-1, 1)
    plain, uncertain = decoder().field(latent), decoder(deviation=True).field(latent)
    assert isinstance(uncertain, UncertainField)
    assert not isinstance(plain, UncertainField)
    torch.testing.assert_close(uncertain(x), plain(x), rtol=0, atol=0)
    assert uncertain.deviation(x).shape == (4, 9, 2)


def test_a_deviation_is_a_second_output_layer_of_the_same_hidden_layers(latent: Tensor) -> None:
    made = decoder(deviation=True, least=0.1)
    assert made.spread is not None
    x = torch.linspace(-1, 1, 9, dtype=torch.float64).view(-1, 1)
    params = dict(made(latent))
    params["2.weight"] = made.spread[0].expand(4, -1, -1)
    params["2.bias"] = made.spread[1].expand(4, -1)
    field = made.field(latent)
    assert isinstance(field, UncertainField)
    torch.testing.assert_close(field.deviation(x), 0.1 + torch.nn.functional.softplus(SIREN(params, x)))
    with torch.no_grad():
        made.spread[1].fill_(-1e3)
    torch.testing.assert_close(field.deviation(x), torch.full((4, 9, 2), 0.1, dtype=torch.float64))


def test_the_loss_is_the_density_of_torch(latent: Tensor, values: Tensor) -> None:
    made = prediction(decoder(deviation=True), latent, values)
    field = made.field
    assert isinstance(field, UncertainField)
    coords = made.batch.points["pixels"].coords
    expected = -torch.distributions.Normal(field(coords), field.deviation(coords)).log_prob(values).mean()
    torch.testing.assert_close(GaussianNll()(made), expected)
    torch.testing.assert_close(GaussianNll(through=True)(made), expected)


@pytest.mark.parametrize("through", [False, True])
def test_what_the_loss_trains(latent: Tensor, values: Tensor, through: bool) -> None:
    made = decoder(deviation=True)
    GaussianNll(through=through)(prediction(made, latent.requires_grad_(), values)).backward()
    assert made.spread is not None
    assert all(p.grad is not None and float(p.grad.abs().sum()) > 0 for p in made.spread)
    others = [latent, *made.shared, *made.latent_weights]
    assert all((p.grad is not None and float(p.grad.abs().sum()) > 0) == through for p in others)


def test_the_best_constant_deviation_is_the_root_mean_square_error(values: Tensor) -> None:
    made = decoder(deviation=True, least=1e-9)
    assert made.spread is not None
    latent, coords = torch.zeros(4, 3, dtype=torch.float64), torch.linspace(-1, 1, 7, dtype=torch.float64).view(-1, 1)
    rms = (made.field(latent)(coords) - values).detach().square().mean(dim=(0, 1)).sqrt()
    for factor, sign in ((0.9, -1), (1.0, 0), (1.1, 1)):
        with torch.no_grad():
            made.spread[0].zero_()
            made.spread[1].copy_((factor * rms).expm1().log())  # the inverse of softplus
        (slope,) = torch.autograd.grad(GaussianNll()(prediction(made, latent, values)), [made.spread[1]])
        assert torch.equal(slope.sign() * (slope.abs() > 1e-7), torch.full_like(slope, sign))


def test_fields_without_a_deviation_are_refused(latent: Tensor, values: Tensor) -> None:
    with pytest.raises(RecipeError, match="no standard deviation") as raised:
        GaussianNll()(prediction(decoder(), latent, values))
    assert "deviation: true" in str(raised.value)


def test_points_without_values_are_refused(latent: Tensor, values: Tensor) -> None:
    made = prediction(decoder(deviation=True), latent, values)
    coords = made.batch.points["pixels"].coords
    batch = Batch(made.batch.context, {"pixels": Points(coords, {"normals": values})})
    with pytest.raises(RecipeError, match="no target 'values'; they have normals"):
        GaussianNll()(Prediction(batch, latent, made.field, made.jets))


def test_a_smallest_deviation_of_zero() -> None:
    with pytest.raises(RecipeError, match="least"):
        Concatenation(SIREN, 3, least=0.0)


def test_independent_values_are_scored_as_a_joint_density_without_correlations() -> None:
    variance = 0.09
    gaussian = Gaussian(PIXELS * CHANNELS, ridge=1e-9).double()
    gaussian.covariance.copy_(torch.eye(PIXELS * CHANNELS) * variance)
    mixture = Mixture.alone(gaussian).double()
    values = 0.3 * torch.randn(30, PIXELS, CHANNELS, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    seen, items = torch.arange(PIXELS).lt(5).expand(30, -1), torch.arange(30)

    def joint(v: Tensor, s: Tensor) -> Any:
        return mixture.posteriors(v.flatten(1), s.repeat_interleave(CHANNELS, 1))

    same = Independent(lambda v, s, i: (torch.zeros_like(v), torch.full_like(v, variance**0.5)))
    torch.testing.assert_close(
        same.log_likelihoods(values, items, 3), log_likelihoods(joint, values, items, 3), rtol=1e-6, atol=1e-6
    )
    mine, theirs = same.spread(values, seen, items), spread_scores(joint, values, seen)
    torch.testing.assert_close(mine.crps, theirs.crps, rtol=1e-6, atol=0)
    torch.testing.assert_close(mine.coverage, theirs.coverage)
    nothing = same.spread(values, torch.ones(30, PIXELS, dtype=torch.bool), items)
    assert bool(nothing.crps.isnan().all())
    assert bool(nothing.coverage.isnan().all())


def test_targets_are_predicted_from_the_context_alone() -> None:
    asked = []

    def moments(values: Tensor, seen: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        asked.append(seen)
        return torch.zeros_like(values), torch.ones_like(values)

    values = torch.zeros(3, PIXELS, CHANNELS)
    found = Independent(moments).log_likelihoods(values, torch.arange(3), 0)
    contexts = torch.stack([context_and_targets(item, PIXELS, 0)[0] for item in range(3)])
    assert torch.equal(asked[0], contexts)
    expected = CHANNELS * (log(2) - log(2 * pi) / 2)
    torch.testing.assert_close(found, torch.full((3,), expected, dtype=torch.float64))


def test_distributions_are_scored_in_small_parts_so_that_progress_shows() -> None:
    faces = draw_faces(0, "val", 70, size=8)
    data = ImageSet("faces", {"train": faces}, {})
    calls: list[int] = []

    def moments(values: Tensor, seen: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        calls.append(len(values))
        return torch.zeros_like(values), torch.full_like(values, 0.5)

    evaluation = Evaluation(data, "train", tuple(views([10], (8, 8))), DRAWS["exact"], 1, 256, "cpu")
    row = evaluation.distribution(ms.TableRow(name="x", kind="model", mse={}), Independent(moments), 70)
    assert calls == [32, 32, 32, 32, 6, 6]
    _, values = evaluation.values(0, 70)
    expected = Independent(moments).log_likelihoods(values, torch.arange(70), 0)
    assert row.log_likelihood == pytest.approx(float(expected.mean()))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> ms.Run:
    overrides = {
        "data.train": 200, "data.val": 6, "data.test": 0, "data.size": 12, "siren.hidden_features": 16,
        "encoder.latent_dim": 16, "encoder.hidden_features": 16, "train.steps": 3, "train.context": [4, 100],
        "evaluate.contexts": [10, "half", 144], "evaluate.distributions": 5, "evaluate.baseline_images": 6,
    }  # fmt: skip
    recipe = ms.load_recipe("celeba_cnp", preset="quick", overrides=overrides)
    return ms.run(recipe, tmp_path_factory.mktemp("runs") / "cnp", device="cpu")


def test_a_neural_process_has_its_distribution_in_the_table(trained: ms.Run) -> None:
    table = json.loads((trained.results / "table.json").read_text())
    row = next(row for row in table["rows"] if row["kind"] == "model")
    assert 0 <= row["coverage_50"]["10"] <= row["coverage_90"]["10"] <= row["coverage_95"]["10"] <= 1
    assert row["crps"]["10"] > 0
    assert row["crps"]["144"] is None
    assert isinstance(row["log_likelihood"], float)


def test_a_refined_neural_process_has_no_distribution_in_the_table(trained: ms.Run) -> None:
    evaluate(trained.path, refine=2, device="cpu")
    table = json.loads((trained.results / "table.json").read_text())
    row = next(row for row in table["rows"] if row["kind"] == "model")
    assert row["log_likelihood"] is None


def test_inpaint_draws_the_deviation_of_a_neural_process(trained: ms.Run, tmp_path: Path) -> None:
    from PIL import Image

    from metasiren_priors.inpaint import inpaint

    Image.new("RGB", (24, 24), (200, 90, 30)).save(tmp_path / "photo.png")
    found = inpaint(trained, tmp_path / "photo.png", pixels=9, deviation=True, device="cpu")
    assert found.deviation is not None
    assert found.deviation.shape == (1, 12, 12)
    assert int((found.deviation > 0).sum()) == 144 - 9
    with pytest.raises(ms.RunError, match="without a posterior"):
        inpaint(trained, tmp_path / "photo.png", pixels=9, samples=2, device="cpu")


def test_a_latent_of_size_zero_has_a_deviation_too() -> None:
    made = Concatenation(Siren(in_features=2, out_features=1, hidden_features=4, hidden_layers=0), 0, deviation=True)
    field = made.field(torch.zeros(2, 0))
    assert isinstance(field, UncertainField)
    assert field.deviation(torch.zeros(5, 2)).shape == (2, 5, 1)
