"""How activations and gradients are distributed before training, measured and predicted.

The SIREN paper's supplement states (Theorem 1.8) that the input of every sine is N(0, 1) and its output has the
arcsine density, at any depth. That is a limit with two approximations, which the predictions here leave out:
the sine of a normal variable of variance v has the variance (1 - exp(-2 v)) / 2, not 1/2; and the bias, being
multiplied by omega too, adds the variance omega^2 / (3 n) at fan-in n (300 / n for omega = 30). With weights
U(-sqrt(6/n)/omega, sqrt(6/n)/omega) the variance v of the inputs of sines in successive layers is hence

    v -> 1 - exp(-2 v) + omega^2 / (3 n),

which has the fixed point 0.797 without biases. Going back through a layer multiplies the variance of gradients by
1 + exp(-2 v): by nearly one where v is large, and by 1.2 at the fixed point without biases.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, pi, sqrt

import torch
from torch import Tensor

from metasiren import Layer, Params, Sine, Siren
from metasiren.nn.layers import affine

ARCSINE_STD = sqrt(1 / 2)


@dataclass(frozen=True)
class LayerStatistics:
    """Activations and gradients of one layer with an activation.

    Attributes:
        name: the layer's.
        pre_activation: (points, features), z = omega (W x + b).
        activation: (points, features), f(z).
        gradient: (points, features), of the sum of all outputs with respect to the activation.
    """

    name: str
    pre_activation: Tensor
    activation: Tensor
    gradient: Tensor


@dataclass(frozen=True)
class Prediction:
    """Standard deviations of one layer's distributions, as the module's text derives them."""

    pre_activation: float
    activation: float
    gradient: float


def activation_statistics(siren: Siren, params: Params, coords: Tensor) -> tuple[LayerStatistics, ...]:
    """Follow points through one instance of a SIREN and back.

    Args:
        siren: the architecture.
        params: of one instance, as `siren.init` returns them.
        coords: (points, in).

    Returns:
        one entry for each layer that has an activation, first to last.

    Raises:
        ValueError: more instances than one, or shapes that do not fit.
    """
    with torch.no_grad():
        x, params, batch = siren.prepare(params, coords)
        if batch != 1:
            raise ValueError(f"params and coords are of {batch} instances; give one")
        if siren.encoding:
            x = siren.encoding.expand(x, params).value
        passed: list[tuple[Layer, Tensor, Tensor]] = []
        *hidden, last = siren.layers
        for layer in hidden:
            z = affine(x, params[layer.weight], params[layer.bias], layer)
            x = siren.activation.value(z)
            passed.append((layer, z[0], x[0]))
        # The chain rule by hand, which keeps one layer's gradients at a time where autograd keeps all weights.
        gradient = params[last.weight][0].sum(0).expand(x.shape[1], -1)
        found: list[LayerStatistics] = []
        for layer, z, a in reversed(passed):
            found.append(LayerStatistics(layer.name, z, a, gradient))
            slope = siren.activation.derivatives(z, 1)[1]
            gradient = layer.omega * (gradient * slope) @ params[layer.weight][0]
    return tuple(reversed(found))


def predicted_statistics(siren: Siren, coords: Tensor, *, bias: bool = True) -> tuple[Prediction, ...]:
    """Standard deviations under `Siren.init`, in the limit of great width, for the layers with a sine.

    Args:
        siren: with sines, and no input layer.
        coords: (points, in); their mean square enters the first layer.
        bias: False where all biases are zero.

    Raises:
        ValueError: another nonlinearity, or an input layer.
    """
    if not isinstance(siren.activation, Sine) or siren.encoding:
        raise ValueError("predictions are for sines of the coordinates themselves")
    drawn, variances = siren.init_std(), []
    square = float(coords.double().square().mean())
    *hidden, last = siren.layers
    for layer in hidden:
        weight, shift = drawn[layer.weight] ** 2, drawn[layer.bias] ** 2 if bias else 0.0
        variances.append(layer.omega**2 * (layer.in_features * weight * square + shift))
        square = sine_variance(variances[-1])
    gradient, found = siren.out_features * drawn[last.weight] ** 2, []
    for layer, variance in zip(reversed(hidden), reversed(variances), strict=True):
        found.append(Prediction(sqrt(variance), sqrt(sine_variance(variance)), sqrt(gradient)))
        slope = (1 + exp(-2 * variance)) / 2
        gradient *= layer.omega**2 * layer.out_features * drawn[layer.weight] ** 2 * slope
    return tuple(reversed(found))


def sine_variance(variance: float) -> float:
    """The variance of sin(z) for z normal of mean zero: (1 - exp(-2 v)) / 2."""
    return (1 - exp(-2 * variance)) / 2


def normal_density(z: Tensor, std: float = 1.0) -> Tensor:
    """The density of N(0, std^2) at z, any shape."""
    return torch.exp(-((z / std) ** 2) / 2) / (std * sqrt(2 * pi))


def normal_distribution(z: Tensor, std: float = 1.0) -> Tensor:
    """The probability of N(0, std^2) below z, any shape."""
    below: Tensor = torch.special.ndtr(z / std)
    return below


def arcsine_density(a: Tensor) -> Tensor:
    """1 / (pi sqrt(1 - a^2)) within (-1, 1) and zero elsewhere: the sine of a uniform angle."""
    inside = a.abs() < 1
    return torch.where(inside, 1 / (pi * torch.sqrt(1 - torch.where(inside, a, 0) ** 2)), 0)


def arcsine_distribution(a: Tensor) -> Tensor:
    """The probability of the arcsine density below a."""
    return torch.asin(a.clamp(-1, 1)) / pi + 0.5


def sine_of_normal_density(a: Tensor, std: float = 1.0) -> Tensor:
    """The density of sin(z) for z of N(0, std^2), within (-1, 1) and zero elsewhere.

    Every z with sin(z) = a counts: arcsin(a) and pi - arcsin(a), and all whole turns from there.
    """
    inside = a.abs() < 1
    angle = torch.asin(torch.where(inside, a, 0))
    total = 0 * angle
    for turn in _turns(std):
        total += normal_density(angle + turn, std) + normal_density(pi - angle + turn, std)
    return torch.where(inside, total / torch.cos(angle), 0)


def sine_of_normal_distribution(a: Tensor, std: float = 1.0) -> Tensor:
    """The probability that sin(z) is below a, for z of N(0, std^2)."""
    angle = torch.asin(a.clamp(-1, 1))
    return sum(
        (normal_distribution(angle + turn, std) - normal_distribution(-pi - angle + turn, std) for turn in _turns(std)),
        0 * angle,
    )


def _turns(std: float) -> Sequence[float]:
    reach = 1 + int(6 * std / (2 * pi))
    return [2 * pi * k for k in range(-reach, reach + 1)]


def kolmogorov_distance(samples: Tensor, distribution: Callable[[Tensor], Tensor]) -> float:
    """The greatest gap between the samples' empirical distribution and a predicted one, from 0 to 1.

    Args:
        samples: any shape.
        distribution: values -> the probability of lying below them.
    """
    ordered = samples.flatten().double().sort().values
    below = distribution(ordered)
    steps = torch.arange(len(ordered) + 1, dtype=torch.float64, device=ordered.device) / len(ordered)
    return float(torch.maximum((below - steps[:-1]).abs(), (below - steps[1:]).abs()).max())


def spectrum(signals: Tensor) -> Tensor:
    """Root mean square over features of the amplitudes of sampled signals' frequencies, under a Hann window.

    Signals that do not end as they begin would else show all frequencies, by the jump alone.

    Args:
        signals: (points, features), sampled at even distances over [-1, 1].

    Returns:
        (points // 2 + 1,), by whole periods over the interval.
    """
    window = torch.hann_window(len(signals), dtype=torch.float64, device=signals.device)
    amplitudes = torch.fft.rfft(signals.double() * window.unsqueeze(-1), dim=0).abs() / window.sum()
    mean_square: Tensor = amplitudes.square().mean(1)
    return mean_square.sqrt()
