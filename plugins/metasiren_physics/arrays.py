"""The few operations that differ between numpy arrays and torch tensors; torch is never imported here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]

A = TypeVar("A", NDArray[Any], "Tensor")
"""An array of either library; a function over it returns the library that it was given."""


def exp(x: A) -> A:
    """The exponential."""
    found: A = np.exp(x) if isinstance(x, np.ndarray) else x.exp()
    return found


def ones(x: A) -> A:
    """Ones of the shape, dtype and device of `x`."""
    found: A = np.ones_like(x) if isinstance(x, np.ndarray) else x.new_ones(x.shape)
    return found


def like(table: Real, x: A) -> A:
    """A table as an array of the library, dtype and device of `x`."""
    found: A = table.astype(x.dtype) if isinstance(x, np.ndarray) else x.new_tensor(table)
    return found


def whole(x: A) -> A:
    """Rounded down, as indices."""
    found: A = np.floor(x).astype(np.int64) if isinstance(x, np.ndarray) else x.floor().long()
    return found
