"""Coordinates that change fast at places known beforehand, beside the coordinates themselves.

A sine of them has high local frequencies there, and low ones elsewhere: a source a hundredth of the square wide, or the
edge of a medium, need not be resolved everywhere. Mapped coordinates are an old means of spectral methods (Boyd 2001,
"Chebyshev and Fourier Spectral Methods", chapter 16).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from metasiren import Domain, Expansion, InputLayer, RecipeError, did_you_mean
from metasiren.nn.constants import constant

WHERE = "siren: input_layer: mapped_coordinates"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A point, a circle (sphere) or a square (cube) about it.

    Args:
        centre: its coordinates, those of `axes`.
        width: w, within which the new coordinates change; not used by a `side`.
        radius: R; zero for a point.
        half_width: half the side of a square; zero for a point. Only a `side` has it.
        side: the new coordinate is -1 inside and 1 outside the circle or square.
        reach: where the `distance` of a point levels off; by default it does not.
    """

    centre: Sequence[float]
    width: float = 0.0
    radius: float = 0.0
    half_width: float = 0.0
    side: bool = False
    reach: float = inf

    def __post_init__(self) -> None:
        if self.side and self.width:
            raise RecipeError(f"{WHERE}: places: width", f"{self.width}, at a side.", "A side has no width.")
        if not self.side and not (self.width > 0 and isfinite(self.width)):
            raise RecipeError(f"{WHERE}: places: width", f"{self.width}.", "Give a positive length.")
        for name, value in (("radius", self.radius), ("half_width", self.half_width)):
            if not (value >= 0 and isfinite(value)):
                raise RecipeError(f"{WHERE}: places: {name}", f"{value}.", "Give zero for a point, or a length.")
        if (bool(self.radius) == bool(self.half_width)) if self.side else self.half_width:
            found = f"side {self.side}, radius {self.radius}, half_width {self.half_width}."
            advice = "A side has a radius or a half_width, and nothing else has a half_width."
            raise RecipeError(f"{WHERE}: places: side", found, advice)
        if not self.reach > 0:
            raise RecipeError(f"{WHERE}: places: reach", f"{self.reach}.", "Give a positive length.")
        if self.reach < inf and (self.side or self.radius):
            found = f"{self.reach}, at a {'side' if self.side else 'circle'}, which has no distance."
            raise RecipeError(f"{WHERE}: places: reach", found, "Give it to a point, or leave it out.")


class MappedCoordinates(InputLayer):
    """x, and for each place g z(x): a point has z = (x - c) / sqrt(|x - c|^2 + w^2), with as many coordinates as axes.

    A circle has the one coordinate z = q / sqrt(q^2 + w^2), q = (|x - c|^2 - R^2) / 2R, which is approximately the
    distance from it. All z lie in [-1, 1]. The side of an edge is -1 inside and 1 outside, whatever g: a field may jump
    across the edge, where only constraints make it continuous.

    Args:
        domain: of the signals.
        places: mappings of `centre`, `width`, for circles `radius`, for sides `radius` or `half_width`.
        gain: g, which times a weight of the first layer is how fast sines change across a place.
        axes: the coordinates in which places lie; all of them by default. (Of (t, x, y), space is [1, 2].)
        distance: besides, r = sqrt(|x - c|^2 + w^2) for each point: the phase of waves that leave it. `only`: it alone,
            without z. It levels off at a place's `reach` L, as r - w log(1 + exp((r - L) / w)).
        keep: the coordinates of x that remain; all of them by default. ([0] with `distance: only` is a wave in t and
            the distance.)

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
        distance: bool | Literal["only"] = False,
        keep: Sequence[int] | None = None,
    ) -> None:
        super().__init__(domain)
        self.places = tuple(_place(i, given) for i, given in enumerate(places))
        if not self.places:
            raise RecipeError(f"{WHERE}: places", "there is none.", "Give [{centre: [0, 0], width: 0.03}].")
        if not (gain > 0 and isfinite(gain)):
            raise RecipeError(f"{WHERE}: gain", f"{gain}.", "Give a positive number such as 0.05.")
        if not distance and any(p.reach < inf for p in self.places):
            advice = "Set distance to true or only, or leave the reach out."
            raise RecipeError(f"{WHERE}: places: reach", "there is no distance.", advice)
        if distance and all(p.radius or p.side for p in self.places):
            raise RecipeError(f"{WHERE}: distance", "no place is a point.", "Add a point, or leave it out.")
        self.gain, self.distance = gain, distance
        self.axes = _axes("axes", axes, domain.d_in)
        self.keep = _axes("keep", keep, domain.d_in)
        for place in self.places:
            if len(place.centre) != len(self.axes):
                found = f"{list(place.centre)} has {len(place.centre)} coordinates, the axes are {list(self.axes)}."
                raise RecipeError(f"{WHERE}: places: centre", found, "Give one number for each axis.")

    @property
    def features(self) -> int:
        """See `InputLayer.features`."""
        plain = sum(not (p.radius or p.side) for p in self.places)
        each = bool(self.distance) + (0 if self.distance == "only" else len(self.axes))
        return len(self.keep) + plain * each + len(self.places) - plain

    def expand(self, x: Tensor, params: Mapping[str, Tensor]) -> Expansion:
        """See `InputLayer.expand`."""
        axes, keep = self.axes, self.keep
        # Neither a list as an index nor a new constant in each step: a GPU would wait for both.
        inside = torch.stack([x[..., a] for a in axes], -1)
        parts = [part for p in self.places for part in self._parts(inside - constant(p.centre, x), p)]
        kept = torch.stack([x[..., a] for a in keep], -1)

        def first(i: int) -> Tensor:
            same = constant([float(a == i) for a in keep], x).expand_as(kept)
            new = [p.first(axes.index(i)) if i in axes else torch.zeros_like(p.value) for p in parts]
            return torch.cat([same, *new], -1)

        def second(i: int, j: int) -> Tensor:
            inside = i in axes and j in axes
            new = [p.second(axes.index(i), axes.index(j)) if inside else torch.zeros_like(p.value) for p in parts]
            return torch.cat([torch.zeros_like(kept), *new], -1)

        return Expansion(torch.cat([kept, *(p.value for p in parts)], -1), first, second)

    def _parts(self, y: Tensor, place: Place) -> list[_Part]:
        """The new coordinates of a place at y = x - c (..., axes)."""
        if place.side:
            return [_Side(y, place)]
        if place.radius:
            return [_Circle(y, place, self.gain)]
        parts: list[_Part] = [] if self.distance == "only" else [_Point(y, place, self.gain)]
        return [*parts, _Distance(y, place)] if self.distance else parts


class _Part(Protocol):
    """New coordinates at points, with their derivatives by the axes."""

    value: Tensor

    def first(self, a: int) -> Tensor: ...

    def second(self, a: int, b: int) -> Tensor: ...


class _Point:
    """g y h(y), h = 1 / sqrt(|y|² + w²)."""

    def __init__(self, y: Tensor, place: Place, gain: float) -> None:
        self.y, self.gain = y, gain
        self.h = (y.square().sum(-1, keepdim=True) + place.width**2).rsqrt()
        self.value = gain * (y * self.h)

    def first(self, a: int) -> Tensor:
        y, h = self.y, self.h
        return self.gain * (self._axis(a) * h - y * y[..., a : a + 1] * h**3)

    def second(self, a: int, b: int) -> Tensor:
        y, h, same = self.y, self.h, float(a == b)
        mixed = self._axis(a) * y[..., b : b + 1] + self._axis(b) * y[..., a : a + 1] + same * y
        return self.gain * (3 * y * (y[..., a : a + 1] * y[..., b : b + 1]) * h**5 - mixed * h**3)

    def _axis(self, a: int) -> Tensor:
        return constant([float(i == a) for i in range(self.y.shape[-1])], self.y)


class _Distance:
    """r = sqrt(|y|² + w²), or r - w log(1 + exp((r - L) / w)) with a reach L."""

    def __init__(self, y: Tensor, place: Place) -> None:
        self.y, self.width = y, place.width
        self.h = (y.square().sum(-1, keepdim=True) + place.width**2).rsqrt()
        self.value = 1 / self.h
        self.slope: Tensor | None = None
        if place.reach < inf:
            beyond = (self.value - place.reach) / place.width
            self.value = self.value - place.width * torch.nn.functional.softplus(beyond)
            self.slope = torch.sigmoid(-beyond)

    def first(self, a: int) -> Tensor:
        along = self.y[..., a : a + 1] * self.h
        return along if self.slope is None else self.slope * along

    def second(self, a: int, b: int) -> Tensor:
        h, product = self.h, self.y[..., a : a + 1] * self.y[..., b : b + 1]
        bent = float(a == b) * h - product * h**3
        if self.slope is None:
            return bent
        return self.slope * bent - self.slope * (1 - self.slope) / self.width * product * h**2


class _Circle:
    """g q / sqrt(q² + w²), q = (|y|² - R²) / 2R."""

    def __init__(self, y: Tensor, place: Place, gain: float) -> None:
        self.y, self.place, self.gain = y, place, gain
        self.apart = (y.square().sum(-1, keepdim=True) - place.radius**2) / (2 * place.radius)
        self.h = (self.apart.square() + place.width**2).rsqrt()
        self.value = gain * (self.apart * self.h)

    def first(self, a: int) -> Tensor:
        return self.gain * (self.place.width**2 * self.h**3 * self.y[..., a : a + 1] / self.place.radius)

    def second(self, a: int, b: int) -> Tensor:
        h, w, r = self.h, self.place.width, self.place.radius
        product = self.y[..., a : a + 1] * self.y[..., b : b + 1]
        return self.gain * (w**2 * h**3 * (float(a == b) / r - 3 * self.apart * h**2 * product / r**2))


class _Side:
    """-1 inside a circle or a square, 1 outside; its derivatives are zero on both sides."""

    def __init__(self, y: Tensor, place: Place) -> None:
        far = y.square().sum(-1, keepdim=True) - place.radius**2 if place.radius else y.abs().amax(-1, keepdim=True)
        self.value = torch.where(far < place.half_width, -1.0, 1.0).to(y)

    def first(self, a: int) -> Tensor:
        return torch.zeros_like(self.value)

    def second(self, a: int, b: int) -> Tensor:
        return torch.zeros_like(self.value)


def _place(number: int, given: Any) -> Place:
    where = f"{WHERE}: places: {number}"
    lengths = ("width", "radius", "half_width", "reach")
    known = ("centre", *lengths, "side")
    if not isinstance(given, Mapping) or "centre" not in given or not ("width" in given or given.get("side")):
        raise RecipeError(where, f"{given!r}.", "Give a mapping such as {centre: [0, 0], width: 0.03}.")
    for key in given:
        if key not in known:
            raise RecipeError(where, f"no option is called {key!r}.", f"{did_you_mean(key, known)} known: {known}")
    centre, numbers = given["centre"], {key: given[key] for key in lengths if key in given}
    if isinstance(centre, str) or not isinstance(centre, Sequence) or not all(map(_real, [*centre, *numbers.values()])):
        advice = "The centre is a list of numbers; width, radius, half_width and reach are numbers."
        raise RecipeError(where, f"{given!r}.", advice)
    if not isinstance(side := given.get("side", False), bool):
        raise RecipeError(where, f"{given!r}.", "side is true or false.")
    return Place(centre=[float(c) for c in centre], side=side, **{key: float(value) for key, value in numbers.items()})


def _axes(option: str, given: Sequence[int] | None, d: int) -> tuple[int, ...]:
    """Coordinates of x by number, checked against those that there are."""
    axes = tuple(range(d)) if given is None else tuple(given)
    if not axes or len(set(axes)) < len(axes) or not all(0 <= a < d for a in axes):
        found = f"{list(axes)} of {d} coordinates."
        raise RecipeError(f"{WHERE}: {option}", found, f"Each is one of 0 to {d - 1}, named once.")
    return axes


def _real(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
