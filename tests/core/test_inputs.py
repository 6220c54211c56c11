"""Input layers: their derivatives are derivatives, their frequencies are Nyquist's, their names are data."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from metasiren import Domain
from metasiren.assembly.parts import make_model
from metasiren.errors import RecipeError
from metasiren.nn.encodings import CENTRES, PositionalEncoding, RbfGaussian, RbfQuartic
from metasiren.nn.input_layers import INPUT_LAYERS, make_input_layer
from metasiren.recipe import validate
from metasiren.registry.catalogue import load_catalogue

PLANE = Domain(2, 1)
SPECS: list[dict[str, Any]] = [
    {"name": "positional_encoding", "frequencies": 3},
    {"name": "rbf_gaussian", "centres": 5, "sigma": 1.5},
    {"name": "rbf_quartic", "centres": 5, "sigma": 1.5},
]


def points(d: int) -> Tensor:
    return torch.rand(2, 4, d, dtype=torch.float64) * 2 - 1


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec["name"])
@pytest.mark.parametrize("d", [1, 3])
def test_derivatives_are_derivatives(spec: dict[str, Any], d: int) -> None:
    layer, x = make_input_layer(spec, Domain(d, 1)), points(d).requires_grad_()
    params = {name: torch.rand(2, *shape).double() for name, shape in layer.shapes.items()}
    found = layer.expand(x, params)
    assert found.value.shape == (2, 4, layer.features)
    for feature in range(layer.features):
        (first,) = torch.autograd.grad(found.value[..., feature].sum(), x, create_graph=True)
        for i in range(d):
            torch.testing.assert_close(found.first(i)[..., feature], first[..., i])
            second = torch.zeros_like(x)
            if first.requires_grad:
                (second,) = torch.autograd.grad(first[..., i].sum(), x, retain_graph=True)
            for j in range(d):
                torch.testing.assert_close(found.second(i, j)[..., feature], second[..., j])


@pytest.mark.parametrize(("samples", "octaves"), [(512, 7), (256, 6), (8, 1), (300, 6), (511, 6)])
def test_nyquist_gives_the_octaves(samples: int, octaves: int) -> None:
    layer = PositionalEncoding(Domain(1, 1), samples=samples)
    assert layer.octaves == octaves
    assert layer == PositionalEncoding(Domain(1, 1), samples=samples)
    # The fastest wave, half its frequency per unit, has at least four samples a period; the next would not.
    assert samples / 2 ** (octaves) >= 4 > samples / 2 ** (octaves + 1)


def test_positional_encoding_holds_the_coordinates_and_their_octaves() -> None:
    x = points(2)
    value = PositionalEncoding(Domain(2, 1), frequencies=2).expand(x, {}).value
    expected = []
    for i in range(2):
        waves = [f(2**k * torch.pi * x[..., i]) for f in (torch.sin, torch.cos) for k in range(2)]
        expected += [x[..., i], *waves]
    torch.testing.assert_close(value, torch.stack(expected, -1))


def test_high_octaves_are_exact_in_single_precision() -> None:
    x = torch.rand(1, 200, 1) * 2 - 1
    layer = PositionalEncoding(Domain(1, 1), frequencies=17)
    single, double = layer.expand(x, {}).value, layer.expand(x.double(), {}).value
    torch.testing.assert_close(single.double(), double, rtol=0, atol=1e-6)


def test_radial_bases_peak_at_their_centres_and_fall_as_their_names_say() -> None:
    centre = torch.zeros(1, 1, 2, dtype=torch.float64)
    x = torch.tensor([[[0.0, 0.0], [0.03, 0.04], [0.3, 0.4]]], dtype=torch.float64)
    r = torch.tensor([0.0, 0.05, 0.5], dtype=torch.float64)
    gaussian = RbfGaussian(PLANE, centres=1).expand(x, {CENTRES: centre}).value[0, :, 0]
    quartic = RbfQuartic(PLANE, centres=1).expand(x, {CENTRES: centre}).value[0, :, 0]
    torch.testing.assert_close(gaussian, torch.exp(-((10 * r) ** 2)))
    torch.testing.assert_close(quartic, torch.exp(-((10 * r**2) ** 2)))


@pytest.mark.parametrize(
    ("spec", "match"),
    [
        ({"name": "positional_encodin", "frequencies": 2}, "Did you mean 'positional_encoding'"),
        ({"frequencies": 2}, "no input layer is called None"),
        ({"name": "rbf_gaussian", "centers": 3}, "Did you mean 'centres'"),
        ({"name": "rbf_quartic", "centres": 0}, "at least one"),
        ({"name": "rbf_quartic", "sigma": 0.0}, "positive"),
        ({"name": "positional_encoding"}, "one of the two"),
        ({"name": "positional_encoding", "frequencies": 3, "samples": 64}, "one of the two"),
        ({"name": "positional_encoding", "frequencies": 0}, "at least one frequency"),
        ({"name": "positional_encoding", "samples": 7}, "eight samples"),
        ({"name": "positional_encoding", "samples": 0}, "eight samples"),
        ({"name": "positional_encoding", "frequencies": "7"}, "is not an int"),
        ({"name": "rbf_gaussian", "centres": 2.5}, "is not an int"),
        ({"name": "rbf_gaussian", "sigma": True}, "is not a float"),
        ({"name": "positional_encoding", "samples": "grid"}, "no grid"),
    ],
)
def test_wrong_specifications_are_named(spec: dict[str, Any], match: str) -> None:
    with pytest.raises(RecipeError, match=match):
        make_input_layer(spec, PLANE)


def test_the_known_names() -> None:
    assert set(INPUT_LAYERS) == {"positional_encoding", "rbf_gaussian", "rbf_quartic"}
    assert make_input_layer({"name": "rbf_gaussian"}, PLANE) == RbfGaussian(PLANE, centres=1024, sigma=10.0)
    assert make_input_layer({"name": "rbf_gaussian", "sigma": 3}, PLANE) == RbfGaussian(PLANE, sigma=3.0)


def test_a_recipe_may_leave_the_number_of_samples_to_the_grid() -> None:
    tree = {
        "data": "none",
        "siren": {"hidden_features": 4, "input_layer": {"name": "positional_encoding", "samples": "grid"}},
        "constraints": {"mse": 1},
        "train": {"steps": 1},
    }
    recipe, catalogue = validate(tree, "toy", name="toy"), load_catalogue()
    decoder = make_model(recipe, catalogue, Domain(2, 1, (128, 512))).decoder
    assert decoder.siren.layers[0].in_features == 2 * (1 + 2 * 7)  # Nyquist at 512, as the paper has it
    with pytest.raises(RecipeError, match="no grid"):
        make_model(recipe, catalogue, Domain(2, 1))
