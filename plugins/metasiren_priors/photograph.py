"""A photograph, a box in it, and that box at the size of a prior."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

import numpy as np
import torch
from einops import rearrange
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import resize

from metasiren import (
    DataError,
    demand_file,
    is_transparent,
    opened_picture,
    plain_picture,
    same_proportions,
    width_by_height,
)

MOST_PIXELS = 50_000_000
LARGEST_SIDE = 8192


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels; it may reach beyond the photograph."""

    left: int
    top: int
    width: int
    height: int

    @property
    def edges(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom, as Pillow takes them."""
        return self.left, self.top, self.left + self.width, self.top + self.height

    def inside(self, size: tuple[int, int]) -> Tensor:
        """Which of its pixels (height, width) lie in a photograph of size (width, height)."""
        columns = torch.arange(self.left, self.left + self.width)
        rows = torch.arange(self.top, self.top + self.height)
        across, down = (columns >= 0) & (columns < size[0]), (rows >= 0) & (rows < size[1])
        return down[:, None] & across


def parse_box(text: str) -> Box:
    """A box such as "40,30,256,256": left, top, width and height in pixels. Left and top may be negative.

    Raises:
        DataError: anything else, or a side that is not from 2 to 8192.
    """
    match = re.fullmatch(r"\s*(-?\d{1,5}),\s*(-?\d{1,5}),\s*(\d{1,5}),\s*(\d{1,5})\s*", text)
    box = Box(*map(int, match.groups())) if match else Box(0, 0, 0, 0)
    if not all(2 <= side <= LARGEST_SIDE for side in (box.width, box.height)):
        advice = f"Write left,top,width,height in pixels, such as 40,30,256,256; sides from 2 to {LARGEST_SIDE}."
        raise DataError(f"--box {text}", "not a box.", advice)
    return box


def parse_size(text: str) -> tuple[int, int]:
    """A size such as "256x256" as (rows, columns).

    Raises:
        DataError: anything else, or a side that is not from 1 to 8192.
    """
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.strip().lower())
    sides = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(1 <= side <= LARGEST_SIDE for side in sides):
        advice = f"Write height x width in pixels, such as 256x256, each at most {LARGEST_SIDE}."
        raise DataError(f"--size {text}", "not a size.", advice)
    return sides


def centre_square(size: tuple[int, int]) -> Box:
    """The largest square in the middle of a photograph of size (width, height)."""
    side = min(size)
    return Box((size[0] - side) // 2, (size[1] - side) // 2, side, side)


def brought_words(photo: tuple[int, int], box: Box | None, grid: Sequence[int]) -> str:
    """The part of a photograph that is the context, and its size, in words: width x height.

    Args:
        photo: rows and columns of the photograph.
        box: the part of it; None for its centre square.
        grid: rows and columns of the prior.
    """
    part = box or centre_square((photo[1], photo[0]))
    if box is not None:
        seen = f"the box of {box.width} x {box.height}"
    elif photo[0] == photo[1]:
        seen = "the picture"
    else:
        seen = f"its centre square of {part.width} x {part.height}"
    how = "shrunk" if part.width * part.height > grid[0] * grid[1] else "brought"
    size = f"{width_by_height(photo)} pixels (width x height)"
    return f"{size}; {seen} is {how} to {width_by_height(grid)}, the size of this prior"


def stretched(grid: Sequence[int] | None, box: Box | None, size: tuple[int, int] | None) -> list[str]:
    """Warnings where the prior's grid and what it is laid over differ in their proportions.

    Args:
        grid: rows and columns of the prior.
        box: the part of a photograph that the prior describes; None is its centre square.
        size: rows and columns of the reconstruction; None is the grid's, or the box's.

    Returns:
        one line for what was seen, and one for what is drawn; none where `metasiren.same_proportions` holds.
    """
    warned = []
    seen = (box.height, box.width) if box is not None else (LARGEST_SIDE, LARGEST_SIDE)
    if grid and not same_proportions(seen, grid):
        part = f"the box of {box.width} x {box.height} pixels" if box is not None else "the centre square"
        found = f"{part} is stretched to {width_by_height(grid)} (width x height)"
        warned.append(
            f"{found}: the prior describes unstretched pictures; a box of its own proportions gives better results"
        )
    if size is not None and not same_proportions(seen, size):
        drawn = f"drawn stretched, {width_by_height(size)} pixels (width x height)"
        warned.append(f"--size {size[0]}x{size[1]} has other proportions: the reconstruction is {drawn}")
    return warned


def open_picture(path: Path, channels: int) -> Image.Image:
    """A photograph, turned as its camera says: grey (1 channel) or in colour (3) on white, or with its opacity (4).

    Raises:
        DataError: the file is missing, is no picture, or is too large.
    """
    advice = "Give a picture such as a PNG or JPEG."
    demand_file(path, advice)
    try:
        picture = opened_picture(path)
        if picture.width * picture.height > MOST_PIXELS:
            found = f"{picture.width} x {picture.height} pixels."
            raise DataError(str(path), found, f"Give at most {MOST_PIXELS:,} pixels.")
        plain = plain_picture(picture, opacity=channels == 4)
    except UnidentifiedImageError:
        raise DataError(str(path), "not a readable picture.", "Give a PNG or JPEG.") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(str(path), f"not a readable picture: {error}.", "Give a PNG or JPEG.") from None
    return plain.convert({1: "L", 3: "RGB", 4: "RGBA"}[channels])


def transparency_words(path: Path, *, masked: bool) -> str:
    """A warning that a photograph's transparent parts count as white; empty where it has none.

    Args:
        path: of the photograph, which can be read.
        masked: whether a mask is given: it is that mask which says what is hidden.
    """
    with opened_picture(Path(path).expanduser()) as picture:
        if not is_transparent(picture):
            return ""
    advice = "" if masked else f"; --mask {quote(str(path))} makes them the hole"
    return f"its transparent parts count as white{advice}"


def cut(photo: Image.Image, box: Box) -> Tensor:
    """The box's values (channels, height, width) in [-1, 1]; -1 beyond the photograph."""
    pixels = np.array(photo.crop(box.edges)).reshape(box.height, box.width, -1)
    return rearrange(torch.from_numpy(pixels), "h w c -> c h w").float() / 127.5 - 1


def shrink(values: Tensor, known: Tensor, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Bring a box to the prior's grid. A cell is the mean of the *known* pixels that fall on it.

    Args:
        values: (channels, height, width).
        known: (height, width) bool.
        shape: rows and columns of the grid.

    Returns:
        values (1, rows * columns, channels), and which cells are seen (rows * columns,): those of which at least half
        is known.
    """
    weights = known.float().unsqueeze(0)
    total, share, whole = (_resized(x, shape) for x in (values * weights, weights, torch.ones_like(weights)))
    means = total / share.clamp_min(1e-3 * float(whole.min()))
    return rearrange(means, "c h w -> 1 (h w) c"), (share >= 0.5 * whole).flatten()


def _resized(x: Tensor, shape: tuple[int, int]) -> Tensor:
    resized: Tensor = resize(x, list(shape), InterpolationMode.BILINEAR, antialias=True)
    return resized


def pixel_coordinates(shape: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Where the pixels of a box lie in the coordinates of a prior's grid: (pixels, 2), row-major.

    The grid's cells share the box evenly, and their middles are the coordinates from -1 to 1. A box of more pixels
    reaches beyond them, by less than half a cell.

    Args:
        shape: rows and columns of the grid, each at least 2.
        size: rows and columns of the box.
    """
    axes = []
    for cells, pixels in zip(shape, size, strict=True):
        cell = (torch.arange(pixels) + 0.5) * (cells / pixels) - 0.5
        axes.append(cell * (2 / (cells - 1)) - 1)
    return torch.cartesian_prod(*axes)


def paste(photo: Image.Image, box: Box, values: Tensor) -> Tensor:
    """The photograph with a box of it replaced; it grows where the box reaches beyond it (black where nothing is).

    Args:
        photo: the photograph.
        box: where.
        values: (channels, height, width) in [0, 1].

    Returns:
        (channels, rows, columns) in [0, 1].
    """
    left, top = min(0, box.left), min(0, box.top)
    right, bottom = max(photo.width, box.edges[2]), max(photo.height, box.edges[3])
    canvas = photo.crop((left, top, right, bottom))
    pixels = np.array(canvas).reshape(canvas.height, canvas.width, -1)
    whole = rearrange(torch.from_numpy(pixels), "h w c -> c h w").float() / 255
    rows, columns = slice(box.top - top, box.edges[3] - top), slice(box.left - left, box.edges[2] - left)
    whole[:, rows, columns] = values
    return whole
