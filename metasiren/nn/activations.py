"""Activations, each in one place: its value, its first three derivatives and the weights that suit it.

The derivatives serve the jets (`metasiren.jet`): a Laplacian needs f'', and its parameter gradient f'''.
Initial standard deviations follow the usage of the SIREN paper's baselines (section 4 and its code):
Kaiming normal for relu and softplus, Xavier normal for tanh and sigmoid, self-normalising for selu and elu.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

Derivatives = tuple[Tensor, ...]


@dataclass(frozen=True)
class Activation:
    """An elementwise function f.

    Attributes:
        name: the recipe's word for it.
        value: z -> f(z), any shape.
        derivatives: (z, order) -> (f, f', ... f^(order)) at z, order 0 to 3, each of z's shape.
        weight_std: (fan_in, fan_out) -> standard deviation of normal initial weights; None for sine,
            whose weights are uniform and depend on the frequency (see `Siren.init`).
    """

    name: str
    value: Callable[[Tensor], Tensor]
    derivatives: Callable[[Tensor, int], Derivatives]
    weight_std: Callable[[int, int], float] | None


def _kaiming(fan_in: int, fan_out: int) -> float:
    return sqrt(2 / fan_in)


def _xavier(fan_in: int, fan_out: int) -> float:
    return sqrt(2 / (fan_in + fan_out))


def _sine(z: Tensor, order: int) -> Derivatives:
    if order == 0:
        return (torch.sin(z),)
    s, c = torch.sin(z), torch.cos(z)
    return (s, c, -s, -c)[: order + 1] if order > 1 else (s, c)


def _relu(z: Tensor, order: int) -> Derivatives:
    zero = torch.zeros_like(z)
    return (F.relu(z), (z > 0).to(z.dtype), zero, zero)[: order + 1]


def _tanh(z: Tensor, order: int) -> Derivatives:
    t = torch.tanh(z)
    slope = 1 - t * t
    return (t, slope, -2 * t * slope, slope * (6 * t * t - 2))[: order + 1]


def _bell(s: Tensor) -> Derivatives:
    """The logistic function and its derivatives, from its value s."""
    bell = s * (1 - s)
    return (s, bell, bell * (1 - 2 * s), bell * (1 - 6 * bell))


def _sigmoid(z: Tensor, order: int) -> Derivatives:
    return _bell(torch.sigmoid(z))[: order + 1]


def _softplus(z: Tensor, order: int) -> Derivatives:
    return (F.softplus(z), *_bell(torch.sigmoid(z))[:3])[: order + 1]


def _elu(z: Tensor, order: int) -> Derivatives:
    return _scaled_elu(z, order, 1.0, 1.0)


# Klambauer et al. 2017, "Self-Normalizing Neural Networks": the fixed point's alpha and scale.
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def _selu(z: Tensor, order: int) -> Derivatives:
    return _scaled_elu(z, order, _SELU_ALPHA, _SELU_SCALE)


def _scaled_elu(z: Tensor, order: int, alpha: float, scale: float) -> Derivatives:
    up = z > 0
    rise = scale * alpha * torch.expm1(torch.clamp(z, max=0))
    tail = rise + scale * alpha
    curved = torch.where(up, torch.zeros_like(z), tail)
    value, slope = torch.where(up, scale * z, rise), torch.where(up, torch.full_like(z, scale), tail)
    return (value, slope, curved, curved)[: order + 1]


ACTIVATIONS: dict[str, Activation] = {
    a.name: a
    for a in (
        Activation("sine", torch.sin, _sine, None),
        Activation("relu", F.relu, _relu, _kaiming),
        Activation("tanh", torch.tanh, _tanh, _xavier),
        Activation("softplus", F.softplus, _softplus, _kaiming),
        Activation("elu", F.elu, _elu, lambda fan_in, fan_out: sqrt(1.5505188080679277 / fan_in)),
        Activation("selu", F.selu, _selu, lambda fan_in, fan_out: sqrt(1 / fan_in)),
        Activation("sigmoid", torch.sigmoid, _sigmoid, _xavier),
    )
}
