"""Media: the speed of waves at every point, and the squared slowness m = 1/c² that equations use."""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from metasiren import DataError, RecipeError, did_you_mean, opened_picture
from metasiren_physics.arrays import A, Real, like, ones, whole

MOST_PIXELS = 50_000_000


def _speed(where: str, value: float) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise RecipeError(where, f"{value} is no speed of a wave.", "Give a positive number; the background has 1.")


class Medium(ABC):
    """A map of wave speeds; calling it gives the squared slowness. Takes numpy arrays and torch tensors."""

    @abstractmethod
    def speed(self, points: A) -> A:
        """The speed c (...) at points (..., 2) in [-1, 1]²."""

    def __call__(self, points: A) -> A:
        """The squared slowness m = 1/c² (...) at points (..., 2)."""
        return self.speed(points) ** -2.0

    def averaged(self, points: Real, cell: tuple[float, float], parts: int = 8) -> Real:
        """The mean m (...) over cells of size `cell` around points (..., 2), by parts x parts samples each.

        A grid that takes m at its nodes turns a jump into a staircase; the mean over cells is accurate to second
        order, and has little effect where m is smooth.
        """
        shifts = (np.arange(parts) + 0.5) / parts - 0.5
        total = np.zeros(points.shape[:-1])
        for dx in shifts * cell[0]:
            for dy in shifts * cell[1]:
                total += self(points + np.array([dx, dy]))
        return total / parts**2


@dataclass(frozen=True)
class Uniform(Medium):
    """The same speed everywhere."""

    value: float = 1.0

    def __post_init__(self) -> None:
        _speed("medium: uniform: value", self.value)

    def speed(self, points: A) -> A:
        """The speed c (...)."""
        return ones(points[..., 0]) * self.value


@dataclass(frozen=True)
class Square(Medium):
    """Another speed where |x_i| < half_width."""

    inside: float = 2.0
    half_width: float = 0.3
    background: float = 1.0

    def __post_init__(self) -> None:
        _speed("medium: square: inside", self.inside)
        _speed("medium: square: background", self.background)
        if not self.half_width > 0:
            raise RecipeError("medium: square: half_width", f"{self.half_width}.", "Give a positive number.")

    def speed(self, points: A) -> A:
        """The speed c (...)."""
        within = (abs(points) < self.half_width).all(-1)
        found: A = self.background + (self.inside - self.background) * within * ones(points[..., 0])
        return found

    def averaged(self, points: Real, cell: tuple[float, float], parts: int = 8) -> Real:
        """See `Medium.averaged`; exact, by the part of each cell that lies inside."""
        size, half = np.asarray(cell), self.half_width
        overlap = np.minimum(points + size / 2, half) - np.maximum(points - size / 2, -half)
        inside = (overlap / size).clip(0, 1).prod(-1)
        outer, inner = self.background**-2.0, self.inside**-2.0
        found: Real = outer + (inner - outer) * inside
        return found


@dataclass(frozen=True)
class Disc(Medium):
    """Another speed within `radius` of `centre`."""

    inside: float = 2.0
    radius: float = 0.1
    centre: tuple[float, float] = (0.0, 0.0)
    background: float = 1.0

    def __post_init__(self) -> None:
        _speed("medium: disc: inside", self.inside)
        _speed("medium: disc: background", self.background)
        if not self.radius > 0:
            raise RecipeError("medium: disc: radius", f"{self.radius}.", "Give a positive number.")

    def speed(self, points: A) -> A:
        """The speed c (...)."""
        x, y = points[..., 0] - self.centre[0], points[..., 1] - self.centre[1]
        within = x**2 + y**2 < self.radius**2
        found: A = self.background + (self.inside - self.background) * within * ones(points[..., 0])
        return found


@dataclass(frozen=True, eq=False)
class SpeedMap(Medium):
    """Speeds on a regular grid over [-1, 1]², end points included; bilinear between its nodes.

    Args:
        values: (rows, columns), coordinate 0 along rows.
    """

    values: Real

    def __post_init__(self) -> None:
        values = np.asarray(self.values, dtype=np.float64)
        if values.ndim != 2 or min(values.shape) < 2:
            raise DataError("medium: map", f"shape {values.shape}.", "Give an array of at least 2 x 2 speeds.")
        _check("medium: map", values, "node")
        object.__setattr__(self, "values", values)

    def speed(self, points: A) -> A:
        """The speed c (...)."""
        rows, columns = self.values.shape
        u = (points[..., 0].clip(-1.0, 1.0) + 1) * ((rows - 1) / 2)
        v = (points[..., 1].clip(-1.0, 1.0) + 1) * ((columns - 1) / 2)
        i, j = whole(u.clip(0.0, rows - 1.001)), whole(v.clip(0.0, columns - 1.001))
        u, v = u - i, v - j
        table = like(self.values, points)
        near = table[i, j] * (1 - v) + table[i, j + 1] * v
        far = table[i + 1, j] * (1 - v) + table[i + 1, j + 1] * v
        found: A = near * (1 - u) + far * u
        return found


@dataclass(frozen=True)
class Function(Medium):
    """Speeds from any function of points (..., 2) to speeds (...).

    Args:
        function: given an array of the library that the caller uses.
    """

    function: Callable[[Any], Any] = field(compare=False)

    def speed(self, points: A) -> A:
        """The speed c (...)."""
        found: A = self.function(points)
        return found


def picture(path: str | Path, *, slowest: float = 1.0, fastest: float = 2.0) -> SpeedMap:
    """A grey picture as a map: black is `slowest`, white `fastest`; rows run along coordinate 0.

    Raises:
        DataError: no picture can be read there.
        RecipeError: a speed that is not positive.
    """
    from PIL import Image

    _speed("medium: picture: slowest", slowest)
    _speed("medium: picture: fastest", fastest)
    try:
        with opened_picture(Path(path)) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError(f"{image.width:,} x {image.height:,} pixels; {MOST_PIXELS:,} are the most")
            grey = np.asarray(image.convert("L"), dtype=np.float64) / 255
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"medium: picture: {path}", f"cannot be read: {error}.", "Name a PNG or JPEG.") from None
    return SpeedMap(slowest + (fastest - slowest) * grey)


MEDIA: dict[str, Callable[..., Medium]] = {"uniform": Uniform, "square": Square, "disc": Disc, "picture": picture}
"""What a recipe may name."""


def make_medium(option: Any) -> Medium:
    """A medium from what a recipe or a caller gives.

    Args:
        option: a name of `MEDIA`; a mapping such as {name: disc, radius: 0.2, inside: 1.5}; a speed; a 2-D array of
            speeds; a function of points; or a medium.

    Raises:
        RecipeError: an unknown name or option, or a speed that is not positive.
        DataError: a map with speeds that are not positive.
    """
    if isinstance(option, Medium):
        return option
    if isinstance(option, int | float):
        return Uniform(float(option))
    if isinstance(option, np.ndarray):
        return SpeedMap(option)
    if callable(option):
        return Function(option)
    options = {"name": option} if isinstance(option, str) else dict(option) if isinstance(option, Mapping) else {}
    name = options.pop("name", None)
    if name not in MEDIA:
        advice = f"{did_you_mean(str(name), MEDIA)} known: {', '.join(MEDIA)}".strip()
        raise RecipeError("medium", f"no medium is called {name!r}.", advice)
    if isinstance(options.get("centre"), list):
        options["centre"] = tuple(options["centre"])
    known = inspect.signature(MEDIA[name]).parameters
    for option in options:
        if option not in known:
            advice = f"{did_you_mean(option, known)} known: {', '.join(known)}".strip()
            raise RecipeError(f"medium: {name}", f"it has no option {option!r}.", advice)
    for each in known.values():
        if each.default is each.empty and each.name not in options:
            advice = f"Write it as --set 'data.medium={{name: {name}, {each.name}: ...}}'; known: {', '.join(known)}."
            raise RecipeError(f"medium: {name}", f"{each.name} is not given.", advice)
    try:
        return MEDIA[name](**options)
    except TypeError as error:
        raise RecipeError(f"medium: {name}", f"{error}.", f"options: {', '.join(known)}") from None


def check_medium(medium: Medium, where: str = "medium", nodes: int = 129) -> tuple[float, float]:
    """The slowest and the fastest speed on a grid of nodes x nodes over [-1, 1]².

    Raises:
        DataError: a speed there is NaN, infinite, zero or negative; the message names a point.
    """
    axis = np.linspace(-1, 1, nodes)
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1)
    speeds = np.asarray(medium.speed(points), dtype=np.float64)
    if speeds.shape != (nodes, nodes):
        found = f"speeds of shape {speeds.shape} at points of shape {points.shape}."
        raise DataError(where, found, "Give one speed for each point.")
    _check(where, speeds, "point")
    return float(speeds.min()), float(speeds.max())


def _check(where: str, speeds: Real, word: str) -> None:
    wrong = ~(np.isfinite(speeds) & (speeds > 0))
    if wrong.any():
        i, j = np.argwhere(wrong)[0]
        place = tuple(round(2 * k / (n - 1) - 1, 3) for k, n in zip((i, j), speeds.shape, strict=True))
        found = f"the speed is {speeds[i, j]} at {word} [{i}, {j}], x = {place} ({wrong.sum():,} such)."
        raise DataError(where, found, "Speeds are positive and finite everywhere.")
