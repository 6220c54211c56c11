"""The learnt correction of a mixture's mean: where it starts, what it keeps and what it learns."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor

from metasiren import DataError, RecipeError
from metasiren_priors.data.sketch_faces import SketchFaces
from metasiren_priors.encoders.gaussian import training_draw
from metasiren_priors.encoders.mixture_encoder import MixtureEncoder
from metasiren_priors.mixture.clusters import Clusters, maximise, total_covariance
from metasiren_priors.mixture.correction import Correction, View
from metasiren_priors.mixture.learning import folds, learn, training_mask
from metasiren_priors.mixture.mixture import Mixture
from metasiren_priors.mixture.rest import DenseRest, IsotropicRest, Seen

SIZE, GRID = 24, (8, 3)


def bent(count: int, seed: int = 0) -> Tensor:
    """Vectors whose second half is quadratic in their first: no covariance predicts it."""
    g = torch.Generator().manual_seed(seed)
    left = (
        0.3 * torch.randn(count, 2, generator=g) @ torch.randn(2, SIZE // 2, generator=torch.Generator().manual_seed(9))
    )
    noise = 0.02 * torch.randn(count, SIZE, generator=g)
    return torch.cat([left, left.square() - left.square().mean(0)], dim=1) + noise


def hundreds(x: Tensor) -> tuple[Tensor, ...]:
    return x.chunk(-(-len(x) // 100))


def fitted(x: Tensor, **options: object) -> Mixture:
    made = Mixture(SIZE, components=1, coordinates=6, coarse=3, **{"correction": 32, **options})  # type: ignore[arg-type]
    made.fit(lambda: hundreds(x))
    return made


def masks(count: int) -> Tensor:
    seen = torch.rand(count, SIZE, generator=torch.Generator().manual_seed(1)) < 0.5
    seen[0], seen[1] = False, True
    return seen


def shaken(mixture: Mixture) -> Mixture:
    g = torch.Generator().manual_seed(3)
    assert mixture.correction is not None
    for parameter in mixture.correction.parameters():
        parameter.copy_(0.3 * torch.randn(parameter.shape, generator=g))
    return mixture


def seen_through(gram: Tensor, projection: Tensor) -> Seen:
    nothing = torch.zeros(len(projection), 0).double()
    zero = torch.zeros((), dtype=torch.float64)
    return Seen(gram, projection, zero, zero, None, nothing, torch.zeros(0, len(gram)).double())


def test_without_its_network_and_without_a_share_the_mean_is_the_mixtures() -> None:
    x, seen = bent(300), masks(20)
    plain, values = fitted(x, correction=None), bent(20, 5)
    unshared = shaken(fitted(x, share=0.0))
    assert torch.equal(unshared.mean(values, seen), plain.mean(values, seen))


def test_it_starts_at_the_gaussian_which_one_component_is() -> None:
    x, seen = bent(300), masks(20)
    plain, values = fitted(x, correction=None), bent(20, 5)
    whole = fitted(x, share=1.0)
    torch.testing.assert_close(whole.mean(values, seen), plain.mean(values, seen), rtol=0, atol=2e-4)


def test_observed_values_stay_and_hidden_ones_move() -> None:
    seen, values = masks(20), bent(20, 5)
    made = fitted(bent(300))
    before = made.mean(values, seen)
    after = shaken(made).mean(values, seen)
    assert torch.equal(after[seen], values[seen])
    assert float((after - before)[~seen].abs().max()) > 1e-2


def test_a_share_is_the_average_of_both_predictions() -> None:
    x, seen, values = bent(300), masks(20), bent(20, 5)
    none, whole, third = (shaken(fitted(x, share=share)).mean(values, seen) for share in (0.0, 1.0, 1 / 3))
    torch.testing.assert_close(third, none + (whole - none) / 3)


def test_a_correction_counts_fully_where_nothing_is_seen_and_not_where_all_is() -> None:
    net = Correction(3, 8).eval()
    precision = torch.diag(torch.tensor([1.0, 4.0, 25.0])).double()
    net.restart(torch.tensor([1.0, 0.5, 0.2]))
    with torch.no_grad():
        net.last.bias.fill_(1.0)
    variances, b = precision.diagonal().reciprocal(), torch.zeros(2, 3).double()
    blind = View.of(precision, variances, seen_through(torch.zeros(3, 3).double(), b))
    torch.testing.assert_close(net(blind), net.deviations.double().expand(2, 3))
    assert torch.equal(blind.deviation, torch.ones(3).double())
    exact = View.of(precision, variances, seen_through(1e12 * torch.eye(3).double(), b))
    torch.testing.assert_close(net(exact), torch.zeros(2, 3).double(), rtol=0, atol=1e-9)


def test_a_moved_prior_mean_is_the_gain_times_the_move() -> None:
    g = torch.Generator().manual_seed(0)
    root = torch.randn(4, 4, generator=g).double()
    s, gram, b = (
        root @ root.T + torch.eye(4),
        torch.diag(torch.tensor([5.0, 0, 1, 0])).double(),
        torch.ones(1, 4).double(),
    )
    precision, d = torch.linalg.inv(s), torch.tensor([1.0, -2, 3, 0.5]).double()
    view = View.of(precision, s.diagonal(), seen_through(gram, b))
    expected = torch.linalg.solve(precision + gram, (b + d @ precision).T).T
    torch.testing.assert_close(view.expected + d @ view.gain.T, expected)


def test_the_total_covariance_is_that_of_the_vectors() -> None:
    x = bent(400).double()
    shares = torch.rand(400, 3, generator=torch.Generator().manual_seed(0)).double()
    shares = shares / shares.sum(1, keepdim=True)
    found = maximise(x, shares, 0.0)
    sizes = shares.sum(0).view(-1, 1, 1)
    biased = replace(found, covariances=found.covariances * (sizes - 1) / sizes)
    torch.testing.assert_close(total_covariance(biased), torch.cov(x.T, correction=0), rtol=1e-4, atol=1e-8)


def test_vectors_that_belong_to_other_components_do_not_count() -> None:
    x = bent(60).double()
    shares = torch.nn.functional.one_hot(torch.arange(60) % 2, 2).double()
    found = maximise(x, shares, 0.0)
    for k in range(2):
        torch.testing.assert_close(found.covariances[k], torch.cov(x[k::2].T))
    assert isinstance(found, Clusters)


@pytest.mark.parametrize(("directions", "kind"), [(None, DenseRest), (10, IsotropicRest)])
def test_a_folds_gaussian_knows_the_other_folds_alone(directions: int | None, kind: type) -> None:
    x = bent(200)
    mixture = fitted(x, directions=directions)
    found = folds(mixture, lambda: hundreds(x), 4)
    others = x[torch.arange(200) % 4 != 1].double() - mixture.gaussian.mean.double()
    expected = torch.linalg.inv((others @ mixture.basis.double()).T @ (others @ mixture.basis.double()) / 149)
    assert isinstance(found[1].rest, kind)
    torch.testing.assert_close(found[1].precision, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("grid", [(8, 8), (16,), (4, 6, 2), (1, 1)])
def test_training_masks_show_and_hide(grid: tuple[int, ...]) -> None:
    g = torch.Generator().manual_seed(0)
    for number in range(40):
        mask = training_mask(grid, g, number % 2 == 0)
        assert mask.shape == (torch.Size(grid).numel(),)
        if mask.numel() > 8:
            assert bool((~mask).any())


def test_drawn_vectors_are_of_their_fold() -> None:
    faces = SketchFaces(train=10, val=2, test=0, size=8)
    held = faces.values("train")[3::4].flatten(1)
    turned = faces.values("train")[3::4].view(-1, 8, 8, 3).flip(2).flatten(1)
    found = training_draw(faces, 3, 40, torch.Generator().manual_seed(0), mirror=True, folds=4)
    here = torch.cdist(found, torch.cat([held, turned]))
    assert float(here.amin(1).max()) < 1e-2
    assert set(here.argmin(1).tolist()) == set(range(2 * len(held)))
    few = SketchFaces(train=2, val=2, test=0, size=8)
    with pytest.raises(DataError, match="cannot be split into 4 folds"):
        training_draw(few, 3, 1, torch.Generator(), mirror=False, folds=4)


def test_learning_finds_what_no_covariance_can_and_repeats_itself() -> None:
    x, new = bent(800), bent(200, 7)
    seen = (torch.arange(SIZE) < SIZE // 2).expand(200, -1)
    errors, weights = [], []
    for steps in (0, 120, 120):
        mixture = fitted(x, share=1.0)

        def draw(fold: int, count: int, generator: torch.Generator) -> Tensor:
            held = x[fold::4]
            return held[torch.randint(len(held), (count,), generator=generator)]

        learn(mixture, lambda: hundreds(x), draw, GRID, steps=steps, rate=3e-3, seed=0)
        assert mixture.correction is not None
        assert not mixture.correction.training
        errors.append(float((mixture.mean(new, seen) - new).square().mean()))
        weights.append(mixture.correction.last.weight.clone())
    assert errors[1] < 0.8 * errors[0]
    assert torch.equal(weights[1], weights[2])


def test_the_encoder_trains_its_correction_in_fit_and_a_state_brings_it_back() -> None:
    faces = SketchFaces(train=64, val=4, test=0, size=8)
    make = partial(
        MixtureEncoder, faces.domain, components=2, coordinates=8, rounds=2, mirror=True, correction_features=8
    )
    made, plain = make(correction_steps=2), make()
    made.fit(faces)
    plain.fit(faces)
    assert not any(parameter.requires_grad for parameter in made.parameters())
    assert not list(plain.parameters())
    again = make(correction_steps=2)
    again.load_state_dict(made.state_dict())
    values, seen = faces.values("val"), torch.zeros(4, 64, dtype=torch.bool)
    seen[:, :20] = True
    mean = made.conditional_mean(values, seen)
    assert torch.equal(again.conditional_mean(values, seen), mean)
    assert torch.equal(mean.view(4, 64, 3)[seen], values[seen])
    for (_, corrected), (_, posterior) in zip(
        made.posteriors(values, seen), plain.posteriors(values, seen), strict=True
    ):
        assert torch.equal(corrected.evidence, posterior.evidence)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"correction_steps": -1}, "correction_steps: -1 is below 0"),
        ({"correction_features": 0}, "correction_features: 0 is below 1"),
        ({"correction_rate": 0.0}, "correction_rate: 0.0 is not positive"),
        ({"correction_share": 1.5}, "correction_share: 1.5 is no share"),
    ],
)
def test_numbers_out_of_their_range_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        MixtureEncoder(SketchFaces(train=4, val=2, test=0, size=8).domain, **options)  # type: ignore[arg-type]
