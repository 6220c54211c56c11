"""Input layers: fixed or learnable features of the coordinates, before the first affine layer.

The SIREN paper's section 4 compares with them: positional encoding (Mildenhall et al. 2020, Eq. 4) and radial basis
functions. Plugins add others with the hook `metasiren_input_encodings`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from math import floor, log2, pi, sqrt
from typing import Literal

import torch
from torch import Tensor

from metasiren.errors import RecipeError
from metasiren.nn.by_value import ByValue
from metasiren.nn.domain import Domain

CENTRES = "input.centres"


@dataclass(frozen=True)
class Expansion:
    """Features of coordinates, with their derivatives on demand; every tensor is (instances, points, features).

    Attributes:
        value: the features.
        first: i -> their derivatives along coordinate i.
        second: (i, j) -> their second derivatives along coordinates i and j.
    """

    value: Tensor
    first: Callable[[int], Tensor]
    second: Callable[[int, int], Tensor]


class InputLayer(ByValue, ABC):
    """Features of coordinates, for signals of one domain.

    A constructor takes the `Domain` first, then keyword options with types and defaults: those are what a recipe may
    set. It checks them; `expand` is called in every pass. Two layers are equal if they are of one class and have equal
    attributes.

    Args:
        domain: of the signals.

    Attributes:
        domain: of the signals; `domain.d_in` is the number of coordinates.
        features: number of features.
    """

    domain: Domain

    def __init__(self, domain: Domain) -> None:
        self.domain = domain

    @property
    @abstractmethod
    def features(self) -> int:
        """Number of features."""

    @abstractmethod
    def expand(self, x: Tensor, params: Mapping[str, Tensor]) -> Expansion:
        """The features of x (instances, points, d_in), in the dtype and on the device of x.

        Args:
            x: coordinates.
            params: weights of the whole network, of leading size `instances` or 1; those of this layer are under the
                names that `shapes` gives.
        """

    def check(self, dataset: object) -> None:
        """Check before training that the layer fits the data set; by default, any fits.

        Raises:
            RecipeError: the fields of this layer cannot represent the signals.
        """

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every learnable parameter, without the leading instance dimension; none by default.

        Names start with `input.`, so that they differ from those of other layers.
        """
        return {}

    def init(self, name: str, parameter: Tensor, generator: torch.Generator | None) -> None:
        """Fill a parameter (instances, ...) with its initial values, U(-1, 1) by default."""
        parameter.uniform_(-1, 1, generator=generator)

    def init_std(self, name: str) -> float:
        """The standard deviation with which `init` draws a parameter."""
        return 1 / sqrt(3)


@dataclass(frozen=True, eq=False)
class PositionalEncoding(InputLayer):
    """x, sin(2^i pi x) and cos(2^i pi x) for i = 0 ... frequencies - 1, of every coordinate.

    Args:
        domain: of the signals.
        frequencies: number of octaves.
        samples: instead, points along an axis of the grid that [-1, 1] is sampled by: the octaves that they can
            carry (Nyquist) are floor(log2(samples / 4)); 7 for 512. `grid` is the longest axis of the data's grid.
    """

    domain: Domain
    _: KW_ONLY
    frequencies: int | None = None
    samples: int | Literal["grid"] | None = None

    def __post_init__(self) -> None:
        if (self.frequencies is None) == (self.samples is None):
            found = f"frequencies is {self.frequencies} and samples is {self.samples}."
            raise RecipeError("siren: input_layer", found, "Give one of the two.")
        if self.samples == "grid" and self.domain.grid is None:
            found = "this data has no grid to count samples on."
            raise RecipeError("siren: input_layer: samples", found, "Give their number.")
        if self.octaves < 1:
            given = f"{self.samples} samples" if self.frequencies is None else f"{self.frequencies} frequencies"
            found = f"{given} make no octave."
            raise RecipeError("siren: input_layer", found, "Give at least one frequency, or eight samples.")

    @property
    def octaves(self) -> int:
        """Number of octaves."""
        if self.frequencies is not None:
            return self.frequencies
        samples = max(self.domain.grid or (0,)) if self.samples == "grid" else self.samples
        return floor(log2(max(samples or 0, 1) / 4))

    @property
    def features(self) -> int:
        """See `InputLayer.features`."""
        return self.domain.d_in * (1 + 2 * self.octaves)

    def expand(self, x: Tensor, params: Mapping[str, Tensor]) -> Expansion:
        """See `InputLayer.expand`."""
        octaves = torch.exp2(torch.arange(self.octaves, device=x.device, dtype=x.dtype))
        scaled = x.unsqueeze(-1) * octaves
        # Whole turns are taken off before the product with pi, which would round them: powers of two are exact.
        angle = pi * (scaled - 2 * torch.round(scaled / 2).detach())
        sin, cos, rate = torch.sin(angle), torch.cos(angle), pi * octaves
        point = x.unsqueeze(-1)

        def alone(i: int, derivative: Tensor) -> Tensor:
            mask = torch.zeros(x.shape[-1], 1, device=x.device, dtype=x.dtype)
            mask[i] = 1
            return (derivative * mask).flatten(-2)

        def first(i: int) -> Tensor:
            return alone(i, torch.cat([torch.ones_like(point), rate * cos, -rate * sin], -1))

        def second(i: int, j: int) -> Tensor:
            bent = torch.cat([torch.zeros_like(point), -(rate**2) * sin, -(rate**2) * cos], -1)
            return alone(i, bent) if i == j else torch.zeros_like(bent).flatten(-2)

        return Expansion(torch.cat([point, sin, cos], -1).flatten(-2), first, second)


@dataclass(frozen=True, eq=False)
class RadialBasis(InputLayer):
    """g(|x - c|^2) for learnable centres c, drawn from U(-1, 1).

    Args:
        domain: of the signals.
        centres: their number; 1024 in the paper, 256 for its images.
        sigma: inverse width.
    """

    domain: Domain
    _: KW_ONLY
    centres: int = 1024
    sigma: float = 10.0

    def __post_init__(self) -> None:
        if self.centres < 1:
            raise RecipeError("siren: input_layer", f"{self.centres} centres.", "Give at least one.")
        if self.sigma <= 0:
            raise RecipeError("siren: input_layer", f"sigma is {self.sigma}.", "Give a positive number.")

    @abstractmethod
    def profile(self, q: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """g, g' and g'' at squared distances q."""

    @property
    def features(self) -> int:
        """See `InputLayer.features`."""
        return self.centres

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """See `InputLayer.shapes`."""
        return {CENTRES: (self.centres, self.domain.d_in)}

    def expand(self, x: Tensor, params: Mapping[str, Tensor]) -> Expansion:
        """See `InputLayer.expand`."""
        away = x.unsqueeze(-2) - params[CENTRES].unsqueeze(1)
        g, slope, bend = self.profile(away.square().sum(-1))

        def first(i: int) -> Tensor:
            return 2 * slope * away[..., i]

        def second(i: int, j: int) -> Tensor:
            mixed = 4 * bend * away[..., i] * away[..., j]
            return mixed + 2 * slope if i == j else mixed

        return Expansion(g, first, second)


class RbfGaussian(RadialBasis):
    """exp(-(sigma |x - c|)^2)."""

    def profile(self, q: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `RadialBasis.profile`."""
        rate = self.sigma**2
        g = torch.exp(-rate * q)
        return g, -rate * g, rate**2 * g


class RbfQuartic(RadialBasis):
    """exp(-(sigma |x - c|^2)^2), which the paper's code calls Gaussian."""

    def profile(self, q: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `RadialBasis.profile`."""
        rate = self.sigma**2
        g = torch.exp(-rate * q * q)
        return g, -2 * rate * q * g, (4 * rate**2 * q * q - 2 * rate) * g
