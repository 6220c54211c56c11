"""The context of a prior from a photograph: a part of it on the prior's grid, and which cells are known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import resize

from metasiren import DataError
from metasiren_priors.data.imageset import sample_cells
from metasiren_priors.mask_files import Polarity, read_mask
from metasiren_priors.photograph import Box, centre_square, cut, open_picture, shrink


@dataclass(frozen=True)
class Observed:
    """The part of a photograph that a prior describes.

    Attributes:
        photo: the whole photograph.
        frame: where the part lies in it.
        crop: the part's values, (channels, rows, columns) in [-1, 1].
        known: (rows, columns) bool, which of its pixels are known.
        values: (1, cells, channels), means of the known pixels of each cell of the prior's grid.
        seen: (cells,) bool, the observed cells: at least half known, and chosen where pixels are drawn.
        original: (1, cells, channels), means of all pixels.
    """

    photo: Image.Image
    frame: Box
    crop: Tensor
    known: Tensor
    values: Tensor
    seen: Tensor
    original: Tensor


def observe_photograph(
    picture: Path,
    shape: tuple[int, int],
    channels: int,
    *,
    mask: Path | None = None,
    pixels: int | None = None,
    polarity: Polarity | None = None,
    box: Box | None = None,
    seed: int = 0,
) -> Observed:
    """The part of a photograph inside `box` (its centre square where there is none) on a grid of `shape` cells.

    A tenth of the cells is drawn where neither mask, number of pixels nor a box beyond the edges hides anything.

    Raises:
        DataError: unusable files, a box outside the picture, or one of which nothing is hidden or nothing known.
    """
    photo = open_picture(picture, channels)
    frame = box or centre_square(photo.size)
    inside = frame.inside(photo.size)
    if not bool(inside.any()):
        found = f"the box lies outside the picture of {photo.width} x {photo.height} pixels."
        raise DataError("--box", found, "Give left,top,width,height of a part of it.")
    crop, known = cut(photo, frame), inside
    if mask is not None:
        known = known & read_mask(mask, photo, box, polarity)
    elif pixels is None and bool(inside.all()):
        if box is not None:
            found = "all of its pixels are known."
            raise DataError("--box", found, "Hide some by --mask or --pixels, or let the box reach beyond the picture.")
        pixels = tenth(shape)
    values, seen = shrink(crop, known, shape)
    if pixels is not None:
        chosen = _chosen(torch.Size(shape).numel(), pixels, seed)
        seen = seen & chosen
        known = known & enlarged(chosen.view(1, *shape), (frame.height, frame.width))[0].bool()
    if not bool(seen.any()):
        found = "no cell of the prior's grid is at least half known."
        raise DataError(str(mask or picture), found, "Hide less, or give a box around more known pixels.")
    original = shrink(crop, torch.ones_like(known), shape)[0]
    return Observed(photo, frame, crop, known, values, seen, original)


def tenth(shape: tuple[int, ...]) -> int:
    """The number of cells that are drawn where nothing says which are seen."""
    return torch.Size(shape).numel() // 10


def drawn_words(shape: tuple[int, ...]) -> str:
    """What a command says where nothing says which pixels are seen."""
    kept = f"{tenth(shape):,} random pixels of {torch.Size(shape).numel():,} are kept and the others hidden"
    return f"{kept}, as neither --mask nor --pixels says what is seen"


def enlarged(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """A picture (..., rows, columns) of another size, each pixel the nearest."""
    other: Tensor = resize(picture.float(), list(size), InterpolationMode.NEAREST)
    return other


def _chosen(count: int, keep: int, seed: int) -> Tensor:
    """Which of `count` cells are kept, (count,) bool."""
    if not 1 <= keep <= count:
        raise DataError("--pixels", f"{keep} is not between 1 and {count}.", f"The prior's grid has {count:,} pixels.")
    cells, _ = sample_cells(1, count, (keep, keep), torch.Generator().manual_seed(seed), "cpu")
    return torch.zeros(count, dtype=torch.bool).index_fill(0, cells[0], True)
