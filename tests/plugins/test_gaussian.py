"""The Gaussian of images: textbook formulas, limits, and the encoder that rests on it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from metasiren import Batch, Context, DataError, Decoder, Domain, Points, RecipeError, RunError, Siren, grid
from metasiren.nn.layers import Params
from metasiren_priors.data.imageset import ImageSet, observe
from metasiren_priors.encoders import gaussian as module
from metasiren_priors.encoders.gaussian import Gaussian, solve_within, training_vectors
from metasiren_priors.encoders.gaussian_encoder import GaussianEncoder, draw_mask
from metasiren_priors.encoders.gaussian_factors import FactorGaussian, gaussian_of

GRID, CHANNELS = (6, 5), 2
PIXELS = GRID[0] * GRID[1]
SIZE = PIXELS * CHANNELS
RIDGE = 1e-4


def smooth_images(count: int, seed: int = 0) -> np.ndarray:
    """Images of few random waves, so that pixels are correlated."""
    rng = np.random.default_rng(seed)
    waves = rng.normal(size=(12, SIZE)) * 2.0 ** -np.arange(12)[:, None]
    x = 127 + 40 * rng.normal(size=(count, 12)) @ waves
    return x.clip(0, 255).astype(np.uint8).reshape(count, *GRID, CHANNELS)


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return ImageSet("waves", {"train": smooth_images(300), "val": smooth_images(20, 1)}, {"filter": "none"})


@pytest.fixture(scope="module")
def fitted(images: ImageSet) -> Gaussian:
    gaussian = Gaussian(SIZE, RIDGE)
    gaussian.fit(training_vectors(images, chunk=70))
    return gaussian


class NoDecoder(Decoder):
    def forward(self, latent: Tensor) -> Params:
        raise AssertionError("the Gaussian encoder asks nothing of the decoder")


def no_decoder() -> NoDecoder:
    return NoDecoder(Siren(in_features=2, out_features=CHANNELS), 8)


def random_masks(count: int, seed: int = 0) -> Tensor:
    """Masks of every size from nothing to everything."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.rand(count, PIXELS, generator=generator).argsort(1).argsort(1)
    return order < torch.linspace(0, PIXELS, count).round().unsqueeze(1)


def textbook(gaussian: Gaussian, x: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """m_u + C_uo C_oo^-1 (x_o - m_o), one image, dense and by the book; values flat."""
    mean = gaussian.mean.double().numpy()
    covariance = gaussian.covariance.double().numpy() + 4 * RIDGE * np.eye(SIZE)
    o, u = np.flatnonzero(seen), np.flatnonzero(~seen)
    answer = x.copy()
    answer[u] = mean[u] + covariance[np.ix_(u, o)] @ np.linalg.solve(covariance[np.ix_(o, o)], x[o] - mean[o])
    return answer


def test_statistics_streamed_in_chunks_equal_numpys(images: ImageSet, fitted: Gaussian) -> None:
    x = images.values("train").flatten(1).double().numpy()
    np.testing.assert_allclose(fitted.mean, x.mean(0), atol=1e-7)
    np.testing.assert_allclose(fitted.covariance, np.cov(x.T), atol=1e-7)


def test_posterior_equals_the_textbook_for_every_number_of_seen_pixels(images: ImageSet, fitted: Gaussian) -> None:
    values = images.values("val").double()
    seen = random_masks(20)
    found = fitted.conditional_mean(values, seen).flatten(1)
    known = seen.repeat_interleave(CHANNELS, dim=1).numpy()
    for i in range(20):
        np.testing.assert_allclose(found[i], textbook(fitted, values[i].flatten().numpy(), known[i]), atol=1e-9)


def test_a_gaussian_sample_is_predicted_as_well_as_theory_says() -> None:
    """The expected squared error of hidden values is the trace of the posterior covariance."""
    rng = np.random.default_rng(3)
    factor = rng.normal(size=(SIZE, SIZE)) / SIZE
    covariance = factor @ factor.T
    gaussian = Gaussian(SIZE, ridge=0.0)
    gaussian.covariance.copy_(torch.from_numpy(covariance))
    samples = torch.from_numpy(rng.multivariate_normal(np.zeros(SIZE), covariance, size=4000))
    seen = torch.zeros(4000, PIXELS, dtype=torch.bool)
    seen[:, : PIXELS // 3] = True
    o = PIXELS // 3 * CHANNELS
    schur = covariance[o:, o:] - covariance[o:, :o] @ np.linalg.solve(covariance[:o, :o], covariance[:o, o:])
    error = gaussian.conditional_mean(samples.view(-1, PIXELS, CHANNELS), seen).flatten(1) - samples
    assert float(error.square().sum(1).mean()) == pytest.approx(np.trace(schur), rel=0.05)


def test_both_block_forms_agree(images: ImageSet, fitted: Gaussian) -> None:
    values = images.values("val").double().flatten(1)
    known = random_masks(20)[5:15].repeat_interleave(CHANNELS, dim=1)
    deviation = torch.where(known, values[5:15] - fitted.mean.double(), 0.0)
    covariance = fitted._ridged()
    few = solve_within(covariance, known, deviation) @ covariance
    many = deviation - solve_within(fitted.precision(), ~known, deviation @ fitted.precision())
    torch.testing.assert_close(few, many, atol=1e-8, rtol=0)


def test_seeing_everything_returns_it_and_seeing_nothing_returns_the_mean(images: ImageSet, fitted: Gaussian) -> None:
    values = images.values("val")
    every = torch.ones(20, PIXELS, dtype=torch.bool)
    assert torch.equal(fitted.conditional_mean(values, every), values)
    nothing = fitted.conditional_mean(values, ~every)
    torch.testing.assert_close(nothing, fitted.mean.view(1, PIXELS, CHANNELS).expand(20, -1, -1))


def test_one_factorisation_for_a_shared_mask_changes_nothing(images: ImageSet, fitted: Gaussian) -> None:
    values, mask = images.values("val"), random_masks(20)
    shared = mask[8].expand(20, -1)
    together = fitted.conditional_mean(values, shared)
    alone = torch.cat([fitted.conditional_mean(v[None], shared[:1]) for v in values])
    mixed = fitted.conditional_mean(values[:2], torch.stack([mask[8], mask[12]]))
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)
    torch.testing.assert_close(together[:1], mixed[:1], atol=1e-6, rtol=0)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(
    size=st.integers(1, 9), batch=st.integers(0, 6), seed=st.integers(0, 1000), budget=st.sampled_from([1, 400, 10**9])
)
def test_subsystems_are_solved_whatever_their_sizes_and_the_memory(
    size: int, batch: int, seed: int, budget: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    factor = torch.randn(size, size, generator=generator, dtype=torch.float64)
    matrix = factor @ factor.T + torch.eye(size)
    chosen = torch.rand(batch, size, generator=generator) < torch.rand(batch, 1, generator=generator)
    right = torch.randn(batch, size, generator=generator, dtype=torch.float64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MATRIX_BYTES", budget)
        y = solve_within(matrix, chosen, right)
    for i in range(batch):
        index = chosen[i].nonzero().squeeze(1)
        torch.testing.assert_close(matrix[index][:, index] @ y[i, index], right[i, index])
        assert not y[i][~chosen[i]].any()


def test_factors_equal_the_full_gaussian_where_the_rest_is_white() -> None:
    """Data of few directions and the ridge: both descriptions are then the same Gaussian."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(200, 5)) @ rng.normal(size=(5, SIZE)) * 0.1).float()
    full, few = Gaussian(SIZE, RIDGE), FactorGaussian(SIZE, RIDGE, rank=5)
    full.fit(lambda: x.split(64))
    few.fit(lambda: x.split(64))
    torch.testing.assert_close(few.principal(5)[1], full.principal(5)[1], rtol=1e-5, atol=0)
    assert float(few.noise) == pytest.approx(4 * RIDGE, rel=1e-3)
    values, seen = x[:20].view(20, PIXELS, CHANNELS), random_masks(20)
    expected = full.conditional_mean(values, seen)
    torch.testing.assert_close(few.conditional_mean(values, seen), expected, atol=1e-4, rtol=0)
    shared = seen[7].expand(20, -1)
    torch.testing.assert_close(
        few.conditional_mean(values, shared), full.conditional_mean(values, shared), atol=1e-4, rtol=0
    )


def test_large_images_are_kept_as_factors() -> None:
    assert type(gaussian_of(32 * 32 * 3)) is Gaussian
    with torch.device("meta"):
        large = gaussian_of(96 * 96 * 3)
    assert isinstance(large, FactorGaussian)
    assert large.directions == 512


def test_a_mirrored_set_is_counted_both_ways_round() -> None:
    pictures = smooth_images(30)
    both = np.concatenate([pictures, pictures[:, :, ::-1]])
    encoder = encoder_of(ImageSet("mirrored", {"train": pictures}, {}, mirror=True))
    wanted = encoder_of(ImageSet("both", {"train": both}, {}))
    torch.testing.assert_close(encoder.gaussian.mean, wanted.gaussian.mean)
    torch.testing.assert_close(encoder.gaussian.covariance, wanted.gaussian.covariance)


def encoder_of(images: ImageSet, **options: object) -> GaussianEncoder:
    encoder = GaussianEncoder(images.domain, **{"latent_dim": 8, **options})  # type: ignore[arg-type]
    encoder.fit(images)
    return encoder


def context_of(images: ImageSet, seen: Tensor) -> Context:
    values = images.values("val")[: len(seen)]
    cells, real = seen.int().sort(dim=1, descending=True, stable=True)[::-1]
    return observe(values, cells, real.bool(), torch.arange(len(seen)), grid(GRID), GRID)


def test_latents_are_scaled_principal_coefficients_of_the_posterior_mean(images: ImageSet, fitted: Gaussian) -> None:
    encoder = encoder_of(images, scale=0.3, power=1.0)
    seen = random_masks(20)
    latent = encoder(context_of(images, seen), no_decoder())
    variances, basis = np.linalg.eigh(fitted.covariance.double().numpy() + 4 * RIDGE * np.eye(SIZE))
    whole = fitted.conditional_mean(images.values("val").double(), seen).flatten(1) - fitted.mean.double()
    wanted = 0.3 * (whole.numpy() @ basis[:, ::-1][:, :8]) / np.sqrt(variances[-1])
    np.testing.assert_allclose(latent.abs(), np.abs(wanted), atol=1e-5)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_training_latents_have_the_promised_spread(images: ImageSet, power: float) -> None:
    encoder = encoder_of(images, power=power)
    latent = encoder.latent(images.values("train"))
    s = encoder.variances
    wanted = 0.3 * (s / s[0]) ** (power / 2) * (1 - 4 * RIDGE / s).sqrt()  # the ridge is no part of the images
    torch.testing.assert_close(latent.std(0), wanted, rtol=1e-3, atol=1e-6)


def test_the_order_of_a_context_and_its_padding_change_nothing(images: ImageSet) -> None:
    encoder, whole = encoder_of(images), context_of(images, random_masks(20))
    order = torch.randperm(PIXELS)
    assert whole.cells is not None
    turned = Context(
        whole.items, whole.coords[:, order], whole.values[:, order], whole.mask[:, order], GRID, whole.cells[:, order]
    )
    torch.testing.assert_close(encoder(turned, no_decoder()), encoder(whole, no_decoder()))
    short = context_of(images, random_masks(20))
    cut = int(short.mask[:5].sum(1).max())
    assert short.cells is not None
    trimmed = Context(
        short.items[:5],
        short.coords[:5, :cut],
        short.values[:5, :cut],
        short.mask[:5, :cut],
        GRID,
        short.cells[:5, :cut],
    )
    torch.testing.assert_close(encoder(trimmed, no_decoder()), encoder(whole, no_decoder())[:5], atol=1e-6, rtol=0)


def test_seeing_everything_gives_the_latent_of_the_image_and_nothing_gives_zero(images: ImageSet) -> None:
    encoder = encoder_of(images, latent_dim=SIZE)
    latent = encoder(context_of(images, random_masks(20)), no_decoder())
    torch.testing.assert_close(latent[0], torch.zeros(SIZE), atol=1e-6, rtol=0)
    torch.testing.assert_close(latent[-1:], encoder.latent(images.values("val")[-1:]), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(
        encoder.linear_images(latent[-1:]).view(PIXELS, CHANNELS), images.values("val")[-1], atol=1e-4, rtol=0
    )


def test_nothing_in_it_is_trained_and_a_saved_state_needs_no_data(images: ImageSet) -> None:
    encoder, other = encoder_of(images), GaussianEncoder(images.domain, latent_dim=8)
    assert not list(encoder.parameters())
    context = context_of(images, random_masks(20))
    other.load_state_dict(encoder.state_dict())
    assert torch.equal(other(context, no_decoder()), encoder(context, no_decoder()))


def test_loading_forgets_the_old_precision(images: ImageSet) -> None:
    encoder, other = encoder_of(images), encoder_of(images)
    context = context_of(images, random_masks(20))
    other.gaussian.covariance.mul_(0.1).add_(torch.eye(SIZE))
    other.gaussian.precision()
    other.load_state_dict(encoder.state_dict())
    assert torch.equal(other(context, no_decoder()), encoder(context, no_decoder()))


def batch_of(images: ImageSet, split: str = "train") -> Batch:
    return images.batch(split, torch.arange(images.splits[split]))


@pytest.mark.parametrize("latents", ["damped", "posterior"])
def test_half_of_a_training_batch_is_whole_images_with_their_truth(images: ImageSet, latents: str) -> None:
    encoder, batch = encoder_of(images, training_latents=latents), batch_of(images)
    latent, targets = encoder.training_pair(batch, no_decoder(), torch.Generator().manual_seed(0))
    truth, seen = batch.points["pixels"].values, targets.points["pixels"].values
    whole = (seen == truth).flatten(1).all(1)
    assert int(whole.sum()) == 150
    assert torch.equal(latent[whole], encoder.latent(truth)[whole])
    linear = encoder.linear_images(latent).view_as(truth)
    torch.testing.assert_close(seen[~whole], linear[~whole])
    assert torch.equal(batch_of(images).points["pixels"].values, truth)


def test_a_training_pair_follows_its_generator(images: ImageSet) -> None:
    encoder, batch = encoder_of(images), batch_of(images)
    runs = [encoder.training_pair(batch, no_decoder(), torch.Generator().manual_seed(s))[0] for s in (0, 0, 1)]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


@pytest.mark.parametrize("latents", ["damped", "posterior"])
def test_damped_latents_are_unbiased_guesses_of_the_truth(images: ImageSet, latents: str) -> None:
    """E[c | latent] = latent, as for every posterior mean: regressing the truth on it gives slope one."""
    encoder = encoder_of(images, training_latents=latents, damped=1.0, latent_dim=4, group=2)
    batch, generator = batch_of(images), torch.Generator().manual_seed(1)
    truth = encoder.latent(batch.points["pixels"].values)
    guesses = torch.stack([encoder.training_pair(batch, no_decoder(), generator)[0] for _ in range(12)])
    slopes = (guesses * truth).sum((0, 1)) / guesses.square().sum((0, 1))
    torch.testing.assert_close(slopes, torch.ones(4), atol=0.06, rtol=0)
    assert (guesses.std((0, 1)) < truth.std(0)).all()


def test_true_targets_leave_the_batch_alone(images: ImageSet) -> None:
    encoder, batch = encoder_of(images, targets="true", damped=1.0), batch_of(images)
    latent, targets = encoder.training_pair(batch, no_decoder())
    assert torch.equal(targets.points["pixels"].values, batch.points["pixels"].values)
    assert not torch.equal(latent, encoder.latent(batch.points["pixels"].values))


def test_masks_of_training_pairs_are_scattered_pixels_or_sides() -> None:
    generator = torch.Generator().manual_seed(0)
    masks = torch.stack([draw_mask(GRID, generator, torch.device("cpu")) for _ in range(400)]).view(-1, *GRID)
    counts = masks.flatten(1).sum(1)
    assert int(counts.min()) == 1
    assert int(counts.max()) >= PIXELS - 1
    rows, columns = masks.all(2).sum(1) * GRID[1] == counts, masks.all(1).sum(1) * GRID[0] == counts
    sides = rows | columns
    assert 0.15 < float(sides.float().mean()) < 0.4
    assert any(torch.equal(mask, torch.arange(6)[:, None].expand(GRID) < 3) for mask in masks)


def test_bf16_regions_end_at_the_encoder(images: ImageSet) -> None:
    encoder, context = encoder_of(images), context_of(images, random_masks(20))
    plain = encoder(context, no_decoder())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(encoder(context, no_decoder()), plain)


def test_an_unfitted_encoder_says_so(images: ImageSet) -> None:
    encoder = GaussianEncoder(images.domain, latent_dim=8)
    with pytest.raises(RunError, match="statistics are missing"):
        encoder(context_of(images, random_masks(3)), no_decoder())
    with pytest.raises(RunError, match="statistics are missing"):
        encoder.training_pair(batch_of(images), no_decoder())


def test_signals_without_a_grid_and_too_many_latents_are_refused(images: ImageSet) -> None:
    with pytest.raises(DataError, match="do not lie on a grid"):
        GaussianEncoder(Domain(2, 3))
    with pytest.raises(RecipeError, match=f"256 coefficients of images that have {SIZE}"):
        GaussianEncoder(images.domain)


def test_other_data_sets_serve_too(images: ImageSet) -> None:
    """Whatever gives whole signals as the point set `pixels` can be fitted."""

    class Foreign(ImageSet):
        pass

    foreign = Foreign("foreign", {"train": smooth_images(30)}, {})
    wanted = torch.cat(list(training_vectors(foreign)()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ImageSet", type("Nothing", (), {}))
        found = torch.cat(list(training_vectors(foreign)()))
    assert torch.equal(found, wanted)
    assert isinstance(foreign.batch("train", torch.arange(2)).points["pixels"], Points)
