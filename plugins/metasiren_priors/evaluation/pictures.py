"""The picture beside the table: context, reconstruction and truth, as in the SIREN paper's Figure 6."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange, repeat
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torchvision.utils import make_grid

HIDDEN = (0.16, 0.20, 0.42)
"""Colour of hidden pixels (red, green, blue): a deep blue that faces lack, so that seen black, grey and white show."""

TRIO = ("context", "reconstruction", "truth")

GAP = 2
MARGIN = 64
HEAD = 22


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
    rows = [trio(strip.seen, strip.predictions, truth, grid).flatten(0, 1) for strip in strips]
    return sheet(torch.stack(rows), [s.label for s in strips], TRIO, enlargement(grid, least))


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
        heads: of the columns; they start again where there are more columns.
        factor: how many pixels of the sheet a pixel takes along each axis.
    """
    large = repeat(tiles.flatten(0, 1), "n c h w -> n c (h a) (w b)", a=factor, b=factor)
    whole = make_grid(large, nrow=tiles.shape[1], padding=GAP, pad_value=1.0)
    pixels = rearrange((whole * 255).round().byte(), "c h w -> h w c").numpy()
    page = Image.new("RGB", (pixels.shape[1] + MARGIN, pixels.shape[0] + HEAD), "white")
    page.paste(Image.fromarray(pixels), (MARGIN, HEAD))
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    high, wide = large.shape[2] + GAP, large.shape[3] + GAP
    for row, label in enumerate(labels):
        draw.text((4, HEAD + row * high + high // 2), label, "black", font, anchor="lm")
    for column in range(tiles.shape[1]):
        word = heads[column % len(heads)]
        draw.text((MARGIN + column * wide + wide // 2, HEAD // 2), word, "black", font, anchor="mm")
    return page


def panels(labels: Sequence[str], count: int, grid: tuple[int, int], *, least: int = 96) -> list[dict[str, Any]]:
    """Where `figure` puts each picture, for viewers that cut the sheet apart.

    Args:
        labels: of the rows.
        count: number of images.
        grid: (rows, columns) of an image.
        least: as for `figure`.

    Returns:
        for each picture its row's label as `group`, the image's number as `item`, its `role` (`context`, `field` or
        `truth`), and its `box`: left, top, right and bottom in pixels of the sheet.
    """
    factor = enlargement(grid, least)
    high, wide = grid[0] * factor, grid[1] * factor
    found = []
    for row, label in enumerate(labels):
        for column in range(3 * count):
            left, top = MARGIN + GAP + column * (wide + GAP), HEAD + GAP + row * (high + GAP)
            role = ("context", "field", "truth")[column % 3]
            box = [left, top, left + wide, top + high]
            found.append({"group": label, "item": column // 3, "role": role, "box": box})
    return found


def colours(values: Tensor, grid: tuple[int, int]) -> Tensor:
    """Values (n, pixels, channels) in [-1, 1] as pictures (n, 3, rows, columns) in [0, 1]; one channel is grey."""
    unit = rearrange((values.detach().cpu().float() + 1) / 2, "n (h w) c -> n c h w", h=grid[0], w=grid[1])
    unit = unit.nan_to_num().clamp(0, 1)
    return unit[:, :3] if unit.shape[1] >= 3 else unit.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
