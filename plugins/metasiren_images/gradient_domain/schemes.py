"""Derivatives of a picture, three ways, and their exact inverses by cosine transforms.

A picture is continued by mirroring it half a pixel beyond its rim, so that the cosines
cos(pi k (i + 1/2) / n), k = 0 ... n - 1, carry it, and every scheme here multiplies each of them by a number, its
symbol. A gradient is then a series of sines, and solving for the picture is a division: the least-squares solution
of the discrete Poisson problem with Neumann boundaries, for one transform there and one back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import pi
from typing import Any, Literal

import numpy as np
from scipy import fft

from metasiren import DataError, width_by_height

Values = np.ndarray[Any, np.dtype[np.float64]]
Derivatives = Literal["spectral", "central", "sobel"]

SOBEL_GAIN, LAPLACE_GAIN = 10.0, 10_000.0
"""Factors on the filtered pictures: section 3.2 of the SIREN paper's supplement."""


@dataclass(frozen=True)
class Scheme:
    """One way to differentiate along pixels; symbols are functions of the angle pi k / n.

    Attributes:
        first: of the derivative along an axis: cos(angle (i + 1/2)) becomes -first sin(angle (i + 1/2)).
        across: of the smoothing along the other axis.
        second: of the second derivative along an axis.
        gains: fixed factors on gradient and Laplacian; None where derivatives are per unit of the coordinates.
        weight: what `first` and `across` make of a slope of one per pixel.
    """

    first: Callable[[Values], Values]
    across: Callable[[Values], Values]
    second: Callable[[Values], Values]
    gains: tuple[float, float] | None = None
    weight: float = 1.0

    def units(self, shape: tuple[int, int], order: int) -> tuple[float, float]:
        """Factors along rows and columns of a frame, from derivatives per pixel to those of the targets."""
        if self.gains is not None:
            return (self.gains[order - 1],) * 2
        # Endpoints are included: n pixels span n - 1 steps of a coordinate that runs from -1 to 1.
        return ((shape[0] - 1) / 2) ** order, ((shape[1] - 1) / 2) ** order

    def contrast(self, shape: tuple[int, int], order: int) -> float:
        """The field that has these targets as derivatives (order 1 or 2), relative to the picture.

        One for derivatives per unit of the coordinates; 0.627 and 0.615 for the paper's filters at 256 x 256.

        Raises:
            DataError: the paper's filters on a picture that is not square: no field has such derivatives.
        """
        if self.gains is None:
            return 1.0
        if shape[0] != shape[1]:
            advice = "Give crop: square or top_left, size: [n, n], or derivatives: spectral."
            found = f"filters count pixels; a picture of {width_by_height(shape)} has unequal ones in [-1, 1]."
            raise DataError("data: derivatives: sobel", found, advice)
        return self.gains[order - 1] * (self.weight, 1.0)[order - 1] / ((shape[0] - 1) / 2) ** order

    def gradient(self, picture: Values, frame: tuple[int, int] | None = None) -> Values:
        """First derivatives (rows, columns, channels, 2) of a picture (rows, columns, channels).

        Args:
            picture: any values.
            frame: (rows, columns) of the grid on [-1, 1]^2 whose pixels these are; the picture's own by default.
        """
        shape = (picture.shape[0], picture.shape[1])
        waves = fft.dctn(picture, axes=(0, 1), norm="ortho")
        parts = []
        for axis, unit in enumerate(self.units(frame or shape, 1)):
            sines = _to_sines(-self._slope(shape, axis)[..., None] * waves, axis)
            parts.append(unit * fft.idst(fft.idct(sines, axis=1 - axis, norm="ortho"), axis=axis, norm="ortho"))
        return np.stack(parts, axis=-1)

    def laplacian(self, picture: Values) -> Values:
        """The sum of second derivatives (rows, columns, channels) of a picture (rows, columns, channels)."""
        waves = fft.dctn(picture, axes=(0, 1), norm="ortho")
        bend = self._bend((picture.shape[0], picture.shape[1]))
        return fft.idctn(bend[..., None] * waves, axes=(0, 1), norm="ortho")

    def from_gradient(self, gradient: Values, *, cutoff: float = 0.0) -> Values:
        """The picture of mean zero whose gradient is nearest, by least squares.

        Args:
            gradient: (rows, columns, channels, 2), any vector field.
            cutoff: waves whose derivative by this scheme is below this share of the true one are left out:
                differences over two pixels hardly see the finest checkerboards, and a field that is no gradient
                would make them grow.
        """
        shape = (gradient.shape[0], gradient.shape[1])
        units = self.units(shape, 1)
        total, squares, true = np.zeros(gradient.shape[:3]), np.zeros(shape), np.zeros(shape)
        for axis in (0, 1):
            symbol = units[axis] * self._slope(shape, axis)
            sines = fft.dst(fft.dct(gradient[..., axis], axis=1 - axis, norm="ortho"), axis=axis, norm="ortho")
            total -= symbol[..., None] * _from_sines(sines, axis)
            squares += symbol**2
            angles = _angles(shape[axis])
            true += (units[axis] * self.weight * (angles[:, None] if axis == 0 else angles)) ** 2
        return _solve(total, np.where(squares < cutoff**2 * true, 0.0, squares))

    def from_laplacian(self, laplacian: Values) -> Values:
        """The picture of mean zero with this Laplacian and no slope across its rim; (rows, columns, channels)."""
        waves = fft.dctn(laplacian, axes=(0, 1), norm="ortho")
        return _solve(waves, self._bend((laplacian.shape[0], laplacian.shape[1])))

    def _slope(self, shape: tuple[int, int], axis: int) -> Values:
        along = self.first(_angles(shape[axis]))
        across = self.across(_angles(shape[1 - axis]))
        return along[:, None] * across if axis == 0 else across[:, None] * along

    def _bend(self, shape: tuple[int, int]) -> Values:
        rows, columns = self.units(shape, 2)
        return rows * self.second(_angles(shape[0]))[:, None] + columns * self.second(_angles(shape[1]))


def _difference(angle: Values) -> Values:
    return 2 * np.cos(angle) - 2


SCHEMES: Mapping[str, Scheme] = {
    # The derivative of the cosine series itself: a true gradient, whose solution is the picture between pixels too.
    "spectral": Scheme(lambda a: a, np.ones_like, lambda a: -(a**2)),
    # Half the difference of the two neighbours; the five-point Laplacian.
    "central": Scheme(np.sin, np.ones_like, _difference),
    # Unnormalised Sobel filters and the five-point Laplacian, both per pixel, as in the authors' code.
    "sobel": Scheme(lambda a: 2 * np.sin(a), lambda a: 2 + 2 * np.cos(a), _difference, (SOBEL_GAIN, LAPLACE_GAIN), 8.0),
}


def antiderivative(component: Values, axis: int) -> Values:
    """One component of a gradient, integrated along its own axis; each line has mean zero.

    Args:
        component: (rows, columns, channels), per unit of [-1, 1].
        axis: 0 for the component along rows' coordinate, 1 for the other.

    Returns:
        (rows, columns, channels): of the series of cosines whose derivative is the series of sines through `component`.
    """
    count = component.shape[axis]
    waves = _from_sines(fft.dst(component, axis=axis, norm="ortho"), axis)
    # A single pixel spans no length.
    rates = _angles(count) * max(count - 1, 1) / 2
    along = tuple(count if a == axis else 1 for a in range(3))
    rise = np.divide(-1.0, rates, out=np.zeros(count), where=rates > 0).reshape(along)
    return fft.idct(rise * waves, axis=axis, norm="ortho")


def join(down: Values, right: Values) -> Values:
    """The picture of mean zero whose differences of neighbours are nearest, by least squares; exact for true ones.

    This is Poisson image editing (Perez et al. 2003) as it is usually solved, with Neumann boundaries.

    Args:
        down: (rows - 1, columns, channels), each pixel's lower neighbour minus itself.
        right: (rows, columns - 1, channels), each pixel's right neighbour minus itself.
    """
    rows, columns = right.shape[0], down.shape[1]
    divergence = np.zeros((rows, columns, down.shape[2]))
    divergence[:-1] += down
    divergence[1:] -= down
    divergence[:, :-1] += right
    divergence[:, 1:] -= right
    bend = _difference(_angles(rows))[:, None] + _difference(_angles(columns))
    return _solve(fft.dctn(divergence, axes=(0, 1), norm="ortho"), bend)


def _angles(n: int) -> Values:
    return pi * np.arange(n) / n


def _to_sines(waves: Values, axis: int) -> Values:
    """Coefficients of sines k = 1 ... n from products with those of cosines k = 0 ... n - 1."""
    shifted = np.roll(waves, -1, axis=axis)
    # The sine k = n alternates from pixel to pixel; no cosine's derivative does.
    shifted[(slice(None),) * axis + (-1,)] = 0
    return shifted


def _from_sines(waves: Values, axis: int) -> Values:
    shifted = np.roll(waves, 1, axis=axis)
    shifted[(slice(None),) * axis + (0,)] = 0
    return shifted


def _solve(waves: Values, symbol: Values) -> Values:
    """The picture whose waves times `symbol` are `waves`; where the symbol is zero, and in the mean, it has none."""
    kept = symbol != 0
    kept[0, 0] = False
    quotient = np.where(kept, 1 / np.where(kept, symbol, 1.0), 0.0)
    return fft.idctn(quotient[..., None] * waves, axes=(0, 1), norm="ortho")
