"""Two pictures in one frame, and which of their derivatives is taken where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from metasiren import DataError, RecipeError, width_by_height
from metasiren_images.gradient_domain.schemes import Scheme, Values, join

Mix = Literal["alpha", "max"]
Region = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Mixture:
    """A rule for two vectors at a place.

    Attributes:
        alpha: share of the first picture; 1 takes it alone.
        mix: `alpha` for the weighted sum, `max` for the longer of the two.
    """

    alpha: float = 0.5
    mix: Mix = "alpha"

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise RecipeError("data: alpha", f"{self.alpha} is not in [0, 1].", "1 is the first picture, 0 the second.")

    def __call__(self, first: Values, second: Values) -> Values:
        """The mixed vectors.

        Args:
            first: (rows, columns, channels, components).
            second: of the same shape. For `max` the norm over channels and components decides, so that a pixel's
                channels all come from one picture.
        """
        if self.mix == "max":
            longer = (first**2).sum((-2, -1)) > (second**2).sum((-2, -1))
            return np.where(longer[..., None, None], first, second)
        return self.alpha * first + (1 - self.alpha) * second


@dataclass(frozen=True)
class Overlay:
    """The first picture, laid over the second.

    Attributes:
        first: (rows, columns, channels), whatever its size.
        second: (rows, columns, channels), which gives the frame.
        region: (rows, columns) of the frame; True where the first is mixed in.
        corner: the first's upper left pixel in the frame; may lie outside.
        mixture: the rule within the region.
    """

    first: Values
    second: Values
    region: Region
    corner: tuple[int, int]
    mixture: Mixture

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the frame."""
        return self.second.shape[0], self.second.shape[1]

    def gradient(self, scheme: Scheme) -> Values:
        """The mixed gradient (rows, columns, channels, 2), in the units of the frame."""
        under = scheme.gradient(self.second)
        over = self._placed(scheme.gradient(self.first, self.shape), under)
        return np.where(self.region[..., None, None], self.mixture(over, under), under)

    def composite(self) -> Values:
        """The mixed values: what cutting and pasting gives, seams and all; equal shares for `max`."""
        rule = self.mixture if self.mixture.mix == "alpha" else Mixture(0.5)
        over = self._placed(self.first, self.second)
        mixed = rule(over[..., None], self.second[..., None])[..., 0]
        return np.where(self.region[..., None], mixed, self.second)

    def joined(self) -> Values:
        """The exact solution for differences of neighbours: Poisson image editing, as it is usually done.

        A difference belongs to the region where both of its pixels do.
        """
        over, inside = self._placed(self.first, self.second), self.region[..., None, None]
        edges = []
        for axis in (0, 1):
            mine, other = np.diff(over, axis=axis)[..., None], np.diff(self.second, axis=axis)[..., None]
            both = np.minimum(*_neighbours(inside, axis))
            edges.append(np.where(both, self.mixture(mine, other), other)[..., 0])
        return join(edges[0], edges[1])

    def _placed(self, values: Values, frame: Values) -> Values:
        """The first picture's values in the frame; the frame's own where it does not reach."""
        placed = frame.copy()
        (there, here) = _overlap(self.shape, values.shape[:2], self.corner)
        placed[there] = values[here]
        return placed


def overlay(
    first: Values, second: Values, mixture: Mixture, *, mask: Region | None, offset: tuple[int, int] | None
) -> Overlay:
    """Lay one picture over another.

    Args:
        first: (rows, columns, 1 or 3).
        second: likewise; a grey one is coloured where the other has colours.
        mixture: the rule where they overlap.
        mask: (rows, columns) of the first, True where it counts; None for all of it.
        offset: rows and columns by which the first is moved; None demands equal sizes.

    Raises:
        DataError: sizes that differ without an offset, a mask of another size or without a pixel, an overlay that
            lies outside.
    """
    size, frame = first.shape[:2], second.shape[:2]
    if offset is None and size != frame:
        advice = "Give offset: [rows, columns], or size: [rows, columns] for both."
        found = f"the first picture has {width_by_height(size)} pixels, the second {width_by_height(frame)}."
        raise DataError("data: editing", found, advice)
    if mask is not None and mask.shape != size:
        found = f"{width_by_height(mask.shape)} pixels; the first picture has {width_by_height(size)}."
        raise DataError("data: mask", found, "A mask is as large as the first picture, after size and crop.")
    channels = max(first.shape[2], second.shape[2])
    first, second = (np.repeat(p, channels, axis=2) if p.shape[2] < channels else p for p in (first, second))
    corner = offset or (0, 0)
    region = np.zeros(frame, dtype=bool)
    there, here = _overlap((frame[0], frame[1]), (size[0], size[1]), corner)
    region[there] = True if mask is None else mask[here]
    if not region.any():
        found = "nothing of the first picture is left in the frame."
        raise DataError("data: editing", found, "White in a mask marks what is taken; look at mask and offset.")
    return Overlay(first, second, region, corner, mixture)


Box = tuple[slice, slice]


def _overlap(frame: tuple[int, ...], size: tuple[int, ...], corner: tuple[int, int]) -> tuple[Box, Box]:
    """Where they overlap, as slices of the frame and of the picture laid over it; perhaps empty."""
    there, here = [], []
    for whole, n, start in zip(frame, size, corner, strict=True):
        low = min(max(start, 0), whole)
        high = max(min(start + n, whole), low)
        there.append(slice(low, high))
        here.append(slice(low - start, high - start) if high > low else slice(0, 0))
    return (there[0], there[1]), (here[0], here[1])


def _neighbours(values: Region, axis: int) -> tuple[Region, Region]:
    n = values.shape[axis]
    return values.take(range(1, n), axis), values.take(range(n - 1), axis)
