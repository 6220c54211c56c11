"""The picture beside the table: context, reconstruction and truth, as in the SIREN paper's Figure 6."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange
from PIL import Image
from torch import Tensor

from metasiren import picture_boxes, picture_sheet

HIDDEN = (0.16, 0.20, 0.42)
"""Colour of hidden pixels (red, green, blue): a deep blue that faces lack, so that seen black, grey and white show."""

TRIO = ("context", "reconstruction", "truth")


@dataclass(frozen=True)
class Strip:
    """One row of the picture: the same images at one context.

    Attributes:
        label: printed at the left.
        seen: (images, pixels) bool.
        predictions: (images, pixels, channels) in [-1, 1].
    """

    label: str
    seen: Tensor
    predictions: Tensor


def figure(strips: Sequence[Strip], truth: Tensor, grid: tuple[int, int], *, least: int = 96) -> Image.Image:
    """Rows are contexts; columns are, per image, its context, its reconstruction and itself.

    Args:
        strips: the rows.
        truth: (images, pixels, channels) in [-1, 1].
        grid: (rows, columns) of an image.
        least: smallest length of the longer side of an enlarged image, in pixels; pixels stay square blocks.
    """
    return picture_sheet(_tiles(strips, truth, grid, least), [s.label for s in strips], TRIO * len(truth))


def panels(strips: Sequence[Strip], truth: Tensor, grid: tuple[int, int], *, least: int = 96) -> list[dict[str, Any]]:
    """Where `figure` of the same arguments puts each picture, for viewers that cut the sheet apart.

    Returns:
        for each picture its row's label as `group`, the image's number as `item`, its `role` (`context`, `field` or
        `truth`), and its `box`: left, top, right and bottom in pixels of the sheet.
    """
    labels = [s.label for s in strips]
    boxes = picture_boxes(_tiles(strips, truth, grid, least), labels, TRIO * len(truth))
    roles = ("context", "field", "truth")
    return [
        {"group": label, "item": column // 3, "role": roles[column % 3], "box": box}
        for label, row in zip(labels, boxes, strict=True)
        for column, box in enumerate(row)
    ]


def _tiles(strips: Sequence[Strip], truth: Tensor, grid: tuple[int, int], least: int) -> list[list[Image.Image]]:
    rows = [trio(strip.seen, strip.predictions, truth, grid).flatten(0, 1) for strip in strips]
    return enlarged(torch.stack(rows), enlargement(grid, least))


def trio(seen: Tensor, predictions: Tensor, truth: Tensor, grid: tuple[int, int]) -> Tensor:
    """Context, reconstruction and truth of each image, (images, 3, 3, rows, columns) in [0, 1]; see `Strip`."""
    whole, hidden = colours(truth, grid), torch.tensor(HIDDEN).view(3, 1, 1)
    context = torch.where(seen.cpu().view(-1, 1, *grid), whole, hidden)
    return torch.stack([context, colours(predictions, grid), whole], dim=1)


def enlargement(grid: tuple[int, int], least: int) -> int:
    """The smallest factor that makes the longer side of an image at least so many pixels."""
    return max(1, -(-least // max(grid)))


def sheet(tiles: Tensor, labels: Sequence[str], heads: Sequence[str], factor: int) -> Image.Image:
    """Pictures in rows and columns, enlarged, with words at the left and above.

    Args:
        tiles: (rows, columns, 3, height, width) in [0, 1].
        labels: of the rows.
        heads: of the columns.
        factor: how many pixels of the sheet a pixel takes along each axis.
    """
    return picture_sheet(enlarged(tiles, factor), labels, heads)


def enlarged(tiles: Tensor, factor: int) -> list[list[Image.Image]]:
    """Rows of pictures (rows, columns, 3, height, width) in [0, 1], whose pixels become squares of `factor` pixels."""
    pixels = rearrange((tiles * 255).round().byte(), "n m c h w -> n m h w c").numpy()
    large = pixels.repeat(factor, axis=2).repeat(factor, axis=3)
    return [[Image.fromarray(picture) for picture in row] for row in large]


def colours(values: Tensor, grid: tuple[int, int]) -> Tensor:
    """Values (n, pixels, channels) in [-1, 1] as pictures (n, 3, rows, columns) in [0, 1]; one channel is grey."""
    unit = rearrange((values.detach().cpu().float() + 1) / 2, "n (h w) c -> n c h w", h=grid[0], w=grid[1])
    unit = unit.nan_to_num().clamp(0, 1)
    return unit[:, :3] if unit.shape[1] >= 3 else unit.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
