"""The regression on nearest training signals: what it computes, what it keeps, and where it counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from metasiren import RecipeError
from metasiren_priors.data.sketch_faces import SketchFaces
from metasiren_priors.encoders.kept_apart import PARTS, RUN, kept_apart
from metasiren_priors.encoders.mixture_encoder import MixtureEncoder, UnusedRegressionWarning
from metasiren_priors.mixture.clusters import Clusters, maximise, total_covariance
from metasiren_priors.mixture.kinds import KINDS, kind_of, masks_of_all_kinds, precision_and_variances
from metasiren_priors.mixture.mixture import Mixture
from metasiren_priors.mixture.neighbours import TOGETHER, Neighbours
from metasiren_priors.mixture.rest import DenseRest
from metasiren_priors.mixture.shares import FEWEST, measure

SIZE = 24


def bent(count: int, seed: int = 0) -> Tensor:
    """Vectors whose second half is quadratic in their first: no covariance predicts it."""
    g = torch.Generator().manual_seed(seed)
    turn = torch.randn(2, SIZE // 2, generator=torch.Generator().manual_seed(9))
    left = 0.3 * torch.randn(count, 2, generator=g) @ turn
    noise = 0.02 * torch.randn(count, SIZE, generator=g)
    return torch.cat([left, left.square() - left.square().mean(0)], dim=1) + noise


def straight(count: int, seed: int = 0) -> Tensor:
    """Vectors of a Gaussian: no regression predicts more than a covariance."""
    g = torch.Generator().manual_seed(seed)
    turn = torch.randn(4, SIZE, generator=torch.Generator().manual_seed(9))
    return 0.3 * torch.randn(count, 4, generator=g) @ turn + 0.02 * torch.randn(count, SIZE, generator=g)


def fitted(x: Tensor, count: int | None = None, **options: object) -> Mixture:
    """A mixture, with a regression on `count` neighbours that counts fully."""
    neighbours = None if count is None else Neighbours(SIZE, count, ridge=0.05)
    options = {"components": 1, **options}
    made = Mixture(SIZE, coordinates=6, coarse=3, neighbours=neighbours, **options)  # type: ignore[arg-type]
    made.fit(lambda: x.split(100))
    if neighbours is not None:
        neighbours.remember(lambda: x.split(100))
        neighbours.shares.fill_(1.0)
    return made


def masks(count: int) -> Tensor:
    seen = torch.rand(count, SIZE, generator=torch.Generator().manual_seed(1)) < 0.5
    seen[0], seen[1] = False, True
    return seen


def _error(mixture: Mixture, values: Tensor, seen: Tensor) -> float:
    return float((mixture.mean(values, seen) - values).square().mean())


FIRST_HALF = torch.arange(SIZE) < SIZE // 2


def test_without_a_share_the_mean_is_the_mixtures() -> None:
    x, seen, values = bent(300), masks(20), bent(20, 5)
    plain = fitted(x).mean(values, seen)
    assert torch.equal(fitted(x, 50, share=0.0).mean(values, seen), plain)
    unmeasured = fitted(x, 50)
    assert unmeasured.neighbours is not None
    unmeasured.neighbours.shares.zero_()
    assert torch.equal(unmeasured.mean(values, seen), plain)


def test_a_share_is_the_average_of_both_predictions() -> None:
    x, seen, values = bent(300), masks(20), bent(20, 5)
    none, whole, third = (fitted(x, 50, share=share).mean(values, seen) for share in (0.0, 1.0, 1 / 3))
    torch.testing.assert_close(third, none + (whole - none) / 3)
    assert torch.equal(whole[seen], values[seen])
    assert float((whole - none)[~seen].abs().max()) > 1e-2


@pytest.mark.parametrize(("count", "vectors"), [(12, 3), (12, TOGETHER), (400, 3)])
def test_it_is_the_kernel_ridge_regression_on_the_nearest_signals(count: int, vectors: int) -> None:
    x, values = bent(60), bent(vectors, 5)
    mixture = fitted(x, count, ridge=4e-3, mean_scale=0.7)
    regression, basis = mixture.neighbours, mixture.basis.double()
    assert regression is not None
    mean, s = mixture.gaussian.mean.double(), total_covariance(mixture.clusters)
    # The Gaussian over whole signals: coordinates of covariance 0.7 S, and what they leave.
    rest = mixture.rest(mixture.gaussian.ridge)
    assert isinstance(rest, DenseRest)
    covariance = 0.7 * basis @ s @ basis.T + rest.covariance
    gain = 0.7 * s @ basis[FIRST_HALF].T @ torch.linalg.inv(covariance[FIRST_HALF][:, FIRST_HALF])
    signals = regression.signals.T.double()
    z, known = (values.double() - mean)[:, FIRST_HALF] @ gain.T, (signals - mean)[:, FIRST_HALF] @ gain.T
    expected = []
    for one in z:
        squares = (known - one).square().sum(1)
        near = squares.argsort()[:count]
        width = squares.sort().values[(len(x) - 1) // 2]
        kernel = torch.exp(-(known[near, None] - known[near]).square().sum(2) / width) + 0.05 * torch.eye(len(near))
        weights = torch.linalg.solve(kernel, torch.exp(-squares[near] / width))
        expected.append(one + weights @ ((signals - mean) @ basis - known)[near])
    _, posterior = next(
        iter(mixture._conditioned(values, FIRST_HALF.expand(vectors, -1), mixture.gaussian.ridge, (1.0,)))
    )
    found = regression.expected(posterior, torch.linalg.inv(s) / 0.7)
    torch.testing.assert_close(found, torch.stack(expected).float(), rtol=1e-3, atol=1e-3)


def test_it_finds_what_no_covariance_can() -> None:
    x, new = bent(1500), bent(200, 7)
    seen = FIRST_HALF.expand(200, -1)
    assert _error(fitted(x, 100), new, seen) < 0.3 * _error(fitted(x), new, seen)


@pytest.mark.parametrize("directions", [None, 10])
def test_weights_of_observed_values_give_projection_and_precision(directions: int | None) -> None:
    x = bent(200)
    rest = fitted(x, directions=directions).rest(4e-3)
    for mask in masks(6):
        whole, weights = rest.observe(torch.where(mask, x[:9], 0.0).double(), mask), rest.weights(mask)
        torch.testing.assert_close(x[:9, mask].double() @ weights, whole.projection)
        torch.testing.assert_close(rest.basis[mask].T @ weights, whole.gram)


def test_shares_are_what_unseen_signals_support() -> None:
    bend = measure(fitted(bent(800), 60), bent(100, 4), [FIRST_HALF])
    line = measure(fitted(straight(800), 60), straight(100, 4), [FIRST_HALF])
    assert float(bend.max()) > 0.7
    assert int((bend > 0).sum()) == 1
    assert float(line.max()) < 0.1
    mixture = fitted(bent(200), 20)
    assert not measure(mixture, bent(FEWEST - 1, 4), [FIRST_HALF]).any()
    assert not measure(mixture, bent(40, 4), [torch.ones(SIZE, dtype=torch.bool)]).any()
    assert not measure(fitted(bent(200)), bent(40, 4), [FIRST_HALF]).any()


def test_kinds_of_masks_differ_by_how_much_is_left_and_by_how_coarse_it_is() -> None:
    variances = torch.tensor([8.0, 1.0, 1.0]).double()
    found = {}
    for left in ((1.0, 1.0, 1.0), (0.2, 0.0, 0.0), (0.0, 1.0, 1.0), (0.0, 0.0, 0.0)):
        gram = torch.diag(1 / (torch.tensor(left).double() * variances + 1e-9) - 1 / variances)
        kind, share = kind_of(torch.diag(1 / variances), variances, gram)
        assert share == pytest.approx(float(torch.tensor(left).double() @ variances) / 10, abs=1e-8)
        found[kind] = left
    assert len(found) == 4
    assert set(found) <= set(range(KINDS))


def test_the_total_covariance_is_that_of_the_vectors() -> None:
    x = bent(400).double()
    shares = torch.rand(400, 3, generator=torch.Generator().manual_seed(0)).double()
    shares = shares / shares.sum(1, keepdim=True)
    found = maximise(x, shares, 0.0)
    sizes = shares.sum(0).view(-1, 1, 1)
    biased = replace(found, covariances=found.covariances * (sizes - 1) / sizes)
    torch.testing.assert_close(total_covariance(biased), torch.cov(x.T, correction=0), rtol=1e-4, atol=1e-8)
    precision, variances = precision_and_variances(total_covariance(biased))
    torch.testing.assert_close(precision @ torch.cov(x.T, correction=0), torch.eye(SIZE).double(), rtol=0, atol=1e-6)
    torch.testing.assert_close(variances, x.var(0, correction=0))


def test_vectors_that_belong_to_other_components_do_not_count() -> None:
    x = bent(60).double()
    shares = torch.nn.functional.one_hot(torch.arange(60) % 2, 2).double()
    found = maximise(x, shares, 0.0)
    for k in range(2):
        torch.testing.assert_close(found.covariances[k], torch.cov(x[k::2].T))
    assert isinstance(found, Clusters)


@pytest.mark.parametrize("grid", [(8, 8), (16,), (4, 6, 2), (1, 1)])
def test_masks_of_all_kinds_show_and_hide(grid: tuple[int, ...]) -> None:
    found = masks_of_all_kinds(grid, 20, torch.Generator().manual_seed(0))
    assert len(found) == 40
    for mask in found:
        assert mask.shape == (torch.Size(grid).numel(),)
        if mask.numel() > 8:
            assert bool((~mask).any())
    counts = [int(mask.sum()) for mask in found[::2]]
    assert counts == sorted(counts)
    if grid == (8, 8):
        assert (counts[0], counts[-1]) == (4, 21)
        assert all(int(mask.sum()) == 32 for mask in found[1::6])


@pytest.mark.parametrize("count", [0, 8, 40, 5000])
def test_no_signal_is_in_both_parts_and_neighbours_stay_together(count: int) -> None:
    others, kept = kept_apart(count, torch.Generator().manual_seed(0))
    assert torch.cat([others, kept]).sort().values.tolist() == list(range(count))
    assert len(kept) <= count / PARTS + RUN
    if count == 5000:
        starts = kept[kept % RUN == 0]
        assert torch.equal(kept.sort().values, (starts.sort().values.unsqueeze(1) + torch.arange(RUN)).flatten())
    if count == 40:
        assert len(kept) == count // PARTS


def _make(faces: SketchFaces, **options: object) -> MixtureEncoder:
    options = {"components": 2, "coordinates": 8, "rounds": 2, "mirror": True, **options}
    return MixtureEncoder(faces.domain, **options)  # type: ignore[arg-type]


def test_the_encoder_keeps_its_signals_and_a_state_brings_them_back() -> None:
    faces = SketchFaces(train=160, val=4, test=0, size=8)
    made, plain, again = _make(faces, neighbours=30), _make(faces), _make(faces, neighbours=30)
    made.fit(faces)
    plain.fit(faces)
    regression = made.mixture.neighbours
    assert regression is not None
    assert regression.signals.shape == (192, 320)
    every = torch.arange(160)
    rounded = (regression.signals[:, :160].T - faces.values("train", every).flatten(1)).abs().max()
    assert float(rounded) <= 2.5e-4
    measured = regression.shares.clone()
    made.fit(faces)
    assert torch.equal(regression.shares, measured)
    regression.shares.fill_(0.5)
    again.load_state_dict(made.state_dict())
    values, seen = faces.values("val"), torch.zeros(4, 64, dtype=torch.bool)
    seen[:, :20] = True
    mean = made.conditional_mean(values, seen)
    assert torch.equal(again.conditional_mean(values, seen), mean)
    assert torch.equal(mean.view(4, 64, 3)[seen], values[seen])
    assert not torch.equal(plain.conditional_mean(values, seen), mean)
    pairs = zip(made.posteriors(values, seen), plain.posteriors(values, seen), strict=True)
    for (_, with_neighbours), (_, without) in pairs:
        assert torch.equal(with_neighbours.evidence, without.evidence)
        assert torch.equal(with_neighbours.mean(), without.mean())


def test_without_signals_to_measure_on_it_does_not_count_and_says_so() -> None:
    generator = torch.Generator().manual_seed(0)
    assert len(kept_apart(144, generator)[1]) == FEWEST
    faces = SketchFaces(train=143, val=4, test=0, size=8)
    made = _make(faces, neighbours=10)
    with pytest.warns(
        UnusedRegressionWarning, match="neighbours: the regression needs 144 training signals, and there"
    ):
        made.fit(faces)
    assert made.mixture.neighbours is not None
    assert not made.mixture.neighbours.shares.any()


def test_where_no_share_is_found_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metasiren_priors.encoders.mixture_encoder.measure", lambda *_: torch.zeros(KINDS))
    faces = SketchFaces(train=144, val=4, test=0, size=8)
    with pytest.warns(UnusedRegressionWarning, match="does not lower the error of training signals that were kept"):
        _make(faces, neighbours=10).fit(faces)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"neighbours": -1}, "neighbours: -1 is below 0"),
        ({"neighbours_ridge": 0.0}, "neighbours_ridge: 0.0 is not positive"),
        ({"neighbours_width": -1.0}, "neighbours_width: -1.0 is not positive"),
        ({"neighbours_share": 1.5}, "neighbours_share: 1.5 is outside"),
    ],
)
def test_numbers_out_of_their_range_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        _make(SketchFaces(train=4, val=2, test=0, size=8), **options)
