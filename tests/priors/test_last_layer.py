"""The decoder whose output layer is least squares: exact where it should be, linear, and with the right variance."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from metasiren import Field, RecipeError, Siren, grid
from metasiren_priors.decoders.last_layer import LastLayer

SHAPE = (12, 12)


def decoder(
    ridge: float = 1e-6, *, features: int = 256, channels: int = 2, omega: float = 12.0, **options: str
) -> LastLayer:
    torch.manual_seed(0)
    siren = Siren(
        in_features=2,
        out_features=channels,
        hidden_features=features,
        hidden_layers=0,
        first_omega=omega,
        hidden_omega=omega,
    )
    return LastLayer(siren, 144 * channels, ridge=ridge, **options).double()  # type: ignore[arg-type]


def smooth(coords: Tensor) -> Tensor:
    """Two band-limited channels (1, points, 2)."""
    x, y = coords.unbind(-1)
    return torch.stack([torch.sin(2 * x + y), 0.3 + torch.cos(3 * y) * x], dim=-1).unsqueeze(0)


def latents(count: int = 3, channels: int = 2) -> Tensor:
    return torch.randn(count, 144 * channels, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_a_band_limited_image_and_its_derivatives_are_reproduced_on_and_off_the_grid() -> None:
    net, points = decoder(1e-9), (grid((31, 29), dtype=torch.float64) * 0.9).requires_grad_()
    field = net.field(smooth(grid(SHAPE, dtype=torch.float64)).flatten(1))
    on = field(grid(SHAPE, dtype=torch.float64))
    torch.testing.assert_close(on, smooth(grid(SHAPE, dtype=torch.float64)), rtol=0, atol=1e-4)
    truth = smooth(points)
    torch.testing.assert_close(field(points), truth, rtol=0, atol=1e-4)
    slopes = torch.stack([torch.autograd.grad(truth[..., c].sum(), points, create_graph=True)[0] for c in (0, 1)], 1)
    jet = field.jet(points.detach(), "laplacian")
    torch.testing.assert_close(jet.gradient, slopes.unsqueeze(0), rtol=0, atol=2e-3)
    bends = [
        sum(torch.autograd.grad(slopes[:, c, i].sum(), points, retain_graph=True)[0][:, i] for i in (0, 1))
        for c in (0, 1)
    ]
    torch.testing.assert_close(jet.laplacian, torch.stack(bends, 1).unsqueeze(0), rtol=0, atol=5e-2)  # type: ignore[arg-type]


def test_superposition() -> None:
    net, z, points = decoder(0.1), latents(), torch.rand(40, 2, dtype=torch.float64)
    mixed = net.field(2 * z[:1] - 3 * z[1:2])(points)
    apart = net.field(z)(points)
    torch.testing.assert_close(mixed[0], 2 * apart[0] - 3 * apart[1])


def test_no_other_output_layer_has_a_smaller_loss() -> None:
    net, z = decoder(0.5), latents(1)
    features, y = net.features(grid(SHAPE, dtype=torch.float64)), z.view(144, 2)
    params = net(z)
    w = torch.cat([params["1.weight"][0], params["1.bias"][0].unsqueeze(1)], 1).detach().T.requires_grad_()
    loss = (features @ w - y).square().sum() + 0.5 * w.square().sum()
    (slope,) = torch.autograd.grad(loss, w)
    torch.testing.assert_close(slope, torch.zeros_like(slope), rtol=0, atol=1e-9)


@pytest.mark.parametrize("features", [60, 200])
def test_solving_on_the_grid_is_decoding(features: int) -> None:
    net, z = decoder(0.1, features=features), latents()
    coords, points = grid(SHAPE, dtype=torch.float64), torch.rand(40, 2, dtype=torch.float64)
    again = net.solve(coords, z.view(3, 144, 2))
    torch.testing.assert_close(again(points), net.field(z)(points), rtol=1e-6, atol=1e-8)
    ones = torch.ones(3, 144, dtype=torch.float64)
    torch.testing.assert_close(net.solve(coords, z.view(3, 144, 2), ones)(points), again(points), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("features", [20, 200])
def test_points_off_the_grid_count_by_their_weights(features: int) -> None:
    net = decoder(1e-4, features=features)
    coords = torch.rand(50, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 2 - 1
    values = smooth(coords)
    # A point of weight two is the same point twice; one of weight zero is none.
    weights = torch.ones(50, dtype=torch.float64)
    weights[0], weights[1] = 2, 0
    twice = net.solve(
        torch.cat([coords[:1], coords[:1], coords[2:]]), torch.cat([values[:, :1], values[:, :1], values[:, 2:]], 1)
    )
    torch.testing.assert_close(net.solve(coords, values, weights)(coords), twice(coords), rtol=1e-6, atol=1e-7)
    hard = torch.full((50,), 1e-3, dtype=torch.float64)
    hard[:5] = 1e6
    noisy = values + torch.randn(values.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    found = net.solve(coords, noisy, hard)(coords)
    torch.testing.assert_close(found[:, :5], noisy[:, :5], rtol=0, atol=1e-4)
    assert float((found - noisy)[:, 5:].abs().mean()) > 0.1


def test_sigma_is_that_of_drawn_images() -> None:
    net, points = decoder(0.1), torch.rand(15, 2, dtype=torch.float64) * 2 - 1
    g = torch.Generator().manual_seed(4)
    factor = torch.randn(288, 288, generator=g, dtype=torch.float64) * torch.linspace(1, 0, 288, dtype=torch.float64)
    drawn = torch.randn(20000, 288, generator=g, dtype=torch.float64) @ factor.T
    found = net.deviation(factor @ factor.T, points)
    assert found.shape == (1, 15, 2)
    torch.testing.assert_close(found[0], net.field(drawn)(points).std(0), rtol=0.03, atol=0)


def test_no_covariance_no_sigma() -> None:
    net, points = decoder(0.1), torch.rand(15, 2, dtype=torch.float64)
    assert float(net.deviation(torch.zeros(2, 288, 288, dtype=torch.float64), points).abs().max()) == 0


@pytest.mark.parametrize("order", ["value", "gradient", "laplacian", "hessian_diagonal", "hessian"])
@pytest.mark.parametrize("own", [False, True])
def test_the_field_is_the_siren_of_its_parameters(order: str, own: bool) -> None:
    net, z = decoder(0.1), latents()
    field, coords = net.field(z), torch.rand(3, 7, 2, dtype=torch.float64)
    coords = coords if own else coords[0]
    plain = Field(field.siren, {name: value.contiguous() for name, value in field.params.items()})
    torch.testing.assert_close(field(coords), plain(coords))
    found, expected = field.jet(coords, order), plain.jet(coords, order)
    for name, value in vars(expected).items():
        torch.testing.assert_close(getattr(found, name), value)


def test_gradients_go_through_the_solution_to_latent_and_trunk() -> None:
    net = decoder(0.1, features=20, trunk="trained")
    z, points = latents(2).requires_grad_(), torch.rand(5, 2, dtype=torch.float64)

    def made(z: Tensor, *hidden: Tensor) -> Tensor:
        with torch.no_grad():
            for parameter, value in zip(net.hidden, hidden, strict=True):
                parameter.copy_(value)
        return net.field(z)(points).sum()

    start = [p.detach().clone() for p in net.hidden]
    loss = made(z, *start)
    loss.backward()
    step = 1e-6
    for i, parameter in enumerate(net.hidden):
        moved = [p.clone() for p in start]
        moved[i].view(-1)[3] += step
        slope = (made(z, *moved) - made(z, *start)) / step
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad.view(-1)[3], slope, rtol=1e-3, atol=1e-5)
    assert z.grad is not None
    assert float(z.grad.abs().sum()) > 0


def test_jets_can_be_trained_through() -> None:
    net = decoder(0.1, features=20, trunk="trained")
    net.field(latents(2)).jet(torch.rand(5, 2, dtype=torch.float64), "laplacian").laplacian.square().mean().backward()  # type: ignore[union-attr]
    assert all(p.grad is not None and float(p.grad.abs().sum()) > 0 for p in net.hidden)


def test_a_random_trunk_is_not_trained_and_a_moved_one_is_solved_anew() -> None:
    net, z, points = decoder(0.1), latents(), torch.rand(5, 2, dtype=torch.float64)
    assert not any(p.requires_grad for p in net.parameters())
    before = net.field(z)(points)
    other = decoder(0.1)
    other.field(z)
    with torch.no_grad():
        other.hidden[0].mul_(0.5)
    assert not torch.allclose(other.field(z)(points), before)
    other.load_state_dict(net.state_dict())
    assert torch.equal(other.field(z)(points), before)


def test_float32_is_as_good() -> None:
    z, points = latents(), torch.rand(40, 2, dtype=torch.float64)
    double = decoder(0.1).field(z)(points)
    single = decoder(0.1).float().field(z.float())(points.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), double, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("size", "options", "message"),
    [
        (256, {}, "size 256 for 3 channels"),
        (30, {}, "size 30 for 3 channels"),
        (0, {}, "size 0"),
        (18, {"shape": (2, 4)}, r"grid \(2, 4\)"),
        (27, {"ridge": 0.0}, "not positive"),
    ],
)
def test_mistakes(size: int, options: dict[str, float], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        LastLayer(Siren(in_features=2, out_features=3, hidden_features=8, hidden_layers=0), size, **options)  # type: ignore[arg-type]


def test_a_grid_that_is_no_square() -> None:
    net = LastLayer(
        Siren(in_features=2, out_features=3, hidden_features=64, hidden_layers=0, first_omega=5),
        24,
        shape=(2, 4),
        ridge=1e-4,
    )
    z = torch.randn(1, 24)
    torch.testing.assert_close(net.field(z)(grid((2, 4))).flatten(1), z, rtol=0, atol=1e-2)


def test_gradients_of_a_jet_reach_the_values_without_expanding_the_trunk(monkeypatch: pytest.MonkeyPatch) -> None:
    net, z = decoder(0.1, features=20), latents(2).requires_grad_()
    points = torch.rand(5, 2, dtype=torch.float64)
    plain = Field.jet(net.field(z), points, "laplacian").laplacian
    assert plain is not None
    (wanted,) = torch.autograd.grad(plain.square().sum(), z)
    monkeypatch.setattr(Field, "jet", lambda *_, **__: pytest.fail("the trunk of every instance was evaluated"))
    found = net.field(z).jet(points, "laplacian").laplacian
    assert found is not None
    torch.testing.assert_close(torch.autograd.grad(found.square().sum(), z)[0], wanted)
