"""Use a trained prior on a person's own picture."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torchvision.utils import make_grid, save_image

from metasiren import DataError, Domain, Run, RunError, grid
from metasiren_priors.data.imageset import observe, sample_cells, to_values

MOST_PIXELS = 50_000_000


def read_square(path: Path, domain: Domain) -> Tensor:
    """A picture's centre square at the prior's size: values (1, pixels, channels) in [-1, 1].

    Raises:
        DataError: the file is missing, is no picture, or is absurdly large.
    """
    assert domain.grid is not None
    height, width = domain.grid
    picture = _open(path).convert("RGB" if domain.d_out == 3 else "L")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.crop((left, top, left + side, top + side)).resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.array(square).reshape(1, height, width, domain.d_out)
    return to_values(torch.from_numpy(pixels))


def read_mask(path: Path, domain: Domain) -> Tensor:
    """A mask's centre square, cut and resized as the picture's is: (pixels,) bool, True where it is seen (black).

    Raises:
        DataError: as `read_square`, or a mask that hides everything.
    """
    grey = Domain(2, 1, domain.grid)
    seen = read_square(path, grey)[0, :, 0] < 0
    if not bool(seen.any()):
        raise DataError(str(path), "the mask hides every pixel.", "White hides, black shows.")
    return seen


def _open(path: Path) -> Image.Image:
    try:
        picture = Image.open(path)
        if picture.width * picture.height > MOST_PIXELS:
            found = f"{picture.width} x {picture.height} pixels."
            raise DataError(str(path), found, f"Give at most {MOST_PIXELS:,} pixels.")
        picture.load()
    except FileNotFoundError:
        raise DataError(str(path), "there is no such file.", "Give a picture such as a PNG or JPEG.") from None
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise DataError(str(path), f"not a readable picture: {error}.", "Give a PNG or JPEG.") from None
    return picture


def parse_size(text: str) -> tuple[int, int]:
    """A size such as "256x256" as (rows, columns).

    Raises:
        DataError: anything else, or a side that is not from 1 to 8192.
    """
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.strip().lower())
    sides = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(1 <= side <= 8192 for side in sides):
        raise DataError(f"--size {text}", "not a size.", "Write rows x columns, such as 256x256, each at most 8192.")
    return sides


def inpaint(
    run: Run,
    picture: Path,
    *,
    mask: Path | None = None,
    pixels: int | None = None,
    size: tuple[int, int] | None = None,
    seed: int = 0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Reconstruct a picture from part of it.

    Args:
        run: a trained prior over images.
        picture: any picture; its centre square is taken.
        mask: a picture of any size, white where pixels are hidden.
        pixels: how many random pixels to keep instead.
        size: (rows, columns) of the reconstruction; the prior's own where left out. A SIREN has no resolution.
        seed: of the random pixels.

    Returns:
        what was seen (hidden pixels mid-grey), the reconstruction and the original, each (channels, rows, columns)
        in [0, 1]; the first and last at the prior's size.

    Raises:
        RunError: the run's signals are no images. DataError: unusable files.
    """
    domain = run.domain
    if domain.grid is None or len(domain.grid) != 2 or domain.d_out not in (1, 3):
        raise RunError(str(run.path), "not a prior over images.", "Give a run such as celeba_cnn's.")
    values = read_square(picture, domain)
    count = values.shape[1]
    if mask is not None:
        cells, seen = torch.arange(count).unsqueeze(0), read_mask(mask, domain).unsqueeze(0)
    else:
        keep = count // 10 if pixels is None else pixels
        if not 1 <= keep <= count:
            raise DataError("--pixels", f"{keep} is not between 1 and {count}.", "Keep at least one pixel.")
        cells, seen = sample_cells(1, count, (keep, keep), torch.Generator().manual_seed(seed), "cpu")
    coords = grid(domain.grid)
    context = observe(values, cells, seen, torch.zeros(1, dtype=torch.long), coords, domain.grid)
    shape = size or (domain.grid[0], domain.grid[1])
    with torch.no_grad():
        made = run.field(context)(grid(shape))
    return (
        _picture(context.image()[0][0]),
        _picture(rearrange(made[0], "(h w) c -> c h w", h=shape[0])),
        _picture(rearrange(values[0], "(h w) c -> c h w", h=domain.grid[0])),
    )


def _picture(values: Tensor) -> Tensor:
    return ((values + 1) / 2).clamp(0, 1)


def write(panels: tuple[Tensor, Tensor, Tensor], out: Path, *, side_by_side: bool) -> None:
    """Write the reconstruction, or all three panels enlarged beside one another.

    Raises:
        DataError: the ending is no picture's, or the folder cannot be written.
    """
    out_of = panels[1]
    if side_by_side:
        height = max(256, out_of.shape[1])
        shown = [torch.nn.functional.interpolate(p.unsqueeze(0), (height, height), mode="nearest")[0] for p in panels]
        out_of = make_grid(shown, nrow=3, padding=4, pad_value=1.0)
    try:
        save_image(out_of, out)
    except (ValueError, OSError) as error:
        raise DataError(str(out), f"cannot be written: {error}.", "Use a name ending in .png or .jpg.") from None
