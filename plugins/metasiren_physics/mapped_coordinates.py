"""Coordinates that change fast at places known beforehand, beside the coordinates themselves.

A sine of them has high local frequencies there, and low ones elsewhere: a source a hundredth of the square wide, or the
edge of a medium, need not be resolved everywhere. Mapped coordinates are an old means of spectral methods (Boyd 2001,
"Chebyshev and Fourier Spectral Methods", chapter 16).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from metasiren import Domain, Expansion, InputLayer, RecipeError, did_you_mean
from metasiren.nn.constants import constant

WHERE = "siren: input_layer: mapped_coordinates"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A point, or a circle (sphere) about it.

    Args:
        centre: its coordinates, those of `axes`.
        width: w, within which the new coordinates change.
        radius: R; zero for a point.
    """

    centre: Sequence[float]
    width: float
    radius: float = 0.0

    def __post_init__(self) -> None:
        if not (self.width > 0 and isfinite(self.width)):
            raise RecipeError(f"{WHERE}: places: width", f"{self.width}.", "Give a positive length.")
        if not (self.radius >= 0 and isfinite(self.radius)):
            raise RecipeError(f"{WHERE}: places: radius", f"{self.radius}.", "Give zero for a point, or a length.")


class MappedCoordinates(InputLayer):
    """x, and for each place g z(x): a point has z = (x - c) / sqrt(|x - c|^2 + w^2), with as many coordinates as axes.

    A circle has the one coordinate z = q / sqrt(q^2 + w^2), q = (|x - c|^2 - R^2) / 2R, which is approximately the
    distance from it. All z lie in [-1, 1].

    Args:
        domain: of the signals.
        places: mappings of `centre`, `width`, and for circles `radius`.
        gain: g, which times a weight of the first layer is how fast sines change across a place.
        axes: the coordinates in which places lie; all of them by default. (Of (t, x, y), space is [1, 2].)
        distance: besides, sqrt(|x - c|^2 + w^2) for each point: the phase of waves that leave it.

    Raises:
        RecipeError: no place, one that is no such mapping, a number out of range, or axes that the domain lacks.
    """

    def __init__(
        self,
        domain: Domain,
        *,
        places: Sequence[Mapping[str, Any]] = (),
        gain: float = 0.05,
        axes: Sequence[int] | None = None,
        distance: bool = False,
    ) -> None:
        super().__init__(domain)
        self.places = tuple(_place(i, given) for i, given in enumerate(places))
        if not self.places:
            raise RecipeError(f"{WHERE}: places", "there is none.", "Give [{centre: [0, 0], width: 0.03}].")
        if not (gain > 0 and isfinite(gain)):
            raise RecipeError(f"{WHERE}: gain", f"{gain}.", "Give a positive number such as 0.05.")
        self.gain, self.distance = gain, distance
        self.axes = _axes(axes, domain.d_in, self.places)

    @property
    def features(self) -> int:
        """See `InputLayer.features`."""
        points = sum(not p.radius for p in self.places)
        return self.domain.d_in + points * (len(self.axes) + self.distance) + len(self.places) - points

    def expand(self, x: Tensor, params: Mapping[str, Tensor]) -> Expansion:
        """See `InputLayer.expand`."""
        d, axes = x.shape[-1], self.axes
        # Neither a list as an index nor a new constant in each step: a GPU would wait for both.
        inside = torch.stack([x[..., a] for a in axes], -1)
        parts = [_Mapped(inside - constant(p.centre, x), p, self.distance) for p in self.places]
        eye = torch.eye(d, dtype=x.dtype, device=x.device).expand(*x.shape[:-1], d, d)

        def scaled(new: Sequence[Tensor]) -> list[Tensor]:
            return [part.gains(self.gain) * value for part, value in zip(parts, new, strict=True)]

        def first(i: int) -> Tensor:
            new = [p.first(axes.index(i)) if i in axes else torch.zeros_like(p.value) for p in parts]
            return torch.cat([eye[..., i], *scaled(new)], -1)

        def second(i: int, j: int) -> Tensor:
            inside = i in axes and j in axes
            new = [p.second(axes.index(i), axes.index(j)) if inside else torch.zeros_like(p.value) for p in parts]
            return torch.cat([torch.zeros_like(x), *scaled(new)], -1)

        return Expansion(torch.cat([x, *scaled([p.value for p in parts])], -1), first, second)


class _Mapped:
    """The new coordinates of one place at y = x - c (..., axes), with their derivatives by y."""

    def __init__(self, y: Tensor, place: Place, distance: bool) -> None:
        self.y, self.place = y, place
        q = y.square().sum(-1, keepdim=True)
        self.distance = distance and not place.radius
        self.apart = (q - place.radius**2) / (2 * place.radius) if place.radius else q.sqrt()
        self.h = (self.apart.square() + place.width**2).rsqrt() if place.radius else (q + place.width**2).rsqrt()

    def gains(self, gain: float) -> Tensor:
        factors = [gain] * (1 if self.place.radius else self.y.shape[-1])
        return constant(factors + [1.0] * self.distance, self.y)

    @property
    def value(self) -> Tensor:
        if self.place.radius:
            return self.apart * self.h
        return torch.cat([self.y * self.h, *([1 / self.h] if self.distance else [])], -1)

    def first(self, a: int) -> Tensor:
        y, h, w, r = self.y, self.h, self.place.width, self.place.radius
        along = y[..., a : a + 1]
        if r:
            return w**2 * h**3 * along / r
        changed = self._axis(a) * h - y * along * h**3
        return torch.cat([changed, *([along * h] if self.distance else [])], -1)

    def second(self, a: int, b: int) -> Tensor:
        y, h, w, r = self.y, self.h, self.place.width, self.place.radius
        same = 1.0 if a == b else 0.0
        product = y[..., a : a + 1] * y[..., b : b + 1]
        if r:
            return w**2 * h**3 * (same / r - 3 * self.apart * h**2 * product / r**2)
        mixed = self._axis(a) * y[..., b : b + 1] + self._axis(b) * y[..., a : a + 1] + same * y
        bent = 3 * y * product * h**5 - mixed * h**3
        return torch.cat([bent, *([same * h - product * h**3] if self.distance else [])], -1)

    def _axis(self, a: int) -> Tensor:
        return constant([float(i == a) for i in range(self.y.shape[-1])], self.y)


def _place(number: int, given: Any) -> Place:
    where = f"{WHERE}: places: {number}"
    known = ("centre", "width", "radius")
    if not isinstance(given, Mapping) or not {"centre", "width"} <= set(given):
        raise RecipeError(where, f"{given!r}.", "Give a mapping such as {centre: [0, 0], width: 0.03}.")
    for key in given:
        if key not in known:
            raise RecipeError(where, f"no option is called {key!r}.", f"{did_you_mean(key, known)} known: {known}")
    centre, numbers = given["centre"], [given[key] for key in known[1:] if key in given]
    if isinstance(centre, str) or not isinstance(centre, Sequence) or not all(map(_real, [*centre, *numbers])):
        raise RecipeError(where, f"{given!r}.", "The centre is a list of numbers, width and radius are numbers.")
    return Place(centre=[float(c) for c in centre], width=float(given["width"]), radius=float(given.get("radius", 0.0)))


def _axes(given: Sequence[int] | None, d: int, places: Sequence[Place]) -> tuple[int, ...]:
    """The coordinates in which places lie, checked against those that there are."""
    axes = tuple(range(d)) if given is None else tuple(given)
    if not axes or len(set(axes)) < len(axes) or not all(0 <= a < d for a in axes):
        found = f"{list(axes)} of {d} coordinates."
        raise RecipeError(f"{WHERE}: axes", found, f"Each is one of 0 to {d - 1}, named once.")
    for place in places:
        if len(place.centre) != len(axes):
            found = f"{list(place.centre)} has {len(place.centre)} coordinates, the axes are {list(axes)}."
            raise RecipeError(f"{WHERE}: places: centre", found, "Give one number for each axis.")
    return axes


def _real(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
