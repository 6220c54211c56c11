"""Activations that oscillate: FINER and sinc."""

from __future__ import annotations

from math import factorial, sqrt

import torch
from torch import Tensor

from metasiren import Activation, Distribution, Layer, RecipeError, Uniform
from metasiren_rivals.chain import Derivatives, compose

TERMS = 10
"""Of the sinc's power series within [-1, 1]: the next is below 1e-19."""


def positive(where: str, **numbers: float) -> None:
    """Demand numbers above zero.

    Raises:
        RecipeError: naming the one that is not.
    """
    for name, number in numbers.items():
        if not number > 0:
            raise RecipeError(f"siren: nonlinearity: {where}", f"{name} is {number}.", "Give a number above 0.")


def sine(g: Tensor, order: int) -> Derivatives:
    """The sine and its derivatives at g."""
    s, c = torch.sin(g), torch.cos(g)
    return (s, c, -s, -c)[: order + 1]


def growing(z: Tensor, omega: float) -> Derivatives:
    """FINER's phase omega (|z| + 1) z, with its three derivatives."""
    size = z.abs()
    return (omega * (size + 1) * z, omega * (2 * size + 1), 2 * omega * z.sign(), torch.zeros_like(z))


class Finer(Activation):
    """sin(omega (|z| + 1) z): a sine whose frequency grows with its argument.

    Liu et al. 2024, "FINER: Flexible spectral-bias tuning in implicit neural representation by variable-periodic
    activation functions", CVPR, Eq. 4. Weights start as those of a SIREN. Derivatives are those of the function; the
    authors' code treats |z| + 1 as a constant when it differentiates.

    Args:
        omega: the frequency at zero, in every layer.
        bias: half-width of the uniform distribution of the first layer's biases; larger ones reach higher
            frequencies. By default 1/sqrt(n), as other layers have it, n being the fan-in.
    """

    def __init__(self, *, omega: float = 30.0, bias: float | None = None) -> None:
        positive("finer", omega=omega, **({} if bias is None else {"bias": bias}))
        self.omega, self.bias = omega, bias

    def value(self, z: Tensor) -> Tensor:
        """See `Activation.value`."""
        return torch.sin(self.omega * (z.abs() + 1) * z)

    def derivatives(self, z: Tensor, order: int) -> Derivatives:
        """See `Activation.derivatives`; f'' jumps at zero only where the sine vanishes with it."""
        phase = growing(z, self.omega)
        return compose(sine(phase[0], order), phase)

    def initial_weights(self, layer: Layer, hidden_omega: float) -> Uniform:
        """U(-1/n, 1/n) in the first layer, U(-sqrt(6/n)/omega, sqrt(6/n)/omega) in the others."""
        return Uniform(1 / layer.in_features if layer.first else sqrt(6 / layer.in_features) / self.omega)

    def initial_biases(self, layer: Layer) -> Distribution:
        """U(-bias, bias) in the first layer."""
        return Uniform(self.bias) if layer.first and self.bias is not None else super().initial_biases(layer)


class Sinc(Activation):
    """sin(omega z) / (omega z).

    Saratchandran et al. 2024, "A sampling theory perspective on activations for implicit neural representations",
    ICML. Weights and biases start as those of `torch.nn.Linear`.

    Args:
        omega: the bandwidth.
    """

    def __init__(self, *, omega: float = 15.0) -> None:
        positive("sinc", omega=omega)
        self.omega = omega

    def derivatives(self, z: Tensor, order: int) -> Derivatives:
        """See `Activation.derivatives`: a power series near zero, a recurrence elsewhere."""
        t = self.omega * z
        near = t.abs() < 1
        small, large = torch.where(near, t, torch.zeros_like(t)), torch.where(near, torch.ones_like(t), t)
        outer = sine(large, order)
        # t f = sin t, differentiated n times: t f^(n) + n f^(n-1) = sin^(n) t.
        far = [outer[0] / large]
        for n in range(1, order + 1):
            far.append((outer[n] - n * far[n - 1]) / large)
        made = [torch.where(near, _series(small, n), far[n]) * self.omega**n for n in range(order + 1)]
        return tuple(made)

    def initial_weights(self, layer: Layer, hidden_omega: float) -> Uniform:
        """U(-1/sqrt(n), 1/sqrt(n)), n being the fan-in."""
        return Uniform(1 / sqrt(layer.in_features))


def _series(t: Tensor, n: int) -> Tensor:
    """The n-th derivative of sin(t) / t by its power series, for |t| up to one."""
    first = (n + 1) // 2
    factors = [
        (-1) ** k * factorial(2 * k) / (factorial(2 * k - n) * factorial(2 * k + 1)) for k in range(first, TERMS)
    ]
    # Horner's scheme in t^2: powers are slow.
    square, total = t * t, torch.full_like(t, factors[-1])
    for factor in reversed(factors[:-1]):
        total = total * square + factor
    return total * t if n % 2 else total
