"""What is true of the decoders: free weights and the hypernetwork."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from metasiren import Context, Decoder, Domain, Params, RecipeError, Siren, grid
from metasiren_basics.fixed import FixedEncoder
from metasiren_basics.free import FreeDecoder
from metasiren_basics.hypernetwork import Hypernetwork
from metasiren_basics.optimizers import adam

SMALL = Siren(in_features=2, out_features=3, hidden_features=12, hidden_layers=2)
CELEBA = Siren(in_features=2, out_features=3)
STARTS: tuple[Literal["paper", "siren"], ...] = ("paper", "siren")


class PlainSiren(nn.Module):
    """A SIREN as anyone would write it, for one signal."""

    def __init__(self, params: Params, omega: float) -> None:
        super().__init__()
        self.omega = omega
        self.layers = nn.ModuleList()
        for i in range(len(params) // 2):
            weight, bias = params[f"{i}.weight"][0].detach().clone(), params[f"{i}.bias"][0].detach().clone()
            layer = nn.Linear(weight.shape[1], weight.shape[0], dtype=weight.dtype)
            layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
            self.layers.append(layer)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = torch.sin(self.omega * layer(x))
        y: Tensor = self.layers[-1](x)
        return y


def adam_losses(module: nn.Module, predict: Callable[[], Tensor], target: Tensor, steps: int = 60) -> list[float]:
    optimizer = adam(module.parameters(), lr=1e-3)
    losses = []
    for _ in range(steps):
        loss = (predict() - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_three_ways_to_fit_one_signal_are_one() -> None:
    """A plain SIREN, free weights and a hypernetwork without input have the same losses through 60 Adam steps."""
    coords, domain = grid((9, 8), dtype=torch.float64), Domain(2, 3, (9, 8))
    target = torch.sin(5 * coords @ torch.randn(2, 3, dtype=torch.float64))
    encoder, context = FixedEncoder(domain), Context.empty(torch.zeros(1, dtype=torch.long), domain, torch.float64)
    free = FreeDecoder(SMALL, 0).double()
    bare = Hypernetwork(SMALL, 0, hidden_layers=0).double()
    with torch.no_grad():
        for mine, theirs in zip(bare.head_biases, free.weights, strict=True):
            mine.copy_(theirs.flatten())
    plain = PlainSiren(free(torch.empty(1, 0)), 30)

    def predict(decoder: Decoder) -> Callable[[], Tensor]:
        return lambda: decoder.field(encoder(context, decoder))(coords)

    expected = adam_losses(plain, lambda: plain(coords), target)
    assert expected[-1] < expected[0] / 2
    for decoder in (free, bare):
        losses = adam_losses(decoder, predict(decoder), target)
        torch.testing.assert_close(losses, expected, rtol=1e-12, atol=0)


def loop(decoder: Hypernetwork, latent: Tensor) -> dict[str, Tensor]:
    """The same networks, one tensor and one item at a time."""
    result = {}
    for i, (name, shape) in enumerate(decoder.siren.shapes.items()):
        rows = []
        for x in latent:
            for weight, bias in zip(decoder.trunk_weights, decoder.trunk_biases, strict=True):
                x = (weight[i] @ x + bias[i]).relu()
            rows.append(decoder.units[name] * (decoder.head_weights[i] @ x + decoder.head_biases[i]).view(shape))
        result[name] = torch.stack(rows)
    return result


@settings(deadline=None, max_examples=25, derandomize=True)
@given(
    latent_dim=st.integers(0, 4),
    hidden_layers=st.integers(0, 3),
    batch=st.integers(1, 3),
    siren_layers=st.integers(0, 2),
    start=st.sampled_from(STARTS),
)
def test_the_networks_computed_together_equal_a_loop(
    latent_dim: int, hidden_layers: int, batch: int, siren_layers: int, start: Literal["paper", "siren"]
) -> None:
    torch.manual_seed(0)
    siren = Siren(in_features=1, out_features=2, hidden_features=3, hidden_layers=siren_layers)
    decoder = Hypernetwork(siren, latent_dim, hidden_features=5, hidden_layers=hidden_layers, start=start).double()
    for parameter in decoder.head_weights:
        nn.init.normal_(parameter) if parameter.numel() else None
    latent = torch.randn(batch, latent_dim, dtype=torch.float64)
    params, expected = decoder(latent), loop(decoder, latent)
    assert list(params) == list(siren.shapes)
    for name, value in params.items():
        assert value.is_contiguous()
        torch.testing.assert_close(value, expected[name], rtol=0, atol=1e-12)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_sizes_for_the_papers_net() -> None:
    """Ten networks 256 -> 256 -> tensor, with one ReLU layer (the paper's text) or two (its code: 52.4 million)."""
    with torch.device("meta"):
        one, two = Hypernetwork(CELEBA, 256), Hypernetwork(CELEBA, 256, hidden_layers=2)
    layer, heads = 10 * (256 * 256 + 256), 198_915 * 257
    assert count(one) == layer + heads == 51_779_075
    assert count(two) == 2 * layer + heads == 52_436_995
    # 51.2 million, the other figure on record, is that of a single trunk for all ten heads.
    assert 256 * 256 + 256 + heads == 51_186_947
    assert count(FreeDecoder(SMALL, 0)) == SMALL.parameter_count


def test_a_siren_start_is_a_siren_whatever_the_latent() -> None:
    """Exactly a draw of `Siren.init`, the same for all latents however large; the draw is the generator's."""
    torch.manual_seed(3)
    decoder = Hypernetwork(CELEBA, 16, hidden_features=8, start="siren")
    params = decoder(100 * torch.randn(3, 16))
    for layer in CELEBA.layers:
        weight, bias = params[layer.weight], params[layer.bias]
        assert torch.equal(weight, weight[:1].expand_as(weight))
        assert torch.equal(bias, bias[:1].expand_as(bias))
        bounds = (
            (weight[0], CELEBA.activation.initial_weights(layer, 30.0).bound),
            (bias[0], 1 / sqrt(layer.in_features)),
        )
        for value, bound in bounds:
            assert value.abs().max() <= bound
            if value.numel() >= 256:
                assert value.std().item() == pytest.approx(bound / sqrt(3), rel=0.1)


def test_a_spread_start_lies_near_the_siren_in_its_own_units() -> None:
    """Every tensor moves by about `spread` of its initial standard deviation for trunks of unit size, no more."""
    decoder = Hypernetwork(CELEBA, 16, hidden_features=64, start="siren", spread=0.3)
    latent = 0.3 * torch.randn(64, 16)
    size = torch.stack([x.square().mean() for x in decoder._trunks(latent)]).mean().sqrt()
    for name, value in decoder(latent).items():
        if value[0].numel() >= 256:
            moved = value.std(0).square().mean().sqrt() / CELEBA.init_std()[name]
            assert 0.1 * 0.3 * size < moved < 0.3 * size
            assert moved < 0.3, "the latent would throw the weights far from where a SIREN starts"


def test_the_stated_deviations_are_those_of_init() -> None:
    for siren in (CELEBA, Siren(in_features=3, out_features=2, nonlinearity="relu")):
        params = siren.init(20, generator=torch.Generator().manual_seed(0))
        for name, std in siren.init_std().items():
            assert params[name].std().item() == pytest.approx(std, rel=0.15)


def test_a_papers_start_follows_the_papers_scheme() -> None:
    """Kaiming / 100 around uniform biases in +-1/n; predicted biases within +-1/256 and so almost zero."""
    decoder = Hypernetwork(CELEBA, 256)
    weights, biases = dict(zip(CELEBA.shapes, decoder.head_weights, strict=True)), decoder.head_biases
    assert weights["1.weight"].std().item() == pytest.approx(sqrt(2 / 256) / 100, rel=0.01)
    for name, bias in zip(CELEBA.shapes, biases, strict=True):
        bound = 1 / 2 if name == "0.weight" else 1 / 256
        assert bias.abs().max() <= bound
        if bias.numel() >= 256:
            assert bias.std().item() == pytest.approx(bound / sqrt(3), rel=0.1)
    trunk = decoder.trunk_weights[0]
    assert trunk.std().item() == pytest.approx(sqrt(2 / 256), rel=0.01)


@pytest.mark.parametrize("start", STARTS)
def test_gradients_reach_every_parameter(start: Literal["paper", "siren"]) -> None:
    """From the first step on, or from the second where the heads begin at zero; and the latent too."""
    decoder = Hypernetwork(SMALL, 4, hidden_features=16, hidden_layers=2, start=start).double()
    coords, latent = grid((4, 4), dtype=torch.float64), torch.randn(8, 4, dtype=torch.float64, requires_grad=True)
    optimizer = adam(decoder.parameters(), lr=1e-4)
    for step in range(2):
        optimizer.zero_grad()
        decoder.field(latent)(coords).square().mean().backward()
        assert all(p.grad is not None for p in decoder.parameters())
        heads = [p.grad for p in decoder.head_weights]
        assert all(g is not None and g.abs().max() > 0 for g in heads)
        if step == 0:
            optimizer.step()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in decoder.parameters())
    assert latent.grad is not None
    assert latent.grad.abs().max() > 0


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_emitted_weights_stay_float32_under_autocast(layers: int) -> None:
    """A bfloat16 trunk rounds what the latent adds, by less than its own precision; never the biases."""
    decoder = Hypernetwork(SMALL, 8, hidden_layers=layers)
    latent = torch.randn(3, 8)
    with torch.no_grad():
        exact = decoder(latent)
        with torch.autocast("cpu", torch.bfloat16):
            params = decoder(latent)
            low = decoder(latent.bfloat16())
    for (name, value), bias in zip(params.items(), decoder.head_biases, strict=True):
        assert value.dtype == low[name].dtype == torch.float32
        added = exact[name].flatten(1) - bias
        assert (value - exact[name]).norm() <= 2e-2 * added.norm()


def test_the_bfloat16_trunk_sends_gradients() -> None:
    decoder, latent = Hypernetwork(SMALL, 8), torch.randn(3, 8, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        field = decoder.field(latent)
    field(grid((3, 3))).square().mean().backward()
    assert latent.grad is not None
    assert latent.grad.dtype == torch.float32
    assert latent.grad.abs().max() > 0


def test_free_weights_are_a_siren_start_for_any_batch() -> None:
    decoder = FreeDecoder(SMALL, 0)
    params = decoder(torch.empty(5, 0))
    assert {name: tuple(p.shape[1:]) for name, p in params.items()} == SMALL.shapes
    assert all(p.shape[0] == 1 and p.requires_grad for p in params.values())
    assert params["1.weight"].abs().max() <= sqrt(6 / 12) / 30


def test_free_weights_refuse_a_latent() -> None:
    with pytest.raises(RecipeError, match="latent of size 256, which free weights would ignore"):
        FreeDecoder(SMALL, 256)


@pytest.mark.parametrize(("option", "value"), [("hidden_features", 0), ("hidden_layers", -1)])
def test_sizes_below_the_least_are_refused(option: str, value: int) -> None:
    with pytest.raises(RecipeError, match=f"{option}: {value} is too small"):
        Hypernetwork(SMALL, 4, **{option: value})  # type: ignore[arg-type]
