"""The learnt correction of a mixture's mean: where it starts, what it keeps, what it learns, and where it counts."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from metasiren import DataError, RecipeError
from metasiren_priors.data.sketch_faces import SketchFaces
from metasiren_priors.encoders.gaussian import Stream
from metasiren_priors.encoders.mixture_encoder import MixtureEncoder
from metasiren_priors.encoders.training_folds import RUN, TrainingFolds
from metasiren_priors.mixture import learning
from metasiren_priors.mixture.clusters import Clusters, Moments, maximise, total_covariance
from metasiren_priors.mixture.correction import KINDS, Correction, View
from metasiren_priors.mixture.folds import Fold, folds
from metasiren_priors.mixture.learning import FOLDS, learn, training_mask
from metasiren_priors.mixture.mixture import Mixture
from metasiren_priors.mixture.posterior import Posterior
from metasiren_priors.mixture.rest import DenseRest, IsotropicRest, Seen
from metasiren_priors.mixture.shares import FEWEST, measure

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
    options = {"components": 1, "correction": 32, **options}
    made = Mixture(SIZE, coordinates=6, coarse=3, **options)  # type: ignore[arg-type]
    made.fit(lambda: hundreds(x))
    if made.correction is not None:
        made.correction.shares.fill_(1.0)
    return made


class Vectors:
    """Vectors in folds: vector i is in fold i modulo five."""

    def __init__(self, x: Tensor) -> None:
        self.x = x

    def stream(self, fold: int) -> Stream:
        return lambda: hundreds(self.x[fold::5])

    def draw(self, fold: int, count: int, generator: torch.Generator) -> Tensor:
        held = self.x[fold::5]
        return held[torch.randint(len(held), (count,), generator=generator)]

    def each(self, fold: int, most: int, generator: torch.Generator) -> Tensor:
        return self.x[fold::5][:most]


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


def _error(mixture: Mixture, values: Tensor, seen: Tensor) -> float:
    return float((mixture.mean(values, seen) - values).square().mean())


def posterior_through(gram: Tensor, z: Tensor) -> Posterior:
    """One component whose coordinates are expected to be z, seen through a likelihood of precision `gram`."""
    zero, one = torch.zeros((), dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    seen = Seen(gram, z, zero, zero, None, z[:, :0], gram[:0])
    rest = IsotropicRest(torch.eye(len(gram)), 1.0)
    none = torch.zeros(len(gram), dtype=torch.bool)
    logs, factors = torch.zeros(len(z), 1).double(), torch.eye(len(gram)).double()[None]
    return Posterior(z, none, z[0], rest, seen, logs, z.unsqueeze(1), factors, one, zero)


def test_without_its_network_and_without_a_share_the_mean_is_the_mixtures() -> None:
    x, seen = bent(300), masks(20)
    plain, values = fitted(x, correction=None), bent(20, 5)
    unshared = shaken(fitted(x, share=0.0))
    assert torch.equal(unshared.mean(values, seen), plain.mean(values, seen))


def test_it_starts_at_the_mixture() -> None:
    x, seen = bent(300), masks(20)
    plain, values = fitted(x, correction=None, components=2), bent(20, 5)
    whole = fitted(x, components=2)
    torch.testing.assert_close(whole.mean(values, seen), plain.mean(values, seen), rtol=0, atol=1e-6)


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
    net = Correction(3, 1, 8).eval()
    precision = torch.diag(torch.tensor([1.0, 4.0, 25.0])).double()
    net.restart(torch.tensor([1.0, 0.5, 0.2]))
    with torch.no_grad():
        net.last.bias.fill_(1.0)
    variances, z = precision.diagonal().reciprocal(), torch.zeros(2, 3).double()
    blind = View.of(precision, variances, posterior_through(torch.zeros(3, 3).double(), z))
    torch.testing.assert_close(net(blind), net.deviations.double().expand(2, 3))
    torch.testing.assert_close(blind.deviation, torch.ones(3).double())
    exact = View.of(precision, variances, posterior_through(1e12 * torch.eye(3).double(), z))
    torch.testing.assert_close(net(exact), torch.zeros(2, 3).double(), rtol=0, atol=1e-9)


def test_a_moved_prior_mean_is_the_gain_times_the_move() -> None:
    g = torch.Generator().manual_seed(0)
    root = torch.randn(4, 4, generator=g).double()
    s, gram = root @ root.T + torch.eye(4), torch.diag(torch.tensor([5.0, 0, 1, 0])).double()
    precision, d, b = torch.linalg.inv(s), torch.tensor([1.0, -2, 3, 0.5]).double(), torch.ones(4).double()
    view = View.of(precision, s.diagonal(), posterior_through(gram, torch.zeros(1, 4).double()))
    moved, plain = (torch.linalg.solve(precision + gram, b + precision @ mean) for mean in (d, 0 * d))
    torch.testing.assert_close(view.gain @ d, moved - plain)


def test_kinds_of_masks_differ_by_how_much_is_left_and_by_how_coarse_it_is() -> None:
    variances = torch.tensor([8.0, 1.0, 1.0]).double()
    found = set()
    for left in (torch.tensor([1.0, 1, 1]), torch.tensor([0.2, 0, 0]), torch.tensor([0.0, 1, 1]), torch.zeros(3)):
        gram = torch.diag(1 / (left.double() * variances + 1e-9) - 1 / variances)
        posterior = posterior_through(gram, torch.zeros(1, 3).double())
        found.add(View.of(torch.diag(1 / variances), variances, posterior).kind)
    assert len(found) == 4
    assert found <= set(range(KINDS))


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


def test_sums_over_a_part_leave_those_over_the_others() -> None:
    x = bent(90).double()
    shares = torch.rand(90, 2, generator=torch.Generator().manual_seed(0)).double()
    whole, part, others = (Moments.of(x[rows], shares[rows]) for rows in (slice(90), slice(30), slice(30, 90)))
    for left, sum_of_both in ((whole - part, whole), (others, part + others)):
        torch.testing.assert_close(left.clusters(5.0).covariances, others.clusters(5.0).covariances)
        torch.testing.assert_close(sum_of_both.squares, whole.squares)


@pytest.mark.parametrize(("directions", "kind"), [(None, DenseRest), (10, IsotropicRest)])
def test_a_folds_mixture_knows_the_other_folds_alone(directions: int | None, kind: type) -> None:
    x = bent(200)
    mixture = fitted(x, directions=directions)
    found = folds(mixture, [Vectors(x).stream(fold) for fold in range(5)])
    others = x[torch.arange(200) % 5 != 1].double() - mixture.gaussian.mean.double()
    within = torch.cov((others @ mixture.basis.double()).T)
    if directions:
        noise = mixture.rest(mixture.gaussian.ridge).noise - mixture.gaussian.ridge
        within = within - noise * torch.eye(len(within))
    assert isinstance(found[1].rest, kind)
    torch.testing.assert_close(found[1].precision.double(), torch.linalg.inv(within), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("directions", [None, 10])
def test_what_coordinates_need_is_what_a_whole_observation_gives(directions: int | None) -> None:
    x = bent(200)
    rest = fitted(x, directions=directions).rest(4e-3)
    for mask in masks(6):
        deviation = torch.where(mask, x[:9], 0.0).double()
        whole, alone = rest.observe(deviation, mask), rest.likelihood(deviation, mask)
        torch.testing.assert_close(alone.gram, whole.gram)
        torch.testing.assert_close(alone.projection, whole.projection)


def test_a_fold_expects_what_its_mixture_expects() -> None:
    x, values = bent(300), bent(20, 5)
    mixture = fitted(x, correction=None, components=2, mean_scale=0.7)
    fold = Fold.of(mixture, mixture.clusters, mixture.rest(mixture.gaussian.ridge))
    fold = replace(fold, rest=DenseRest(mixture.basis, fold.rest.covariance, fold.rest.noise, torch.float32))  # type: ignore[attr-defined]
    for mask in masks(6):
        posterior, view = fold.see(values, mask, hidden=True)
        expected = mixture.mean(values, mask.expand_as(values))
        torch.testing.assert_close(posterior.mean_at(view.expected), expected, rtol=0, atol=2e-3)
        _, alone = fold.see(values, mask)
        torch.testing.assert_close(alone.expected, view.expected, rtol=0, atol=1e-3)
        torch.testing.assert_close(alone.weights, view.weights, rtol=0, atol=1e-3)


def test_shares_are_what_unseen_signals_support() -> None:
    mixture = fitted(bent(400), correction=8)
    fold = folds(mixture, [Vectors(bent(400)).stream(number) for number in range(5)])[0]
    net, nothing = mixture.correction, [torch.zeros(SIZE, dtype=torch.bool)]
    assert net is not None
    g = torch.Generator().manual_seed(2)
    coordinates = 0.02 * torch.randn(300, 6, generator=g)
    coordinates[:, 0] += 0.5 * net.deviations[0]
    values = mixture.gaussian.mean + coordinates @ mixture.basis.T
    centre = mixture.gaussian.mean + mixture.means[0] @ mixture.basis.T
    _, view = fold.see(values[:1], nothing[0])
    supported = {}
    for move in (1.0, 0.25, -1.0):
        with torch.no_grad():
            net.last.bias.zero_()
            net.last.bias[0] = move
        supported[move] = measure(net, fold, values, nothing)
        assert float(supported[move].sum()) == float(supported[move][view.kind])
    # The signals lie half a deviation from the mean: half of a move by a whole deviation, and all of a smaller one.
    offset = float(((values - centre) @ mixture.basis)[:, 0].mean() / net.deviations[0])
    assert float(supported[1.0][view.kind]) == pytest.approx(offset, rel=0.05)
    assert float(supported[0.25][view.kind]) == 1
    assert float(supported[-1.0][view.kind]) == 0
    assert not measure(net, fold, values[: FEWEST - 1], nothing).any()


def test_what_does_not_help_hardly_counts() -> None:
    x, seen, new = bent(400), masks(200)[2:], bent(198, 8)
    mixture, plain = shaken(fitted(x, correction=8)), fitted(x, correction=None)
    fold = folds(mixture, [Vectors(x).stream(number) for number in range(5)])[0]
    net = mixture.correction
    assert net is not None
    error = partial(_error, values=new, seen=seen)
    before, with_all = error(plain), error(mixture)
    net.shares.copy_(measure(net, fold, bent(200, 4), list(masks(30)[2:])))
    assert with_all > 1.5 * before
    assert error(mixture) < 1.005 * before


@pytest.mark.parametrize("grid", [(8, 8), (16,), (4, 6, 2), (1, 1)])
def test_training_masks_show_and_hide(grid: tuple[int, ...]) -> None:
    g = torch.Generator().manual_seed(0)
    for number in range(40):
        mask = training_mask(grid, g, number % 2 == 0)
        assert mask.shape == (torch.Size(grid).numel(),)
        if mask.numel() > 8:
            assert bool((~mask).any())


def test_folds_share_no_signal_and_lose_none() -> None:
    faces = SketchFaces(train=40, val=2, test=0, size=8)
    made = TrainingFolds(faces, FOLDS, mirror=True)
    assert torch.cat(made.items).sort().values.tolist() == list(range(40))
    g = torch.Generator().manual_seed(0)
    for fold in range(FOLDS + 1):
        held = torch.cat(list(made.stream(fold)()))
        assert len(held) == 2 * len(made.items[fold])
        near = torch.cdist(made.draw(fold, 400, g), held)
        assert float(near.amin(1).max()) < 1e-2
        assert set(near.argmin(1).tolist()) == set(range(len(held)))
        each = torch.cdist(made.each(fold, 99, g), held).argmin(1) % len(made.items[fold])
        assert sorted(each.tolist()) == list(range(len(made.items[fold])))
    assert len(made.items[FOLDS]) <= len(made.items[0])


def test_neighbours_stay_in_one_fold() -> None:
    items = TrainingFolds(SimpleNamespace(splits={"train": 5000}), FOLDS, mirror=False).items  # type: ignore[arg-type]
    for fold in items:
        starts = fold[fold % RUN == 0]
        assert torch.equal(fold[fold - fold % RUN == starts[0]], torch.arange(RUN) + starts[0])


def test_too_few_signals_for_folds_are_refused() -> None:
    few = SketchFaces(train=8, val=2, test=0, size=8)
    with pytest.raises(DataError, match="8 training signals cannot be split into 4 folds and one that is kept apart"):
        TrainingFolds(few, FOLDS, mirror=False)


def test_without_signals_to_measure_on_nothing_is_learned() -> None:
    faces = SketchFaces(train=143, val=4, test=0, size=8)
    made = MixtureEncoder(faces.domain, components=1, coordinates=4, correction_features=4, correction_steps=1)
    made.fit(faces)
    assert made.mixture.correction is not None
    assert not made.mixture.correction.shares.any()
    assert not made.mixture.correction.last.weight.any()
    items = TrainingFolds(SimpleNamespace(splits={"train": 144}), FOLDS, mirror=False).items  # type: ignore[arg-type]
    assert len(items[FOLDS]) == FEWEST


def test_learning_finds_what_no_covariance_can_and_repeats_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MASKS": {True: 24, False: 12}, "EACH": 256, "GROUP": 128, "MEASURED": 8}.items():
        monkeypatch.setattr(learning, name, value)
    x, new = bent(1500), bent(200, 7)
    seen = (torch.arange(SIZE) < SIZE // 2).expand(200, -1)
    errors, weights = [], []
    for steps in (0, 120, 120):
        mixture = fitted(x)
        learn(mixture, Vectors(x), GRID, steps=steps, rate=3e-3, seed=0)
        assert mixture.correction is not None
        assert not mixture.correction.training
        errors.append(_error(mixture, new, seen))
        weights.append((mixture.correction.last.weight.clone(), mixture.correction.shares.clone()))
    assert errors[1] < 0.8 * errors[0]
    assert all(torch.equal(*pair) for pair in zip(weights[1], weights[2], strict=True))


def test_the_encoder_trains_its_correction_in_fit_and_a_state_brings_it_back() -> None:
    faces = SketchFaces(train=160, val=4, test=0, size=8)
    make = partial(
        MixtureEncoder, faces.domain, components=2, coordinates=8, rounds=2, mirror=True, correction_features=8
    )
    made, plain = make(correction_steps=2), make()
    made.fit(faces)
    plain.fit(faces)
    assert not any(parameter.requires_grad for parameter in made.parameters())
    assert not list(plain.parameters())
    again = make(correction_steps=2)
    made.mixture.correction.shares.fill_(0.5)
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
