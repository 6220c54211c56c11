"""What is true of the encoders of images: of cnn, partial_conv and set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from metasiren import Context, Decoder, Domain, Encoder, RecipeError, Siren, grid
from metasiren_basics.fixed import FixedEncoder
from metasiren_basics.free import FreeDecoder
from metasiren_basics.hypernetwork import Hypernetwork
from metasiren_priors.data.imageset import observe, sample_cells
from metasiren_priors.encoders.cnn import CnnEncoder
from metasiren_priors.encoders.partial_conv import PartialConvEncoder, PartialConvolution
from metasiren_priors.encoders.set_encoder import SetEncoder
from metasiren_priors.encoders.winograd import Convolution, convolve

SHAPE = (8, 6)
DOMAIN = Domain(d_in=2, d_out=3, grid=SHAPE, items=4)
SIREN = Siren(in_features=2, out_features=3, hidden_features=16, hidden_layers=1)
SMALL: dict[str, Callable[[], Encoder]] = {
    "cnn": lambda: CnnEncoder(DOMAIN, latent_dim=5, features=8, blocks=1),
    "cnn_strided": lambda: CnnEncoder(
        DOMAIN, latent_dim=5, features=8, blocks=1, kernel_size=3, downsample=3, pooling="dense", mask_channel=False
    ),
    "partial_conv": lambda: PartialConvEncoder(DOMAIN, latent_dim=5, features=8, blocks=2),
    "partial_conv_strided": lambda: PartialConvEncoder(
        DOMAIN, latent_dim=5, features=8, blocks=1, downsample=2, pooling="dense"
    ),
    "partial_conv_legacy": lambda: PartialConvEncoder(
        DOMAIN, latent_dim=8, features=8, blocks=2, norm="batch", legacy_mask=True
    ),
    "set_sine": lambda: SetEncoder(DOMAIN, latent_dim=5, hidden_features=8),
    "set_relu": lambda: SetEncoder(DOMAIN, latent_dim=5, hidden_features=8, nonlinearity="relu", hidden_layers=1),
    "fixed": lambda: FixedEncoder(DOMAIN),
}
every_encoder = pytest.mark.parametrize("name", SMALL)


@pytest.fixture
def decoder() -> Decoder:
    return FreeDecoder(SIREN, 0)


def contexts(
    batch: int, counts: tuple[int, int], *, shape: tuple[int, int] = SHAPE, dtype: torch.dtype = torch.float64
) -> Context:
    """Random images seen at a random number of pixels."""
    size = shape[0] * shape[1]
    values = torch.rand(batch, size, 3, dtype=dtype) * 2 - 1
    cells, mask = sample_cells(batch, size, counts, None, "cpu")
    return observe(values, cells, mask, torch.arange(batch), grid(shape, dtype=dtype), shape)


def pick(context: Context, rows: Any) -> Context:
    """Some items of a context."""
    assert context.cells is not None
    picked = {name: getattr(context, name)[rows] for name in ("items", "coords", "values", "mask", "cells")}
    return replace(context, **picked)


@every_encoder
def test_items_of_a_batch_do_not_meet(name: str, decoder: Decoder) -> None:
    """In evaluation mode a batch equals a loop over its items."""
    encoder = SMALL[name]().double()
    context = contexts(4, (1, 40))
    encoder(context, decoder)  # batch statistics, where there are any, are no longer those of the start
    encoder.eval()
    together = encoder(context, decoder)
    alone = torch.cat([encoder(pick(context, slice(i, i + 1)), decoder) for i in range(4)])
    assert together.shape == (4, encoder.latent_dim)
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)


@every_encoder
@pytest.mark.parametrize("count", [0, 1, SHAPE[0] * SHAPE[1]])
@pytest.mark.parametrize("train", [True, False])
def test_none_one_and_all_pixels_are_finite(name: str, count: int, train: bool, decoder: Decoder) -> None:
    encoder = SMALL[name]().train(train)
    latent = encoder(contexts(3, (count, count), dtype=torch.float32), decoder)
    assert latent.shape == (3, encoder.latent_dim)
    assert torch.isfinite(latent).all()
    if encoder.latent_dim:
        latent.sum().backward()
        assert all(p.grad is None or torch.isfinite(p.grad).all() for p in encoder.parameters())


@every_encoder
def test_gradients_reach_every_parameter(name: str, decoder: Decoder) -> None:
    encoder = SMALL[name]().double()
    if not encoder.latent_dim:
        assert not list(encoder.parameters())
        return
    latent = encoder(contexts(4, (5, 40)), decoder)
    (latent * torch.randn_like(latent)).sum().backward()
    for parameter, value in encoder.named_parameters():
        assert value.grad is not None, parameter
        assert value.grad.abs().max() > 0, parameter


@every_encoder
def test_order_of_observations_is_of_no_matter(name: str, decoder: Decoder) -> None:
    encoder = SMALL[name]().double().eval()
    context = contexts(3, (1, 20))
    assert context.cells is not None
    order = torch.randperm(20)
    shuffled = replace(
        context,
        coords=context.coords[:, order],
        values=context.values[:, order],
        mask=context.mask[:, order],
        cells=context.cells[:, order],
    )
    torch.testing.assert_close(encoder(context, decoder), encoder(shuffled, decoder), rtol=0, atol=1e-12)


@every_encoder
@settings(deadline=None, max_examples=10, derandomize=True)
@given(padding=st.integers(0, 30), seen=st.integers(0, 20))
def test_padding_is_of_no_matter(name: str, padding: int, seen: int) -> None:
    torch.manual_seed(0)
    encoder, decoder = SMALL[name]().double().eval(), FreeDecoder(SIREN, 0)
    context = contexts(2, (seen, seen))
    assert context.cells is not None
    padded = replace(
        context,
        coords=F.pad(context.coords, (0, 0, 0, padding)),
        values=F.pad(context.values, (0, 0, 0, padding)),
        mask=F.pad(context.mask, (0, padding)),
        cells=F.pad(context.cells, (0, padding)),
    )
    torch.testing.assert_close(encoder(context, decoder), encoder(padded, decoder), rtol=0, atol=1e-12)


def test_observing_twice_as_often_changes_no_set_latent(decoder: Decoder) -> None:
    """A mean, not a sum: repeating all pairs changes nothing."""
    encoder = SetEncoder(DOMAIN, latent_dim=5, hidden_features=8).double()
    context = contexts(2, (7, 7))
    assert context.cells is not None
    names = ("coords", "values", "mask", "cells")
    doubled: dict[str, Any] = {n: torch.cat([getattr(context, n)] * 2, dim=1) for n in names}
    twice = replace(context, **doubled)
    torch.testing.assert_close(encoder(context, decoder), encoder(twice, decoder), rtol=0, atol=1e-13)


def test_sine_latents_are_bounded_by_the_gain(decoder: Decoder) -> None:
    encoder = SetEncoder(DOMAIN, latent_dim=5, hidden_features=8, gain=0.25).double()
    assert encoder(contexts(4, (1, 1)), decoder).abs().max() <= 0.25
    assert not encoder(contexts(4, (0, 0)), decoder).any()


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_a_partial_convolution_of_everything_is_a_convolution(kernel_size: int) -> None:
    """With a full mask it is an ordinary one, times window / (pixels of the window inside the image)."""
    layer = PartialConvolution(3, 4, kernel_size).double()
    torch.nn.init.normal_(layer.bias)
    x, seen = torch.randn(2, 3, 9, 7, dtype=torch.float64), torch.ones(2, 1, 9, 7, dtype=torch.float64)
    result, mask = layer(x, seen)
    plain = F.conv2d(x, layer.convolution.weight, padding=kernel_size // 2)
    inside = F.conv2d(seen, torch.ones(1, 1, kernel_size, kernel_size, dtype=torch.float64), padding=kernel_size // 2)
    torch.testing.assert_close(result, plain * kernel_size**2 / inside + layer.bias[:, None, None], rtol=0, atol=1e-12)
    assert torch.equal(mask, seen)
    margin = kernel_size // 2
    core = slice(margin, -margin or None)
    expected = plain[..., core, core] + layer.bias[:, None, None]
    torch.testing.assert_close(result[..., core, core], expected, rtol=0, atol=1e-12)


def test_a_partial_convolution_of_a_constant_does_not_see_the_holes() -> None:
    """A filter of equal weights gives the mean of what was seen, however little, and zero beyond its reach."""
    layer = PartialConvolution(1, 1, 3).double()
    torch.nn.init.constant_(layer.convolution.weight, 1 / 9)
    seen = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    seen[..., 2, 3] = seen[..., 3, 4] = 1
    result, mask = layer(torch.full((1, 1, 8, 8), 0.7, dtype=torch.float64), seen)
    torch.testing.assert_close(result, 0.7 * mask, rtol=0, atol=1e-12)
    assert torch.equal(mask, F.max_pool2d(seen, 3, 1, 1))


def test_partial_convolutions_never_see_hidden_pixels(decoder: Decoder) -> None:
    layer, values = PartialConvolution(3, 4, 3).double(), torch.randn(1, 3, 8, 6, dtype=torch.float64)
    seen = (torch.rand(1, 1, 8, 6) < 0.3).double()
    other = torch.where(seen > 0, values, torch.randn_like(values))
    torch.testing.assert_close(layer(values, seen)[0], layer(other, seen)[0], rtol=0, atol=0)


def test_the_true_mask_tells_dark_red_from_nothing(decoder: Decoder) -> None:
    """In legacy mode, as in the authors' code, a pixel with little red counts as unseen."""
    torch.manual_seed(1)
    context = contexts(2, (20, 20))
    dark = replace(context, values=context.values * torch.tensor([0.0, 1, 1]) - torch.tensor([0.5, 0, 0]))
    nothing = replace(context, mask=torch.zeros_like(context.mask))
    for legacy in (False, True):
        encoder = PartialConvEncoder(DOMAIN, latent_dim=5, features=8, blocks=1, legacy_mask=legacy).double()
        same = torch.equal(encoder(dark, decoder), encoder(nothing, decoder))
        assert same is legacy


def test_the_mask_channel_tells_grey_from_nothing(decoder: Decoder) -> None:
    context = contexts(2, (20, 20))
    grey = replace(context, values=torch.zeros_like(context.values))
    nothing = replace(context, mask=torch.zeros_like(context.mask))
    for shown in (False, True):
        encoder = CnnEncoder(DOMAIN, latent_dim=5, features=8, blocks=1, mask_channel=shown).double()
        assert torch.equal(encoder(grey, decoder), encoder(nothing, decoder)) is not shown


def test_the_papers_cnn() -> None:
    """Four residual blocks of two 5x5 filters at 256 channels, one shared weight for each of the 1,024 positions."""
    with torch.device("meta"):
        encoder = CnnEncoder(Domain(2, 3, (32, 32)), mask_channel=False)
    stem = 3 * 128 * 9 + 128 + 128 * 256 * 9 + 256
    blocks = 4 * 2 * (256 * 256 * 25 + 256)
    assert sum(p.numel() for p in encoder.parameters()) == stem + blocks + 256 * 256 + 256 + 1024 + 1


PAPER: dict[str, Callable[[Domain], Encoder]] = {
    "cnn": lambda domain: CnnEncoder(domain, features=64, blocks=2),
    "cnn_strided": lambda domain: CnnEncoder(domain, features=64, downsample=3, kernel_size=3, pooling="dense"),
    "partial_conv": lambda domain: PartialConvEncoder(domain, features=64),
    "partial_conv_strided": lambda domain: PartialConvEncoder(domain, features=64, downsample=3, pooling="dense"),
    "set_sine": lambda domain: SetEncoder(domain),
    "set_relu": lambda domain: SetEncoder(domain, nonlinearity="relu"),
}


@pytest.mark.parametrize("name", PAPER)
@pytest.mark.parametrize("count", [10, 1000])
def test_latents_move_the_first_weights_little(name: str, count: int) -> None:
    """At the start what the latent adds is below a third of the SIREN's own initial weights, in every tensor."""
    shape = (32, 32)
    siren = Siren(in_features=2, out_features=3, hidden_features=64, hidden_layers=2)
    encoder, decoder = PAPER[name](Domain(2, 3, shape)), Hypernetwork(siren, 256)
    with torch.no_grad():
        latent = encoder(contexts(6, (count, count), shape=shape, dtype=torch.float32), decoder)
        moved, still, own = decoder(latent), decoder(torch.zeros_like(latent)), siren.init()
    assert latent.abs().max() > 0
    for key, value in moved.items():
        assert (value - still[key]).square().mean().sqrt() < own[key].square().mean().sqrt() / 3, key


def test_latents_are_float32_under_autocast(decoder: Decoder) -> None:
    """And close to what full precision gives; a sine network's not even rounded."""
    context = contexts(3, (10, 40), dtype=torch.float32)
    for name, make in SMALL.items():
        encoder = make().eval()
        with torch.no_grad():
            exact = encoder(context, decoder)
            with torch.autocast("cpu", torch.bfloat16):
                rounded = encoder(context, decoder)
        assert rounded.dtype == torch.float32
        if name in ("set_sine", "fixed"):
            assert torch.equal(exact, rounded)
        else:
            assert (exact - rounded).norm() < 0.05 * exact.norm()


@settings(deadline=None, max_examples=15, derandomize=True)
@given(rows=st.integers(1, 13), columns=st.integers(1, 13), width=st.sampled_from([3, 5]), batch=st.integers(1, 3))
def test_minimal_filtering_is_convolution(rows: int, columns: int, width: int, batch: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(batch, 3, rows, columns, dtype=torch.float64, requires_grad=True)
    filters = torch.randn(2, 3, width, width, dtype=torch.float64, requires_grad=True)
    expected, result = F.conv2d(x, filters, padding=width // 2), convolve(x, filters)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-10)
    weights = torch.randn_like(expected)
    gradients = [torch.autograd.grad((y * weights).sum(), (x, filters)) for y in (result, expected)]
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=1e-10)


def test_minimal_filtering_may_be_differentiated_twice() -> None:
    x = torch.randn(1, 2, 5, 4, dtype=torch.float64, requires_grad=True)
    filters = torch.randn(2, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(convolve, (x, filters))


@pytest.mark.parametrize("width", [3, 5])
def test_minimal_filtering_rounds_little_in_float32(width: int) -> None:
    """Where a layer chooses it, its error stays below 2e-5 of the output, TF32's being fifty times larger."""
    layer, x = Convolution(128, 128, width, winograd=True), torch.randn(1, 128, 32, 32)
    assert layer._minimal(x)
    exact = layer.double()(x.double())
    error = layer.float()(x).double() - exact
    assert error.square().mean().sqrt() < 2e-5 * exact.square().mean().sqrt()


@pytest.mark.parametrize("encoder", [CnnEncoder, PartialConvEncoder])
def test_minimal_filtering_is_used_only_where_it_is_asked_for(encoder: type[Encoder]) -> None:
    x = torch.randn(1, 128, 32, 32)
    for wanted in ({}, {"winograd": False}, {"winograd": True}):
        made = encoder(Domain(2, 3, (32, 32)), features=128, blocks=1, **wanted)  # type: ignore[call-arg]
        wide = [m for m in made.modules() if isinstance(m, Convolution) and m.in_channels == 128]
        assert wide
        assert all(m._minimal(x) is wanted.get("winograd", False) for m in wide)


def test_convolutions_demand_images() -> None:
    for domain in (Domain(d_in=3, d_out=1), Domain(d_in=1, d_out=1, grid=(100,))):
        for encoder in (CnnEncoder, PartialConvEncoder):
            with pytest.raises(RecipeError, match="convolves images"):
                encoder(domain)


def test_convolutions_demand_a_centre() -> None:
    for encoder in (CnnEncoder, PartialConvEncoder):
        with pytest.raises(RecipeError, match="kernel_size: 4 is not a positive odd number"):
            encoder(DOMAIN, kernel_size=4)
