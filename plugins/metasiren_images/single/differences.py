"""Derivatives of a sampled picture by finite differences: what a field's own derivatives are compared with."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage

Array = np.ndarray[Any, np.dtype[np.float64]]

# The Sobel operator is a central difference (over two pixels) of sums with weights 1, 2, 1.
SOBEL = 8


def differentiate(values: Array, spacing: tuple[float, float]) -> tuple[Array, Array]:
    """First derivatives by the Sobel operator, Laplacians by the five-point stencil; errors are O(spacing^2).

    Beyond its edges the picture goes on point-symmetrically: on them first derivatives are of first order only, and the
    second derivative across an edge is zero.

    Args:
        values: (rows, columns, channels), at least two rows and columns.
        spacing: distance between rows, and between columns, in the unit that derivatives shall be per.

    Returns:
        the gradient (rows, columns, channels, 2), rows' direction first, and the Laplacian (rows, columns, channels).
    """
    padded = np.pad(values, ((1, 1), (1, 1), (0, 0)), mode="reflect", reflect_type="odd")
    first, second = [], np.zeros_like(values)
    for axis, step in enumerate(spacing):
        # Channel by channel: scipy's Sobel smooths along every other axis.
        slopes = [ndimage.sobel(channel, axis=axis) for channel in np.moveaxis(padded, -1, 0)]
        first.append(np.stack(slopes, axis=-1)[1:-1, 1:-1] / (SOBEL * step))
        bent = ndimage.correlate1d(padded, [1.0, -2.0, 1.0], axis=axis)
        second += bent[1:-1, 1:-1] / step**2
    return np.stack(first, axis=-1), second
