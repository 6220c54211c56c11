"""The mixture of Gaussians: its limits, its identities and what it finds."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from metasiren import DataError, Domain, RecipeError
from metasiren_priors.encoders.gaussian import Gaussian
from metasiren_priors.encoders.gaussian_factors import FactorGaussian
from metasiren_priors.encoders.mixture_encoder import MixtureEncoder
from metasiren_priors.mixture.clusters import cluster, k_means, log_densities, maximise
from metasiren_priors.mixture.mixture import Mixture
from metasiren_priors.mixture.posterior import Posterior, Prior
from metasiren_priors.mixture.rest import DenseRest, IsotropicRest

SIZE = 12


def draw(count: int = 400, groups: int = 2, seed: int = 0) -> Tensor:
    """Vectors in groups that differ in mean and covariance."""
    g = torch.Generator().manual_seed(seed)
    parts = []
    for _ in range(groups):
        turn = torch.randn(SIZE, SIZE, generator=g) * torch.linspace(0.5, 0.02, SIZE)
        parts.append(torch.randn(count, SIZE, generator=g) @ turn.T * 0.3 + torch.randn(SIZE, generator=g) * 0.5)
    return torch.cat(parts)


def fitted(components: int, coordinates: int = 5, x: Tensor | None = None, **options: Any) -> Mixture:
    x = draw() if x is None else x
    mixture = Mixture(x.shape[1], components=components, coordinates=coordinates, coarse=3, **options).double()
    mixture.fit(lambda: x.split(150))
    return mixture


def masks(count: int, seed: int = 1) -> Tensor:
    seen = torch.rand(count, SIZE, generator=torch.Generator().manual_seed(seed)) < 0.5
    seen[0], seen[1] = False, True
    seen[2], seen[2, 0] = False, True
    seen[3], seen[3, 0] = True, False
    return seen


def whole(posterior: Posterior) -> Tensor:
    return posterior.weights.sum(1)


@pytest.mark.parametrize("coordinates", [1, 5, SIZE])
def test_one_component_is_the_gaussian(coordinates: int) -> None:
    x = draw()
    mixture = fitted(1, coordinates, x, pooled=0.0)
    gaussian = Gaussian(SIZE, 1e-3).double()
    gaussian.fit(lambda: x.split(150))
    values, seen = draw()[::40].double(), masks(20)
    expected = gaussian.conditional_mean(values.unsqueeze(2), seen).squeeze(2)
    torch.testing.assert_close(mixture.mean(values, seen), expected, rtol=0, atol=1e-4)


def test_few_directions_leave_an_isotropic_rest() -> None:
    mixture = fitted(1, 4, draw(), pooled=0.0, directions=4)
    rest = mixture.rest(mixture.density_ridge)
    assert isinstance(rest, IsotropicRest)
    assert sum(value.numel() for value in mixture.state_dict().values()) < SIZE**2
    basis, (found,) = mixture.basis.double(), mixture.clusters.covariances
    covariance = basis @ found @ basis.T + rest.noise * torch.eye(SIZE)
    mean = mixture.gaussian.mean.double() + basis @ mixture.clusters.means[0]
    for x, seen in zip(draw()[::40].double(), masks(20), strict=True):
        gain = covariance[~seen][:, seen] @ torch.linalg.inv(covariance[seen][:, seen])
        expected = mean[~seen] + gain @ (x[seen] - mean[seen])
        torch.testing.assert_close(mixture.mean(x[None], seen[None])[0, ~seen], expected, rtol=0, atol=1e-6)


def test_few_directions_and_one_component_are_probabilistic_principal_components() -> None:
    x = draw()
    mixture = fitted(1, 4, x, pooled=0.0, directions=4)
    factors = FactorGaussian(SIZE, 1e-3, rank=4).double()
    factors.fit(lambda: x.split(150))
    values, seen = draw()[::40].double(), masks(20)
    expected = factors.conditional_mean(values.unsqueeze(2), seen).squeeze(2)
    torch.testing.assert_close(mixture.mean(values, seen), expected, rtol=0, atol=1e-4)


def dense(mixture: Mixture) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Weight, mean and covariance of every component among the values themselves."""
    rest, clusters, basis = mixture.rest(mixture.density_ridge), mixture.clusters, mixture.basis.double()
    assert isinstance(rest, DenseRest)
    centre = mixture.gaussian.mean.double()
    parts = zip(clusters.weights, clusters.means, clusters.covariances, strict=True)
    return [
        (w / len(mixture.scales), centre + basis @ m, basis @ s @ basis.T + scale * rest.covariance)
        for scale, (w, m, s) in product(mixture.scales, list(parts))
    ]


@pytest.mark.parametrize("scales", [(1.0,), (0.5, 2.0)])
def test_density_posterior_and_moments_equal_those_of_the_dense_formulas(scales: tuple[float, ...]) -> None:
    mixture, values, seen = fitted(3, scales=scales), draw()[::67].double(), masks(12)
    parts = dense(mixture)
    for rows, posterior in mixture.posteriors(values, seen):
        o, u = posterior.mask, ~posterior.mask
        log_joint, means, variances = [], [], []
        for w, mean, covariance in parts:
            r = values[rows][:, o] - mean[o]
            density = torch.distributions.MultivariateNormal(mean[o], covariance[o][:, o]) if o.any() else None
            log_joint.append(
                w.log()
                + (density.log_prob(values[rows][:, o]) if density else torch.zeros(len(rows), dtype=torch.float64))
            )
            gain = covariance[u][:, o] @ torch.linalg.inv(covariance[o][:, o])
            means.append(mean[u] + r @ gain.T)
            variances.append((covariance[u][:, u] - gain @ covariance[o][:, u]).diagonal())
        joint = torch.stack(log_joint, 1)
        weights = joint.softmax(1)
        torch.testing.assert_close(posterior.evidence, joint.logsumexp(1), rtol=1e-9, atol=1e-8)
        torch.testing.assert_close(posterior.weights, weights, rtol=1e-7, atol=1e-9)
        moments = [posterior.component_moments(vector) for vector in range(len(rows))]
        found, spread = torch.stack([m for m, _ in moments]), torch.stack([v for _, v in moments])
        torch.testing.assert_close(found[:, :, u], torch.stack(means, 1), rtol=1e-8, atol=1e-9)
        wanted = torch.stack(variances).expand(len(rows), -1, -1)
        torch.testing.assert_close(spread[:, :, u], wanted, rtol=1e-7, atol=1e-9)
        expected = (weights.unsqueeze(2) * torch.stack(means, 1)).sum(1)
        torch.testing.assert_close(posterior.mean()[:, u], expected, rtol=1e-8, atol=1e-9)


def test_weights_sum_to_one_and_are_the_ratios_of_the_densities() -> None:
    mixture, values, seen = fitted(2), draw()[::67].double(), masks(12)
    for rows, posterior in mixture.posteriors(values, seen):
        torch.testing.assert_close(whole(posterior), torch.ones(len(rows), dtype=torch.float64))
        alone = []
        for k in range(2):
            single = fitted(2)
            single.weights.copy_(torch.nn.functional.one_hot(torch.tensor(k), 2).double().clamp_min(1e-300))
            alone.append(single.log_density(values[rows], seen[rows]))
        ratio = (alone[0] - alone[1]).exp() * mixture.weights[0] / mixture.weights[1]
        torch.testing.assert_close(posterior.weights[:, 0] / posterior.weights[:, 1], ratio, rtol=1e-6, atol=1e-12)


def test_nothing_observed_gives_the_prior_and_everything_observed_gives_it_back() -> None:
    mixture, values = fitted(3), draw()[::200].double()
    nothing, everything = torch.zeros(4, SIZE, dtype=torch.bool), torch.ones(4, SIZE, dtype=torch.bool)
    ((_, prior),) = mixture.posteriors(values, nothing)
    torch.testing.assert_close(prior.weights, mixture.weights.expand(4, -1))
    torch.testing.assert_close(prior.evidence, torch.zeros(4, dtype=torch.float64), rtol=0, atol=1e-9)
    # The mixture's mean is that of the data.
    torch.testing.assert_close(prior.mean(), mixture.gaussian.mean.expand(4, -1), rtol=0, atol=1e-7)
    assert torch.equal(mixture.mean(values, everything), values)
    ((_, posterior),) = mixture.posteriors(values, everything)
    assert float(posterior.deviation().max()) < 1e-12


def test_the_density_of_the_whole_is_that_of_a_part_times_that_of_the_rest_given_it() -> None:
    mixture, values = fitted(3), draw()[::200].double()
    first = torch.arange(SIZE).lt(5).expand(4, -1)
    g = torch.linspace(-6, 6, 4001, dtype=torch.float64)
    grid = values[:1].repeat(len(g), 1)
    grid[:, 5] = g
    more = torch.arange(SIZE).lt(6).expand(len(g), -1)
    part = mixture.log_density(values[:1], first[:1])
    # Integrating one value out of the joint density gives the density of the others.
    total = torch.trapezoid(mixture.log_density(grid, more).exp(), g)
    torch.testing.assert_close(total.log().unsqueeze(0), part, rtol=0, atol=1e-6)


def test_a_vector_of_a_large_rest_is_found_to_have_one() -> None:
    mixture = fitted(1, scales=(0.25, 1.0, 4.0))
    ((_, prior),) = fitted(1).posteriors(torch.zeros(500, SIZE), torch.zeros(500, SIZE, dtype=torch.bool))
    x = prior.sample(torch.Generator().manual_seed(2), noise=True)
    basis = mixture.basis.double()
    inside = (x - mixture.gaussian.mean.double()) @ basis @ basis.T
    for factor, index in ((0.5, 0), (1.0, 1), (2.0, 2)):
        scaled = mixture.gaussian.mean.double() + inside + factor * (x - mixture.gaussian.mean.double() - inside)
        ((_, posterior),) = mixture.posteriors(scaled, torch.ones(500, SIZE, dtype=torch.bool))
        assert int(posterior.weights.mean(0).argmax()) == index


@pytest.mark.parametrize("directions", [None, 4])
def test_densities_may_have_a_ridge_of_their_own_and_means_keep_theirs(directions: int | None) -> None:
    values, seen = draw()[::67].double(), masks(12)
    usual, other = (fitted(2, directions=directions, **o) for o in ({}, {"density_ridge": 1e-4, "scales": (0.5, 2.0)}))
    assert torch.equal(usual.mean(values, seen), other.mean(values, seen))
    same = fitted(2, directions=directions, density_ridge=1e-3)
    assert torch.equal(usual.log_density(values, seen), same.log_density(values, seen))
    assert not torch.equal(usual.log_density(values, seen), other.log_density(values, seen))


def test_the_ridge_of_densities_is_added_to_every_variance_that_few_directions_leave() -> None:
    usual, other = fitted(2, directions=4), fitted(2, directions=4, density_ridge=3e-3)
    mask = torch.arange(SIZE).lt(5)
    left, right = (mixture.rest(mixture.density_ridge).variance(mask) for mixture in (usual, other))
    torch.testing.assert_close(right - left, torch.full_like(left, 4 * (3e-3 - 1e-3)), rtol=1e-9, atol=0)
    # The density of a whole vector, from the covariance itself.
    (covariance,) = fitted(1, 4, directions=4).clusters.covariances
    one = fitted(1, 4, directions=4, density_ridge=1e-4)
    rest = one.rest(one.gaussian.ridge).variance(mask)[0] - 4 * (1e-3 - 1e-4)
    whole = one.basis @ covariance @ one.basis.T + rest * torch.eye(SIZE)
    mean = one.gaussian.mean + one.basis @ one.clusters.means[0]
    values = draw()[::67].double()
    expected = torch.distributions.MultivariateNormal(mean, whole).log_prob(values)
    found = one.log_density(values, torch.ones(12, SIZE, dtype=torch.bool))
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("scales", [(1.0,), (0.5, 2.0)])
def test_narrowed_posteriors_are_those_of_scaled_covariances_under_the_same_weights(scales: tuple[float, ...]) -> None:
    mixture, values, seen = fitted(3, scales=scales), draw()[::67].double(), masks(12)
    prior, basis = Prior.of(mixture.clusters), mixture.basis.double()
    centre, rest = mixture.gaussian.mean.double(), mixture.rest(mixture.density_ridge)
    assert isinstance(rest, DenseRest)
    for rows, posterior in mixture.posteriors(values, seen):
        narrow = posterior.narrowed(prior, 0.6)
        assert torch.equal(narrow.log_weights, posterior.log_weights)
        torch.testing.assert_close(posterior.narrowed(prior, 1.0).means, posterior.means, rtol=1e-12, atol=1e-12)
        o, expected = posterior.mask, torch.zeros_like(values[rows])
        for part, scale in enumerate(posterior.scales):
            k = part % mixture.components
            mean = centre + basis @ mixture.clusters.means[k]
            covariance = 0.6 * basis @ mixture.clusters.covariances[k] @ basis.T + scale * rest.covariance
            gain = covariance[:, o] @ torch.linalg.inv(covariance[o][:, o])
            expected += posterior.weights[:, part : part + 1] * (mean + (values[rows][:, o] - mean[o]) @ gain.T)
        torch.testing.assert_close(narrow.mean()[:, ~o], expected[:, ~o], rtol=1e-6, atol=1e-8)


def test_the_scale_of_means_changes_means_of_partly_seen_vectors_alone() -> None:
    usual, other = fitted(3), fitted(3, mean_scale=0.5)
    values, seen = draw()[::67].double(), masks(12)
    assert torch.equal(usual.mean(values, seen), fitted(3, mean_scale=1.0).mean(values, seen))
    assert not torch.allclose(usual.mean(values, seen), other.mean(values, seen), atol=1e-3)
    assert torch.equal(usual.log_density(values, seen), other.log_density(values, seen))
    nothing, everything = torch.zeros_like(seen), torch.ones_like(seen)
    torch.testing.assert_close(other.mean(values, nothing), usual.mean(values, nothing), rtol=1e-9, atol=1e-9)
    assert torch.equal(other.mean(values, everything), values)


def test_a_mixture_of_few_vectors_in_single_precision_can_be_sampled() -> None:
    """Fewer vectors than values: without its noise the rest has no full rank, and rounding is larger than the noise."""
    x = 0.5 * torch.randn(30, 80, generator=torch.Generator().manual_seed(0))
    mixture = Mixture(80, components=2, coordinates=5, coarse=3, density_ridge=1e-7)
    mixture.fit(lambda: x.split(10))
    seen = torch.arange(80).lt(20).expand(4, -1)
    for _, posterior in mixture.posteriors(x[:4], seen):
        drawn = posterior.sample(torch.Generator().manual_seed(1))
        assert torch.isfinite(drawn).all()
        assert torch.equal(drawn[:, :20], x[:4, :20].double())


def test_hidden_values_are_not_used() -> None:
    mixture, values, seen = fitted(3), draw()[::67].double(), masks(12)
    other = torch.where(seen, values, 7.0)
    assert torch.equal(mixture.mean(values, seen)[~seen], mixture.mean(other, seen)[~seen])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_batches_do_not_matter(dtype: torch.dtype) -> None:
    mixture, values, seen = fitted(3), draw()[::67].to(dtype), masks(12)
    apart = torch.cat([mixture.mean(v, s) for v, s in zip(values.split(1), seen.split(1), strict=True)])
    torch.testing.assert_close(mixture.mean(values, seen), apart)


def test_float32_statistics_give_almost_the_same() -> None:
    mixture, values, seen = fitted(3), draw()[::67], masks(12)
    double = mixture.mean(values.double(), seen)
    mixture.float()._forget()
    torch.testing.assert_close(mixture.mean(values, seen).double(), double, rtol=0, atol=1e-4)


def test_both_forms_of_the_rest_agree() -> None:
    mixture, values, seen = fitted(2), draw()[::67].double(), masks(12)
    rest = mixture.rest(mixture.density_ridge)
    assert isinstance(rest, DenseRest)
    for value, mask in zip(values, seen, strict=True):
        if not 0 < int(mask.sum()) < SIZE:
            continue
        deviation = torch.where(mask, value, 0.0).unsqueeze(0)
        o, u = mask.nonzero().squeeze(1), (~mask).nonzero().squeeze(1)
        left, right = rest._from_covariance(deviation, o, u), rest._from_precision(deviation, o, u)
        for name in ("gram", "projection", "square", "log_det", "slope"):
            torch.testing.assert_close(getattr(left, name), getattr(right, name), rtol=1e-7, atol=1e-8)
        c = torch.rand(1, 5, dtype=torch.float64)
        torch.testing.assert_close(left.expected(c), right.expected(c), rtol=1e-7, atol=1e-8)


def test_an_isotropic_rest_is_a_dense_one() -> None:
    basis = torch.linalg.qr(torch.randn(SIZE, 3, dtype=torch.float64))[0]
    one, other = IsotropicRest(basis, 0.3), DenseRest(basis, 0.3 * torch.eye(SIZE, dtype=torch.float64), 0.3)
    for value, mask in zip(draw()[::67].double(), masks(12), strict=True):
        deviation = torch.where(mask, value, 0.0).unsqueeze(0)
        left, right = one.observe(deviation, mask), other.observe(deviation, mask)
        for name in ("gram", "projection", "square", "log_det", "slope"):
            torch.testing.assert_close(getattr(left, name), getattr(right, name), rtol=1e-9, atol=1e-9)
        c = torch.rand(1, 3, dtype=torch.float64)
        torch.testing.assert_close(left.expected(c), right.expected(c), rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(one.variance(mask), other.variance(mask), rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(one.conditional(mask), other.conditional(mask), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("scales", [(1.0,), (0.5, 4.0)])
def test_samples_have_the_posterior_mean_and_covariance(scales: tuple[float, ...]) -> None:
    mixture = fitted(2, scales=scales)
    values, seen = draw()[:1].double(), torch.arange(SIZE).lt(3).unsqueeze(0)
    ((_, posterior),) = mixture.posteriors(values.expand(20000, -1), seen.expand(20000, -1))
    drawn = posterior.sample(torch.Generator().manual_seed(0), noise=True)
    assert torch.equal(drawn[:, :3], values[:, :3].expand(20000, -1))
    ((_, single),) = mixture.posteriors(values, seen)
    torch.testing.assert_close(drawn.mean(0), single.mean()[0], rtol=0, atol=0.01)
    torch.testing.assert_close(drawn.std(0), single.deviation()[0], rtol=0.03, atol=1e-6)
    clean = posterior.sample(torch.Generator().manual_seed(0))
    torch.testing.assert_close(clean.T.cov(), single.covariance()[0], rtol=0, atol=0.01)
    # Noise is all that the covariance lacks of the squared deviation.
    noise = mixture.gaussian.ridge * (single.weights[0] @ single.scales)
    variance = single.covariance()[0].diagonal() + noise * ~seen[0]
    torch.testing.assert_close(variance, single.deviation()[0].square(), rtol=1e-7, atol=1e-10)


def test_predicted_deviations_are_calibrated_on_data_of_the_model_itself() -> None:
    mixture = fitted(2)
    everything = torch.zeros(6000, SIZE, dtype=torch.bool)
    ((_, prior),) = mixture.posteriors(torch.zeros(6000, SIZE), everything)
    x = prior.sample(torch.Generator().manual_seed(1), noise=True)
    seen = torch.arange(SIZE).lt(4).expand(6000, -1)
    ((_, posterior),) = mixture.posteriors(x, seen)
    ratio = ((x - posterior.mean()) / posterior.deviation())[:, 4:].square().mean(0)
    torch.testing.assert_close(ratio, torch.ones_like(ratio), rtol=0, atol=0.1)


def test_expectation_maximisation_raises_the_likelihood_and_finds_the_groups() -> None:
    x = draw(500, groups=3).float()
    g = torch.Generator().manual_seed(0)
    shares = torch.nn.functional.one_hot(k_means(x, 3, g), 3).float()
    before = -float("inf")
    for _ in range(8):
        found = maximise(x, shares, 0.0)
        log = log_densities(x, found)
        now = float(log.logsumexp(1).mean())
        assert now >= before - 1e-4
        before, shares = now, log.softmax(1)
    truth = torch.arange(3).repeat_interleave(500)
    labels = cluster(x, 3, pooled=1.0, noise=0.0, rounds=8, coarse=SIZE, generator=g).argmax(1)
    for group in range(3):
        assert labels[truth == group].bincount(minlength=3).max() > 480


def test_pooling_everything_gives_the_components_one_covariance() -> None:
    x = draw().float()
    shares = torch.rand(len(x), 3).softmax(1)
    found = maximise(x, shares, 1e12).covariances
    torch.testing.assert_close(found, found[:1].expand_as(found))
    left = maximise(x, shares, 0.0)
    # The covariance between the components is what the common one lacks of the whole.
    apart = left.means - x.double().mean(0)
    between = torch.einsum("k,ki,kj->ij", left.weights, apart, apart) * len(x) / (len(x) - 1)
    torch.testing.assert_close(found[0] + between, x.double().T.cov(), rtol=1e-5, atol=1e-6)


def test_the_gaussians_statistics_do_not_change_when_it_is_used() -> None:
    x = draw()
    gaussian = Gaussian(SIZE, 1e-2).double()
    gaussian.fit(lambda: x.split(150))
    before = gaussian.covariance.clone()
    gaussian.principal(3)
    gaussian.conditional_mean(x[::40].unsqueeze(2).double(), masks(20))
    assert torch.equal(gaussian.covariance, before)


def test_more_components_than_distinct_vectors_is_no_failure() -> None:
    x = draw(1, groups=2).repeat(5, 1)
    mixture = fitted(4, 2, x)
    assert bool(torch.isfinite(mixture.mean(x.double(), masks(10))).all())


def test_long_vectors_have_an_isotropic_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metasiren_priors.encoders.gaussian_factors.DENSE_LIMIT", 4)
    mixture = fitted(2, 5)
    assert isinstance(mixture.gaussian, FactorGaussian)
    values, seen = draw()[::67].double(), masks(12)
    found = mixture.mean(values, seen)
    assert torch.equal(found[seen], values[seen])
    error = (found - values)[~seen].square().mean()
    assert float(error) < float((values - mixture.gaussian.mean)[~seen].square().mean())


def test_a_loaded_state_gives_the_same() -> None:
    mixture, values, seen = fitted(3), draw()[::67].double(), masks(12)
    other = Mixture(SIZE, components=3, coordinates=5).double()
    other.mean(values, seen)
    other.load_state_dict(mixture.state_dict())
    assert torch.equal(other.mean(values, seen), mixture.mean(values, seen))


def test_a_mixture_that_moves_keeps_no_matrices_where_it_was() -> None:
    mixture = fitted(2)
    assert mixture.rest(mixture.density_ridge) is mixture.rest(mixture.density_ridge)
    moved = mixture.to("meta")
    assert moved.rest(moved.density_ridge).basis.device.type == "meta"
    assert len(moved._rests) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"components": 0}, r"mixture: components: 0 is below 1"),
        ({"directions": 0}, r"mixture: directions: 0 is below 1"),
        ({"pooled": -1.0}, r"mixture: pooled: -1.0 is below 0"),
        ({"ridge": 0.0}, r"mixture: ridge: 0.0 is not positive"),
        ({"density_ridge": -1e-4}, r"mixture: density_ridge: -0.0001 is not positive"),
        ({"mean_scale": 0.0}, r"mixture: mean_scale: 0.0 is not positive"),
        ({"scales": [1.0, 0.0]}, r"mixture: scales: \[1.0, 0.0\] must be positive numbers"),
    ],
)
def test_options_out_of_range_are_errors_with_advice(options: dict[str, Any], message: str) -> None:
    domain = Domain(d_in=2, d_out=3, grid=(2, 2))
    with pytest.raises(RecipeError, match=message):
        MixtureEncoder(domain, **options)


def test_signals_that_lie_on_no_grid_are_an_error() -> None:
    with pytest.raises(DataError, match="do not lie on a grid"):
        MixtureEncoder(Domain(d_in=2, d_out=3))
