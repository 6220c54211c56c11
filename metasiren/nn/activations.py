"""Activations, each in one place: its value, its first three derivatives and the initial weights that suit it.

The derivatives serve the jets (`metasiren.jet`): a Laplacian needs f'', and its parameter gradient f'''.
Initial standard deviations follow the usage of the SIREN paper's baselines (section 4 and its code):
Kaiming normal for relu and softplus, Xavier normal for tanh and sigmoid, self-normalising for selu and elu.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import sqrt
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

from metasiren.nn.by_value import ByValue
from metasiren.nn.initial import Distribution, Normal, Uniform
from metasiren.nn.layers import Layer, plain_wanted

Derivatives = tuple[Tensor, ...]


class Activation(ByValue, ABC):
    """An elementwise function f between the affine layers of a SIREN.

    Two activations are equal if they are of one class and have equal attributes.

    Attributes:
        takes_omega: whether layers compute f(omega (W x + b)), omega being `first_omega` in the first layer and
            `hidden_omega` in the others, as sines need it; False computes f(W x + b).
    """

    takes_omega: ClassVar[bool] = False

    @abstractmethod
    def derivatives(self, z: Tensor, order: int) -> Derivatives:
        """(f, f', ... f^(order)) at z, each of the shape of z.

        Args:
            z: pre-activations, any shape.
            order: 0 to 3. Second-order jets use f and its first two derivatives, their parameter gradients the third.
        """

    def value(self, z: Tensor) -> Tensor:
        """f(z)."""
        return self.derivatives(z, 0)[0]

    def initial_weights(self, layer: Layer, hidden_omega: float) -> Distribution:
        """The distribution of a layer's initial weights; the default is Xavier's normal one.

        Args:
            layer: whose `in_features`, `out_features`, `first` and `last` may matter.
            hidden_omega: omega of hidden layers, where the activation takes it. (The last layer, which has no
                activation, has omega 1, but reads activations all the same.)
        """
        return Normal(sqrt(2 / (layer.in_features + layer.out_features)))

    def initial_biases(self, layer: Layer) -> Distribution:
        """The distribution of a layer's initial biases: U(-1/sqrt(n), 1/sqrt(n)), n being the fan-in."""
        return Uniform(1 / sqrt(layer.in_features))


class Sine(Activation):
    """sin(z), with weights that keep pre-activations standard normal through the depth (SIREN paper, section 3.2)."""

    takes_omega = True

    def value(self, z: Tensor) -> Tensor:
        """See `Activation.value`."""
        return torch.sin(z)

    def derivatives(self, z: Tensor, order: int) -> Derivatives:
        """See `Activation.derivatives`."""
        if order == 0:
            return (torch.sin(z),)
        s, c = torch.sin(z), torch.cos(z)
        if order == 1:
            return s, c
        return (s, c, -s) if order == 2 else (s, c, -s, -c)

    def initial_weights(self, layer: Layer, hidden_omega: float) -> Distribution:
        """U(-1/n, 1/n) in the first layer, U(-sqrt(6/n)/omega, sqrt(6/n)/omega) in the others, n being the fan-in."""
        # 1/n, not sqrt(6/n)/omega: the first layer sees coordinates, not sines.
        n = layer.in_features
        return Uniform(1 / n if layer.first else sqrt(6 / n) / hidden_omega)


def value_at_peak(activation: Activation, z: Tensor) -> Tensor:
    """`activation.value(z)`, where the gradient of a sine takes one tensor less of memory.

    For the last activation of a network: while the gradient passes it, training keeps what all layers need. Elsewhere
    torch's own sine takes less of the host's time.
    """
    if type(activation) is Sine and z.requires_grad and not plain_wanted():
        h: Tensor = _SineAtPeak.apply(z)
        return h
    return activation.value(z)


class _SineAtPeak(Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        ctx.save_for_backward(z)
        return torch.sin(z)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        slope = torch.cos(ctx.saved_tensors[0])
        return slope * grads[0] if torch.is_grad_enabled() else slope.mul_(grads[0])


class _Kaiming(Activation):
    def initial_weights(self, layer: Layer, hidden_omega: float) -> Normal:
        """Kaiming's normal distribution, of variance 2 / n."""
        return Normal(sqrt(2 / layer.in_features))


class Relu(_Kaiming):
    """max(z, 0)."""

    def value(self, z: Tensor) -> Tensor:
        """See `Activation.value`."""
        return F.relu(z)

    def derivatives(self, z: Tensor, order: int) -> Derivatives:
        """See `Activation.derivatives`; 0 at the kink."""
        zero = torch.zeros_like(z)
        return (F.relu(z), (z > 0).to(z.dtype), zero, zero)[: order + 1]


class Tanh(Activation):
    """tanh(z)."""

    def derivatives(self, z: Tensor, order: int) -> Derivatives:
        """See `Activation.derivatives`."""
        t = torch.tanh(z)
        slope = 1 - t * t
        return (t, slope, -2 * t * slope, slope * (6 * t * t - 2))[: order + 1]

    def value(self, z: Tensor) -> Tensor:
        """See `Activation.value`."""
        return torch.tanh(z)


def _logistic(s: Tensor) -> Derivatives:
    """The logistic function and its derivatives, from its value s."""
    bell = s * (1 - s)
    return (s, bell, bell * (1 - 2 * s), bell * (1 - 6 * bell))


class Sigmoid(Activation):
    """1 / (1 + exp(-z))."""

    def value(self, z: Tensor) -> Tensor:
        """See `Activation.value`."""
        return torch.sigmoid(z)

    def derivatives(self, z: Tensor, order: int) -> Derivatives:
        """See `Activation.derivatives`."""
        return _logistic(torch.sigmoid(z))[: order + 1]


class Softplus(_Kaiming):
    """log(1 + exp(z))."""

    def value(self, z: Tensor) -> Tensor:
        """See `Activation.value`."""
        return F.softplus(z)

    def derivatives(self, z: Tensor, order: int) -> Derivatives:
        """See `Activation.derivatives`."""
        return (F.softplus(z), *_logistic(torch.sigmoid(z))[:3])[: order + 1]


class Elu(Activation):
    """z above zero, exp(z) - 1 below."""

    alpha: ClassVar[float] = 1.0
    scale: ClassVar[float] = 1.0

    def value(self, z: Tensor) -> Tensor:
        """See `Activation.value`."""
        return F.elu(z)

    def derivatives(self, z: Tensor, order: int) -> Derivatives:
        """See `Activation.derivatives`."""
        up, scale, alpha = z > 0, self.scale, self.alpha
        rise = scale * alpha * torch.expm1(torch.clamp(z, max=0))
        tail = rise + scale * alpha
        curved = torch.where(up, torch.zeros_like(z), tail)
        value, slope = torch.where(up, scale * z, rise), torch.where(up, torch.full_like(z, scale), tail)
        return (value, slope, curved, curved)[: order + 1]

    def initial_weights(self, layer: Layer, hidden_omega: float) -> Normal:
        """Normal, of variance 1.55 / n, which keeps the second moment of activations (as the authors' code)."""
        return Normal(sqrt(1.5505188080679277 / layer.in_features))


class Selu(Elu):
    """Klambauer et al. 2017, "Self-Normalizing Neural Networks": elu, with the fixed point's alpha and scale."""

    alpha = 1.6732632423543772
    scale = 1.0507009873554805

    def value(self, z: Tensor) -> Tensor:
        """See `Activation.value`."""
        return F.selu(z)

    def initial_weights(self, layer: Layer, hidden_omega: float) -> Normal:
        """Normal, of variance 1 / n."""
        return Normal(sqrt(1 / layer.in_features))


ACTIVATIONS: dict[str, type[Activation]] = {
    "sine": Sine,
    "relu": Relu,
    "tanh": Tanh,
    "softplus": Softplus,
    "elu": Elu,
    "selu": Selu,
    "sigmoid": Sigmoid,
}
"""The built-in activations by the names that `Siren` takes."""
