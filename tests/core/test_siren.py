"""The functional SIREN: its formula, its shapes, its initial distribution, its input layers."""

from __future__ import annotations

from math import sqrt
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from metasiren import RecipeError, Siren
from metasiren.nn.activations import ACTIVATIONS


def test_the_formula() -> None:
    """sin(omega (W x + b)), layer upon layer, and an affine end (Eq. 1)."""
    siren = Siren(in_features=2, out_features=3, hidden_features=5, hidden_layers=1, first_omega=20.0, hidden_omega=7.0)
    p = siren.init(dtype=torch.float64)
    x = torch.rand(4, 2, dtype=torch.float64)
    h = torch.sin(20 * (x @ p["0.weight"][0].T + p["0.bias"]))
    h = torch.sin(7 * (h @ p["1.weight"][0].T + p["1.bias"]))
    torch.testing.assert_close(siren(p, x)[0], h @ p["2.weight"][0].T + p["2.bias"])


def test_omega_belongs_to_sines_alone() -> None:
    siren = Siren(in_features=1, out_features=1, hidden_features=4, hidden_layers=1, nonlinearity="tanh")
    assert {layer.omega for layer in siren.layers} == {1.0}


@settings(deadline=None, max_examples=25, derandomize=True)
@given(
    d=st.integers(1, 4),
    o=st.integers(1, 3),
    depth=st.integers(0, 3),
    instances=st.integers(1, 3),
    sets=st.integers(1, 3),
    points=st.integers(0, 4),
    nonlinearity=st.sampled_from(sorted(ACTIVATIONS)),
)
def test_a_batch_is_its_members_one_by_one(
    d: int, o: int, depth: int, instances: int, sets: int, points: int, nonlinearity: str
) -> None:
    torch.manual_seed(0)
    siren = Siren(in_features=d, out_features=o, hidden_features=4, hidden_layers=depth, nonlinearity=nonlinearity)
    params = siren.init(instances, dtype=torch.float64)
    coords = torch.rand(sets, points, d, dtype=torch.float64)
    if 1 not in (instances, sets) and instances != sets:
        with pytest.raises(ValueError, match=f"{sets} sets of coords meet {instances} instances"):
            siren(params, coords)
        return
    together = siren(params, coords)
    batch = max(instances, sets)
    assert together.shape == (batch, points, o)
    for i in range(batch):
        own = {name: p[i % instances].unsqueeze(0) for name, p in params.items()}
        torch.testing.assert_close(together[i], siren(own, coords[i % sets])[0])


def test_initial_weights_are_the_papers() -> None:
    siren = Siren(in_features=2, out_features=1, hidden_features=128, hidden_layers=2, hidden_omega=20.0)
    params = siren.init(30, generator=torch.Generator().manual_seed(1))
    hidden = sqrt(6 / 128) / 20
    for name, bound in {
        "0.weight": 1 / 2,
        "1.weight": hidden,
        "3.weight": hidden,
        "0.bias": 1 / sqrt(2),
        "2.bias": 1 / sqrt(128),
    }.items():
        p = params[name]
        assert p.abs().max() <= bound
        assert p.abs().max() > 0.99 * bound
        assert abs(float(p.mean())) < 0.06 * bound
        assert float(p.std()) == pytest.approx(bound / sqrt(3), rel=0.03)


@pytest.mark.parametrize("nonlinearity", ["relu", "tanh", "softplus", "elu", "selu", "sigmoid"])
def test_rivals_start_normal_with_their_own_spread(nonlinearity: str) -> None:
    siren = Siren(in_features=2, out_features=1, hidden_features=128, nonlinearity=nonlinearity)
    weight = siren.init(10, generator=torch.Generator().manual_seed(1))["1.weight"]
    assert float(weight.std()) == pytest.approx(siren.activation.initial_weights(siren.layers[1], 30).std, rel=0.02)


def test_sines_stay_standard_normal_through_the_depth_without_biases() -> None:
    """Pre-activations of hidden layers tend to N(0, 1) (Theorem 1.8 of the supplement): large width, no bias."""
    siren = Siren(in_features=1, out_features=1, hidden_features=1024, hidden_layers=4)
    params = siren.init(generator=torch.Generator().manual_seed(2))
    h = torch.linspace(-1, 1, 512).unsqueeze(-1)
    for layer in siren.layers[:-1]:
        z = layer.omega * h @ params[layer.weight][0].T
        h = torch.sin(z)
        if layer.name != "0":
            assert float(z.std()) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("nonlinearity", ["sine", "relu"])
def test_every_parameter_has_the_stated_spread(nonlinearity: str) -> None:
    spec = {"name": "rbf_gaussian", "centres": 64}
    siren = Siren(in_features=2, out_features=1, hidden_features=64, nonlinearity=nonlinearity, input_layer=spec)
    params, stated = siren.init(40, generator=torch.Generator().manual_seed(4)), siren.init_std()
    assert set(stated) == set(siren.shapes)
    for name, p in params.items():
        if p.numel() > 1000:
            assert float(p.std()) == pytest.approx(stated[name], rel=0.06), name


def test_one_generator_draws_the_same_parameters_twice() -> None:
    siren = Siren(in_features=2, out_features=1, hidden_features=8, input_layer={"name": "rbf_gaussian", "centres": 4})
    first, second = (siren.init(2, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in siren.shapes)


def test_the_papers_face_net_has_198915_parameters() -> None:
    siren = Siren(in_features=2, out_features=3, hidden_features=256, hidden_layers=3)
    assert siren.parameter_count == 198_915
    assert sum(p.numel() for p in siren.init().values()) == 198_915


@pytest.mark.parametrize(
    ("spec", "features", "extra"),
    [
        ({"name": "positional_encoding", "frequencies": 7}, 2 * 15, {}),
        ({"name": "positional_encoding", "samples": 512}, 2 * 15, {}),
        ({"name": "rbf_gaussian", "centres": 12}, 12, {"input.centres": (12, 2)}),
    ],
)
def test_an_input_layer_comes_before_the_first(
    spec: dict[str, Any], features: int, extra: dict[str, tuple[int, ...]]
) -> None:
    options: dict[str, Any] = {"out_features": 1, "hidden_features": 8, "hidden_layers": 1, "nonlinearity": "relu"}
    siren, bare = Siren(in_features=2, input_layer=spec, **options), Siren(in_features=features, **options)
    assert siren.shapes == {**extra, **bare.shapes}
    params = siren.init(2)
    assert {name: tuple(p.shape[1:]) for name, p in params.items()} == siren.shapes
    assert siren.encoding is not None
    coords = torch.rand(2, 5, 2)
    expanded = siren.encoding.expand(coords, params).value
    torch.testing.assert_close(siren(params, coords), bare(params, expanded))
    assert all(p.abs().max() <= 1 for name, p in params.items() if name in extra)


def test_an_architecture_is_a_value() -> None:
    spec = {"name": "positional_encoding", "frequencies": 2}
    one, two = (Siren(in_features=2, out_features=1, input_layer=dict(spec)) for _ in range(2))
    assert one == two
    assert hash(one) == hash(two)
    assert one != Siren(in_features=2, out_features=1)


def test_gradients_reach_the_coordinates() -> None:
    siren = Siren(in_features=2, out_features=1, hidden_features=4, hidden_layers=1, first_omega=3, hidden_omega=3)
    params = siren.init(dtype=torch.float64)
    coords = torch.rand(1, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: siren(params, x), coords)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"nonlinearity": "sin"}, "Did you mean 'sine'"),
        ({"hidden_features": 0}, "hidden_features: 0 is below one"),
        ({"out_features": 0}, "out_features: 0 is below one"),
        ({"hidden_layers": -1}, "negative"),
        ({"hidden_features": 8.0}, r"hidden_features: 8\.0 is not an integer"),
        ({"hidden_layers": "3"}, "hidden_layers: '3' is not an integer"),
        ({"first_omega": float("nan")}, "first_omega: nan is not a positive number"),
        ({"hidden_omega": 0}, "hidden_omega: 0 is not a positive number"),
        ({"init_scale": float("inf")}, "init_scale: inf is not a positive number"),
        ({"input_layer": {"name": "fourier"}}, "no input layer is called 'fourier'"),
    ],
)
def test_wrong_architectures_are_named(options: dict[str, Any], match: str) -> None:
    with pytest.raises(RecipeError, match=match):
        Siren(**{"in_features": 2, "out_features": 1, **options})


def test_shapes_that_do_not_fit_are_named() -> None:
    siren = Siren(in_features=2, out_features=1, hidden_features=4)
    params = siren.init()
    with pytest.raises(ValueError, match=r"coords are \(5, 3\); expected \(batch, points, 2\)"):
        siren(params, torch.rand(5, 3))
    with pytest.raises(ValueError, match=r"params lack '0.weight'"):
        siren({}, torch.rand(5, 2))
    with pytest.raises(ValueError, match=r"0.weight is \(1, 4, 3\); expected \('instances', 4, 2\)"):
        siren({**params, "0.weight": torch.rand(1, 4, 3)}, torch.rand(5, 2))


def test_init_scale_multiplies_all_weights_but_the_last_and_no_bias() -> None:
    sizes = {"in_features": 2, "out_features": 1, "hidden_features": 16, "hidden_layers": 2}
    for nonlinearity in ("sine", "relu"):
        plain, scaled = (Siren(**sizes, nonlinearity=nonlinearity, init_scale=s) for s in (1.0, 2.5))
        a, b = (s.init(generator=torch.Generator().manual_seed(3)) for s in (plain, scaled))
        for name in a:
            factor = 2.5 if name.endswith("weight") and not name.startswith("3") else 1.0
            assert torch.allclose(a[name] * factor, b[name])
            assert scaled.init_std()[name] == pytest.approx(plain.init_std()[name] * factor)
    with pytest.raises(RecipeError, match="init_scale"):
        Siren(**sizes, init_scale=0.0)
