"""Common parts of the convolutional encoders: the stem's widths, the map's size, and the step from map to latent."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from metasiren import Domain, RecipeError

Pooling = Literal["shared", "dense"]


def map_size(domain: Domain, downsample: int, *, where: str) -> tuple[int, int]:
    """Rows and columns of the feature map after `downsample` steps of stride two.

    Raises:
        RecipeError: signals that do not lie on a two-dimensional grid.
    """
    if domain.grid is None or len(domain.grid) != 2:
        found = "no grid" if domain.grid is None else f"a grid of shape {domain.grid}"
        raise RecipeError(where, f"it convolves images, but the data has {found}.", "Use `set` or `fixed` here.")
    rows, columns = (-(-n // 2**downsample) for n in domain.grid)
    return rows, columns


def stem_widths(features: int, layers: int) -> list[int]:
    """Channels after each of the first layers: doubling up to `features`."""
    return [max(1, features >> (layers - 1 - i)) for i in range(layers)]


def check_odd(kernel_size: int, *, where: str) -> None:
    """Demand a filter that has a centre.

    Raises:
        RecipeError: an even or negative width.
    """
    if kernel_size < 1 or kernel_size % 2 == 0:
        advice = f"Give {max(1, kernel_size - 1)} or {max(1, kernel_size + 1)}."
        raise RecipeError(f"{where}: kernel_size", f"{kernel_size} is not a positive odd number.", advice)


def weigh(maps: Tensor, head: nn.Linear) -> Tensor:
    """Sum a map over its positions, with one learned weight for each position that all channels share.

    Args:
        maps: (batch, channels, rows, columns).
        head: positions -> 1.

    Returns:
        (batch, channels)
    """
    return (head.weight @ maps.flatten(2).mT).squeeze(1) + head.bias
