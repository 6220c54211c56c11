"""Rivals keep the contract of parts, agree with autograd, and become SIREN or constants where they should."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import metasiren as ms
from metasiren.testing import check_activation, check_input_encoding
from metasiren_rivals.bells import FinerPlusPlus, Gaussian, Wire
from metasiren_rivals.fourier import FourierFeatures
from metasiren_rivals.periodic import Finer, Sinc

ACTIVATIONS: list[tuple[Any, dict[str, float]]] = [
    (Finer, {"omega": 3.0, "bias": 2.0}),
    (FinerPlusPlus, {"omega": 2.0, "scale": 1.5}),
    (Gaussian, {"scale": 2.0}),
    (Sinc, {"omega": 4.0}),
    (Wire, {"omega": 3.0, "scale": 2.0}),
]


@pytest.mark.parametrize(("kind", "options"), ACTIVATIONS)
def test_derivatives_are_those_of_autograd(kind: Any, options: dict[str, float]) -> None:
    f = kind(**options)
    z = torch.linspace(-2.01, 2, 401, dtype=torch.float64, requires_grad=True)
    found, expected = f.derivatives(z, 3), f.value(z)
    for n in range(4):
        torch.testing.assert_close(found[n], expected, rtol=1e-9, atol=1e-9)
        if n < 3:
            (expected,) = torch.autograd.grad(expected.sum(), z, create_graph=True)


@pytest.mark.parametrize("kind", [kind for kind, _ in ACTIVATIONS])
def test_the_contract_of_activations(kind: Any) -> None:
    check_activation(kind)


def test_the_contract_of_encodings() -> None:
    check_input_encoding(FourierFeatures, options={"frequencies": 8, "sigma": 0.5})


def test_finer_is_a_sine_near_zero() -> None:
    z = torch.linspace(-1e-5, 1e-5, 11, dtype=torch.float64)
    torch.testing.assert_close(Finer().value(z), torch.sin(30 * z), rtol=1e-4, atol=0)


def test_sinc_is_one_at_zero_and_vanishes_at_whole_multiples_of_pi() -> None:
    turns = torch.arange(1, 5, dtype=torch.float64) * torch.pi / 15
    f = Sinc(omega=15.0)
    torch.testing.assert_close(f.value(torch.zeros(1)), torch.ones(1))
    torch.testing.assert_close(f.value(turns), torch.zeros(4, dtype=torch.float64), rtol=0, atol=1e-15)


def test_sinc_is_smooth_where_its_two_formulas_meet() -> None:
    z = torch.tensor([1 - 1e-9, 1 + 1e-9], dtype=torch.float64)
    for each in Sinc(omega=1.0).derivatives(z, 3):
        torch.testing.assert_close(each[0], each[1], rtol=1e-8, atol=0)


def test_a_wave_without_envelope_is_a_cosine_and_an_envelope_without_wave_a_gaussian() -> None:
    z = torch.linspace(-1, 1, 21, dtype=torch.float64)
    torch.testing.assert_close(Wire(omega=5.0, scale=1e-6).value(z), torch.cos(5 * z))
    torch.testing.assert_close(Wire(omega=1e-6, scale=3.0).value(z), Gaussian(scale=3.0).value(z))


def test_fourier_features_have_the_norm_of_their_number() -> None:
    layer = FourierFeatures(ms.Domain(2, 1), frequencies=7)
    features = layer.expand(torch.rand(1, 5, 2), {}).value
    torch.testing.assert_close(features.square().sum(-1), torch.full((1, 5), 7.0))


@pytest.mark.parametrize("kind", [kind for kind, _ in ACTIVATIONS])
def test_numbers_out_of_range(kind: Any) -> None:
    option = "scale" if kind in (Gaussian, Wire, FinerPlusPlus) else "omega"
    with pytest.raises(ms.RecipeError, match=option):
        kind(**{option: 0.0})


def test_encodings_out_of_range() -> None:
    with pytest.raises(ms.RecipeError, match="sigma"):
        FourierFeatures(ms.Domain(2, 1), sigma=0.0)


@pytest.mark.parametrize("name", ["finer", "finer_pp", "gaussian", "sinc", "wire"])
def test_a_recipe_names_them(name: str) -> None:
    recipe = ms.load_recipe("image", preset="quick", overrides={"siren.nonlinearity": name})
    assert recipe.siren.nonlinearity == name
    assert name in ms.load_catalogue().names("activation")
