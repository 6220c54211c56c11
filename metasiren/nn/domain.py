"""Input and output dimensions of signals, and their grid."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Domain:
    """Input and output dimensions of signals, and their grid: what networks are made for.

    Attributes:
        d_in: dimension of the coordinates.
        d_out: number of channels.
        grid: the sampling grid, such as (32, 32), where signals live on one; its first axis is coordinate 0.
        items: number of training signals (an auto-decoder keeps a latent for each).
    """

    d_in: int
    d_out: int
    grid: tuple[int, ...] | None = None
    items: int = 1
