"""Multiplicative filter networks: products of filters of the coordinates, with affine layers between them.

z_1 = g_1(x), z_(i+1) = (W_i z_i + b_i) * g_(i+1)(x): Fathony et al. 2021, "Multiplicative filter networks", ICLR.
Here the whole network is the features of an input layer. With `nonlinearity: identity` and `hidden_layers: 0` the
layers after it are affine, as in the paper, as the product of two matrices.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from math import pi, sqrt

import torch
from torch import Tensor

from metasiren import Activation, Domain, Expansion, InputLayer, RecipeError
from metasiren.nn.constants import kept
from metasiren_rivals.chain import Derivatives

Params = Mapping[str, Tensor]


class Identity(Activation):
    """f(z) = z: affine layers with nothing between them, for input layers that are networks themselves."""

    def derivatives(self, z: Tensor, order: int) -> Derivatives:
        """See `Activation.derivatives`."""
        zero = torch.zeros_like(z)
        return (z, torch.ones_like(z), zero, zero)[: order + 1]


@dataclass(frozen=True)
class Filter:
    """One filter at some points, (instances, points, width) each, with its derivatives by coordinates."""

    value: Tensor
    first: Callable[[int], Tensor]
    second: Callable[[int, int], Tensor]


class Multiplicative(InputLayer):
    """Base of multiplicative filter networks; a subclass gives the filters.

    Args:
        domain: of the signals.
        width: features of every layer.
        filters: their number, k.

    Raises:
        RecipeError: a number below one.
    """

    def __init__(self, domain: Domain, *, width: int, filters: int) -> None:
        super().__init__(domain)
        if width < 1 or filters < 1:
            found = f"width is {width}, filters is {filters}."
            raise RecipeError(f"siren: input_layer: {type(self).__name__}", found, "Give integers above 0.")
        self.width, self.filters = width, filters

    @property
    def features(self) -> int:
        """See `InputLayer.features`."""
        return self.width

    @property
    @abstractmethod
    def filter_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Learnable parameters of one filter, by the ends of their names."""

    @abstractmethod
    def filter(self, i: int, x: Tensor, params: Params) -> Filter:
        """Filter number i at x (instances, points, d_in)."""

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """See `InputLayer.shapes`."""
        n = self.width
        made: dict[str, tuple[int, ...]] = {}
        for i in range(self.filters):
            made |= {f"input.filter{i}.{name}": shape for name, shape in self.filter_shapes.items()}
        for i in range(self.filters - 1):
            made |= {f"input.affine{i}.weight": (n, n), f"input.affine{i}.bias": (n,)}
        return made

    def init(self, name: str, parameter: Tensor, generator: torch.Generator | None) -> None:
        """Affine layers are U(-1/sqrt(n), 1/sqrt(n)), n being the width; phases U(-pi, pi)."""
        bound = sqrt(3) * self.init_std(name)
        parameter.uniform_(-bound, bound, generator=generator)

    def init_std(self, name: str) -> float:
        """See `InputLayer.init_std`."""
        return pi / sqrt(3) if name.endswith("phase") else 1 / sqrt(3 * self.width)

    def expand(self, x: Tensor, params: Params) -> Expansion:
        """See `InputLayer.expand`; derivatives follow the product rule through the layers."""
        made = [self.filter(i, x, params) for i in range(self.filters)]
        weights = [params[f"input.affine{i}.weight"].transpose(1, 2) for i in range(self.filters - 1)]
        z = made[0].value
        inner = []
        for i, weight in enumerate(weights):
            inner.append(z @ weight + params[f"input.affine{i}.bias"].unsqueeze(1))
            z = inner[i] * made[i + 1].value

        @cache
        def slope(i: int, a: int) -> Tensor:
            return made[i].first(a)

        @cache
        def firsts(a: int) -> tuple[list[Tensor], list[Tensor]]:
            """The derivatives of z_1, z_2, ... along coordinate a, and all but the last times the weights."""
            along, mixed = [slope(0, a)], []
            for i, weight in enumerate(weights):
                mixed.append(along[i] @ weight)
                along.append(mixed[i] * made[i + 1].value + inner[i] * slope(i + 1, a))
            return along, mixed

        def second(a: int, b: int) -> Tensor:
            both, mixed_a, mixed_b = made[0].second(a, b), firsts(a)[1], firsts(b)[1]
            for i, weight in enumerate(weights):
                g = made[i + 1]
                both = (
                    (both @ weight) * g.value
                    + mixed_a[i] * slope(i + 1, b)
                    + mixed_b[i] * slope(i + 1, a)
                    + inner[i] * g.second(a, b)
                )
            return both

        return Expansion(z, lambda a: firsts(a)[0][-1], second)


def _wave(angle: Tensor, rows: Tensor) -> Filter:
    """sin(angle), where the angle grows with coordinate a by rows[..., a]; rows are (instances, 1, width, d_in)."""
    s, c = torch.sin(angle), torch.cos(angle)
    return Filter(s, lambda a: rows[..., a] * c, lambda a, b: -rows[..., a] * rows[..., b] * s)


class FourierMfn(Multiplicative):
    """Filters sin(w x + phase): a sum of very many sines of the coordinates. Fathony et al. 2021.

    Args:
        domain: of the signals.
        width: features of every layer.
        filters: their number, k.
        omega: initial frequencies are uniform within omega / sqrt(k d), in radians per unit of the d coordinates.

    Raises:
        RecipeError: a number that is not above 0.
    """

    def __init__(self, domain: Domain, *, width: int = 256, filters: int = 4, omega: float = 128.0) -> None:
        super().__init__(domain, width=width, filters=filters)
        if not omega > 0:
            raise RecipeError("siren: input_layer: fourier_mfn", f"omega is {omega}.", "Give a number above 0.")
        self.omega = omega

    @property
    def filter_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """See `Multiplicative.filter_shapes`."""
        return {"frequency": (self.width, self.domain.d_in), "phase": (self.width,)}

    def init_std(self, name: str) -> float:
        """See `InputLayer.init_std`."""
        if name.endswith("frequency"):
            return self.omega / sqrt(3 * self.filters * self.domain.d_in)
        return super().init_std(name)

    def filter(self, i: int, x: Tensor, params: Params) -> Filter:
        """See `Multiplicative.filter`."""
        w, phase = params[f"input.filter{i}.frequency"], params[f"input.filter{i}.phase"]
        return _wave(x @ w.transpose(1, 2) + phase.unsqueeze(1), w.unsqueeze(1))


class GaborMfn(FourierMfn):
    """Filters exp(-s^2 |x - c|^2 / 2) sin(s w x + phase). Fathony et al. 2021.

    s^2 starts from the gamma distribution of shape 3/2 and rate 1, as in the paper with four filters; centres c are
    uniform. A narrower filter has a higher frequency from the start, as there; here it stays so in training, too.

    Args:
        domain: of the signals.
        width: features of every layer.
        filters: their number, k.
        omega: initial w are uniform within omega / sqrt(k d), in radians per unit of the d coordinates.

    Raises:
        RecipeError: a number that is not above 0.
    """

    @property
    def filter_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """See `Multiplicative.filter_shapes`."""
        return {**super().filter_shapes, "centre": (self.width, self.domain.d_in), "sharpness": (self.width,)}

    def init(self, name: str, parameter: Tensor, generator: torch.Generator | None) -> None:
        """See `InputLayer.init`."""
        if not name.endswith("sharpness"):
            super().init(name, parameter, generator)
            return
        # Half the sum of three squared normal variables has the gamma distribution of shape 3/2.
        total = torch.zeros_like(parameter)
        for _ in range(3):
            total += parameter.normal_(generator=generator).square() / 2
        parameter.copy_(total.sqrt())

    def init_std(self, name: str) -> float:
        """See `InputLayer.init_std`."""
        if name.endswith("sharpness"):
            return sqrt(1.5 - 4 / pi)
        return 1 / sqrt(3) if name.endswith("centre") else super().init_std(name)

    def filter(self, i: int, x: Tensor, params: Params) -> Filter:
        """See `Multiplicative.filter`."""
        own = {name: params[f"input.filter{i}.{name}"] for name in self.filter_shapes}
        s, centre = own["sharpness"].unsqueeze(1), own["centre"]
        frequency = own["sharpness"].unsqueeze(-1) * own["frequency"]
        wave = _wave(x @ frequency.transpose(1, 2) + own["phase"].unsqueeze(1), frequency.unsqueeze(1))
        # |x - c|^2 by a product of matrices: the differences of all points and centres would be many numbers.
        distance = x.square().sum(-1, keepdim=True) - 2 * x @ centre.transpose(1, 2)
        bell = torch.exp(-s.square() * (distance + centre.square().sum(-1).unsqueeze(1)) / 2)

        def away(a: int) -> Tensor:
            return x[..., a : a + 1] - centre[..., a].unsqueeze(1)

        def slope(a: int) -> Tensor:
            return -s.square() * away(a) * bell

        def bend(a: int, b: int) -> Tensor:
            curved = s**4 * away(a) * away(b) * bell
            return curved - s.square() * bell if a == b else curved

        def first(a: int) -> Tensor:
            return bell * wave.first(a) + slope(a) * wave.value

        def second(a: int, b: int) -> Tensor:
            crossed = slope(a) * wave.first(b) + slope(b) * wave.first(a)
            return bell * wave.second(a, b) + crossed + bend(a, b) * wave.value

        return Filter(bell * wave.value, first, second)


class BandLimitedMfn(Multiplicative):
    """Fourier filters with fixed whole frequencies, so that no field has a frequency above the band.

    Lindell et al. 2022, "BACON: Band-limited coordinate networks for multiscale scene representation", CVPR:
    along each axis the band of a product is the sum of the filters' bands. Fields have the period of the coordinates,
    [-1, 1]. The paper's outputs after every layer, with bands of their own, are not here.

    Args:
        domain: of the signals.
        width: features of every layer.
        filters: their number, k, of equal bands.
        band: the highest frequency along each axis, in periods over [-1, 1]; at least k.
        seed: of the frequencies, which are uniform.

    Raises:
        RecipeError: a band below the number of filters.
    """

    def __init__(self, domain: Domain, *, width: int = 256, filters: int = 4, band: int = 64, seed: int = 0) -> None:
        super().__init__(domain, width=width, filters=filters)
        if band < filters:
            found = f"band is {band}, of {filters} filters."
            raise RecipeError("siren: input_layer: band_limited_mfn", found, "Give at least one period for each.")
        self.band, self.seed = band, seed

    @property
    def filter_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """See `Multiplicative.filter_shapes`."""
        return {"phase": (self.width,)}

    def filter(self, i: int, x: Tensor, params: Params) -> Filter:
        """See `Multiplicative.filter`."""
        seed, most = self.seed * self.filters + i, self.band // self.filters
        w = pi * kept(_periods, seed, most, self.width, self.domain.d_in, like=x)
        return _wave(x @ w.T + params[f"input.filter{i}.phase"].unsqueeze(1), w[None, None])


def _periods(seed: int, most: int, width: int, d: int) -> Tensor:
    """Whole numbers (width, d) from -most to most."""
    return torch.randint(-most, most + 1, (width, d), generator=torch.Generator().manual_seed(seed))
