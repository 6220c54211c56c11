"""Activations: their derivatives are derivatives, and their initial weights keep signals alive."""

from __future__ import annotations

import pytest
import torch

from metasiren import Normal
from metasiren.nn import activations
from metasiren.nn.layers import Layer

ACTIVATIONS = {name: made() for name, made in activations.ACTIVATIONS.items()}
NAMES = sorted(ACTIVATIONS)
LAYER = Layer("1", 1024, 1024, 1.0, False)


def points() -> torch.Tensor:
    """Numbers on both sides of zero, none of them at a kink."""
    return torch.linspace(-4, 4, 200, dtype=torch.float64)


@pytest.mark.parametrize("name", NAMES)
def test_each_derivative_is_the_slope_of_the_one_before(name: str) -> None:
    z = points().requires_grad_()
    for order in range(3):
        f = ACTIVATIONS[name].derivatives(z, 3)
        slope = torch.zeros_like(z)
        if f[order].requires_grad:
            slope = torch.autograd.grad(f[order].sum(), z)[0]
        torch.testing.assert_close(f[order + 1].detach(), slope, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_the_value_is_the_zeroth_derivative(name: str) -> None:
    activation, z = ACTIVATIONS[name], points()
    torch.testing.assert_close(activation.derivatives(z, 0)[0], activation.value(z), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_as_many_derivatives_as_asked_for(name: str, order: int) -> None:
    f = ACTIVATIONS[name].derivatives(torch.randn(2, 3), order)
    assert [t.shape for t in f] == [torch.Size([2, 3])] * (order + 1)


@pytest.mark.parametrize("name", ["elu", "selu"])
def test_small_negative_arguments_keep_their_digits(name: str) -> None:
    z = torch.tensor([-1e-6], dtype=torch.float32)
    exact = ACTIVATIONS[name].derivatives(z.double(), 0)[0]
    torch.testing.assert_close(ACTIVATIONS[name].derivatives(z, 0)[0].double(), exact, rtol=1e-6, atol=0)


def test_sine_is_its_own_derivative_with_a_shifted_phase() -> None:
    z = points()
    for k, f in enumerate(ACTIVATIONS["sine"].derivatives(z, 3)):
        torch.testing.assert_close(f, torch.sin(z + k * torch.pi / 2), rtol=1e-12, atol=1e-12)


def test_kaiming_keeps_the_second_moment_of_relu() -> None:
    width, drawn = 1024, ACTIVATIONS["relu"].initial_weights(LAYER, 30)
    assert isinstance(drawn, Normal)
    h = torch.randn(256, width)
    for _ in range(10):
        h = torch.relu(h @ (torch.randn(width, width) * drawn.std).T)
    assert 0.6 < float(h.square().mean() / 0.5 / 2) < 1.6  # E[relu(z)^2] = E[z^2] / 2, and z has variance 2


def test_selu_holds_mean_zero_and_variance_one() -> None:
    width, selu = 1024, ACTIVATIONS["selu"]
    h = torch.randn(256, width)
    for _ in range(10):
        h = selu.value(h @ (torch.randn(width, width) * selu.initial_weights(LAYER, 30).std).T)
    assert abs(float(h.mean())) < 0.1
    assert 0.8 < float(h.var()) < 1.2
