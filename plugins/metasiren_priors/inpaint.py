"""Use a trained prior on a person's own picture."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from einops import rearrange
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import resize
from torchvision.utils import make_grid, save_image

from metasiren import Context, DataError, Domain, Model, Run, RunError, grid, pick_device
from metasiren_priors.data.imageset import observe, sample_cells, to_values

MOST_PIXELS = 50_000_000
Polarity = Literal["white_hidden", "white_seen"]
PRIORS = "celeba_gaussian, celeba_cnn, celeba_pconv, celeba_set_sine or celeba_set_relu"


class TurnedMaskWarning(UserWarning):
    """A mask hides most of its picture: its black and white may be exchanged."""


@dataclass(frozen=True)
class Inpainted:
    """A picture and its reconstruction, each (channels, rows, columns) in [0, 1].

    Attributes:
        seen: what was seen, at the prior's size; hidden pixels are mid-grey.
        made: the reconstruction, at the size that was asked for.
        composite: the reconstruction with the seen pixels in their places, as large as `made`.
        original: the picture, at the prior's size.
    """

    seen: Tensor
    made: Tensor
    composite: Tensor
    original: Tensor


def read_square(path: Path, domain: Domain) -> Tensor:
    """A picture's centre square at the prior's size: values (1, pixels, channels) in [-1, 1].

    Raises:
        DataError: the file is missing, is no picture, or is too large.
    """
    assert domain.grid is not None
    height, width = domain.grid
    picture = _open(path).convert("RGB" if domain.d_out == 3 else "L")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.crop((left, top, left + side, top + side)).resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.array(square).reshape(1, height, width, domain.d_out)
    return to_values(torch.from_numpy(pixels))


def read_mask(path: Path, domain: Domain, polarity: Polarity | None = None) -> Tensor:
    """A mask's centre square, cut and resized as the picture's is: (pixels,) bool, True where the picture is seen.

    Args:
        path: a picture.
        domain: of the prior.
        polarity: `white_hidden` (also None) or `white_seen`. None warns of a mask that hides more than half.

    Raises:
        DataError: as `read_square`, or a mask that hides everything.
    """
    values = read_square(path, Domain(2, 1, domain.grid))[0, :, 0]
    seen = values > 0 if polarity == "white_seen" else values < 0
    if not bool(seen.any()):
        raise DataError(str(path), "the mask hides every pixel.", "White hides; --mask-polarity white_seen turns it.")
    hidden = 1 - float(seen.float().mean())
    if polarity is None and hidden > 0.5:
        words = f"{path}: white hides, so that this mask hides {100 * hidden:.0f} % of the picture. If white marks "
        words += "what is seen, give --mask-polarity white_seen; white_hidden confirms the mask."
        warnings.warn(TurnedMaskWarning(words), stacklevel=2)
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
    polarity: Polarity | None = None,
    size: tuple[int, int] | None = None,
    seed: int = 0,
    device: str = "auto",
) -> Inpainted:
    """Reconstruct a picture from part of it.

    Args:
        run: a trained prior over images.
        picture: any picture; its centre square is taken.
        mask: a picture of any size, white where pixels are hidden.
        pixels: how many random pixels to keep instead.
        polarity: of the mask; see `read_mask`.
        size: (rows, columns) of the reconstruction; the prior's own where left out. A SIREN has no resolution.
        seed: of the random pixels.
        device: where the prior is evaluated: `auto`, `cpu`, `cuda` or `cuda:1`.

    Raises:
        RunError: the run's signals are no images, or its encoder does not look at observed pixels. DataError: unusable
            files.
    """
    domain = run.domain
    if domain.grid is None or len(domain.grid) != 2 or domain.d_out not in (1, 3):
        raise RunError(str(run.path), "not a prior over images.", f"Give a run of {PRIORS}.")
    values = read_square(picture, domain)
    count = values.shape[1]
    if mask is not None:
        cells, seen = torch.arange(count).unsqueeze(0), read_mask(mask, domain, polarity).unsqueeze(0)
    else:
        keep = count // 10 if pixels is None else pixels
        if not 1 <= keep <= count:
            raise DataError("--pixels", f"{keep} is not between 1 and {count}.", "Keep at least one pixel.")
        cells, seen = sample_cells(1, count, (keep, keep), torch.Generator().manual_seed(seed), "cpu")
    place, coords = pick_device(device), grid(domain.grid)
    context = observe(values, cells, seen, torch.zeros(1, dtype=torch.long), coords, domain.grid)
    shape = size or (domain.grid[0], domain.grid[1])
    with torch.no_grad():
        model, there = run.model(device=place), context.to(place)
        latent = model.encoder(there, model.decoder)
        _demand_looking(run, model, there, latent)
        values_there = model.decoder.field(latent)(grid(shape).to(place)).cpu()
        made = _picture(rearrange(values_there[0], "(h w) c -> c h w", h=shape[0]))
    seen_picture, known = (_picture(context.image()[0][0]), context.image()[1][0])
    original = _picture(rearrange(values[0], "(h w) c -> c h w", h=domain.grid[0]))
    known_there, true = (resize(each, list(shape), InterpolationMode.NEAREST) for each in (known.float(), original))
    return Inpainted(seen_picture, made, torch.where(known_there > 0, true, made), original)


def _demand_looking(run: Run, model: Model, context: Context, latent: Tensor) -> None:
    """Refuse a model whose latent stays the same when every observed value changes."""
    turned = replace(context, values=-context.values - 0.5)
    if torch.equal(latent, model.encoder(turned, model.decoder)):
        found = f"its encoder {run.recipe.encoder.name!r} does not look at observed pixels, so that it holds no prior."
        raise RunError(str(run.path), found, f"Give a run of {PRIORS}.")


def _picture(values: Tensor) -> Tensor:
    return ((values + 1) / 2).clamp(0, 1)


def write(found: Inpainted, out: Path, *, composite: bool = False, side_by_side: bool = False) -> None:
    """Write the reconstruction, its composite, or all panels enlarged beside one another.

    Raises:
        DataError: the ending is no picture's, or the folder cannot be written.
    """
    picture = found.composite if composite else found.made
    if side_by_side:
        panels = (found.seen, found.made, found.composite, found.original)
        height = max(256, picture.shape[1])
        shown = [torch.nn.functional.interpolate(p.unsqueeze(0), (height, height), mode="nearest")[0] for p in panels]
        picture = make_grid(shown, nrow=len(shown), padding=4, pad_value=1.0)
    partial = out.with_name(f".{out.stem}.partial{out.suffix}")
    try:
        save_image(picture, partial)
        partial.replace(out)
    except (ValueError, OSError) as error:
        raise DataError(str(out), f"cannot be written: {error}.", "Use a name ending in .png or .jpg.") from None
    finally:
        partial.unlink(missing_ok=True)
