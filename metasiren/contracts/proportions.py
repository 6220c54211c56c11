"""Sizes of pictures as people read them, width first, and whether two sizes have the same proportions."""

from __future__ import annotations

from collections.abc import Sequence

ALIKE = 0.02
"""Proportions that differ by less count as the same: such a stretch is not visible."""


def width_by_height(shape: Sequence[int]) -> str:
    """A picture's size in words, such as `640 x 480` for 480 rows and 640 columns.

    Args:
        shape: rows and columns, and perhaps channels.
    """
    return f"{shape[1]} x {shape[0]}"


def same_proportions(first: Sequence[int], second: Sequence[int]) -> bool:
    """Whether a picture of one size, resized to the other, is not visibly stretched.

    Proportions may differ by a fiftieth, and by what rounding the shortest of the sides to a whole pixel gives.

    Args:
        first: rows and columns, each above 0; what follows is ignored.
        second: the same of the other size.
    """
    stretch = first[0] * second[1] / (first[1] * second[0])
    return max(stretch, 1 / stretch) - 1 <= max(ALIKE, 1 / min(*first[:2], *second[:2]))
