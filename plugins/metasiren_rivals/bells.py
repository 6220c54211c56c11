"""Activations that decay: Gaussian, the Gaussian of FINER's sine, and WIRE's wavelet."""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor

from metasiren import Activation, Layer, Uniform
from metasiren_rivals.chain import Derivatives, compose, multiply
from metasiren_rivals.periodic import growing, positive, sine


def bell(z: Tensor, scale: float, order: int) -> Derivatives:
    """exp(-(scale z)^2) and its derivatives."""
    t = scale * z
    e = torch.exp(-t * t)
    made = (e, -2 * t * e, (4 * t * t - 2) * e, (12 - 8 * t * t) * t * e)[: order + 1]
    return tuple(f * scale**n for n, f in enumerate(made))


class _PlainStart(Activation):
    def initial_weights(self, layer: Layer, hidden_omega: float) -> Uniform:
        """U(-1/sqrt(n), 1/sqrt(n)), n being the fan-in, as `torch.nn.Linear` has it."""
        return Uniform(1 / sqrt(layer.in_features))


class Gaussian(_PlainStart):
    """exp(-(scale z)^2).

    Ramasinghe and Lucey 2022, "Beyond periodicity: towards a unifying framework for activations in coordinate-MLPs",
    ECCV; scale is 1/(sqrt(2) a) for the paper's exp(-z^2 / 2 a^2). Weights and biases start as those of
    `torch.nn.Linear`.

    Args:
        scale: inverse width.
    """

    def __init__(self, *, scale: float = 3.0) -> None:
        positive("gaussian", scale=scale)
        self.scale = scale

    def derivatives(self, z: Tensor, order: int) -> Derivatives:
        """See `Activation.derivatives`."""
        return bell(z, self.scale, order)


class FinerPlusPlus(_PlainStart):
    """exp(-(scale sin(omega (|z| + 1) z))^2): the Gaussian of FINER's sine, the authors' "GF".

    Zhu et al. 2024, "FINER++: Building a family of variable-periodic functions for activating implicit neural
    representation", arXiv 2407.19434. Weights start as those of `torch.nn.Linear`. Derivatives are those of the
    function; the authors' code treats |z| + 1 as a constant when it differentiates.

    Args:
        scale: of the Gaussian.
        omega: the frequency at zero.
        bias: half-width of the uniform distribution of the first layer's biases.
    """

    def __init__(self, *, scale: float = 3.0, omega: float = 10.0, bias: float = 1.0) -> None:
        positive("finer_pp", scale=scale, omega=omega, bias=bias)
        self.scale, self.omega, self.bias = scale, omega, bias

    def value(self, z: Tensor) -> Tensor:
        """See `Activation.value`."""
        return torch.exp(-((self.scale * torch.sin(self.omega * (z.abs() + 1) * z)) ** 2))

    def derivatives(self, z: Tensor, order: int) -> Derivatives:
        """See `Activation.derivatives`."""
        phase = growing(z, self.omega)
        wave = compose(sine(phase[0], order), phase)
        return compose(bell(wave[0], self.scale, order), wave)

    def initial_biases(self, layer: Layer) -> Uniform:
        """U(-bias, bias) in the first layer, U(-1/sqrt(n), 1/sqrt(n)) in the others."""
        return Uniform(self.bias if layer.first else 1 / sqrt(layer.in_features))


class Wire(_PlainStart):
    """cos(omega z) exp(-(scale z)^2): the real part of WIRE's Gabor wavelet.

    Saragadam et al. 2023, "WIRE: Wavelet implicit neural representations", CVPR. The paper's network is complex; this
    one has real weights, and the same numbers of them per layer as its rivals here. Weights and biases start as those
    of `torch.nn.Linear`.

    Args:
        omega: frequency of the wave.
        scale: inverse width of the envelope.
    """

    def __init__(self, *, omega: float = 10.0, scale: float = 10.0) -> None:
        positive("wire", omega=omega, scale=scale)
        self.omega, self.scale = omega, scale

    def value(self, z: Tensor) -> Tensor:
        """See `Activation.value`."""
        return torch.cos(self.omega * z) * torch.exp(-((self.scale * z) ** 2))

    def derivatives(self, z: Tensor, order: int) -> Derivatives:
        """See `Activation.derivatives`."""
        s, c = torch.sin(self.omega * z), torch.cos(self.omega * z)
        wave = tuple(f * self.omega**n for n, f in enumerate((c, -s, -c, s)[: order + 1]))
        return multiply(wave, bell(z, self.scale, order))
