"""One picture of which some pixels are seen: section 6.3 of the SIREN supplement."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from metasiren import (
    Batch,
    Context,
    DataError,
    Dataset,
    Domain,
    Points,
    RecipeError,
    grid,
    why_no_file,
    width_by_height,
)
from metasiren_images.restoration.blurring import jittered
from metasiren_images.restoration.mask_files import Mask, Polarity, read_mask
from metasiren_images.single.photograph import Crop, read_photograph, source_of
from metasiren_images.single.picture import Picture
from metasiren_images.single.pixels import flat, name_of, pixels_of, shape_note, size_in_words
from metasiren_images.single.sampling import Sample, check_points


class MaskedPicture(Dataset):
    """Seen pixels with values in [-1, 1], and places between pixels for priors.

    Point sets: `observed` has as targets the `values` of seen pixels; `free` are uniform points of
    [-1, 1]^2, drawn anew for every step, where nothing is known. In the split `test` there is `pixels` too, all of
    them with `values` and `seen`.

    Args:
        photograph: the name of a photograph that scikit-image ships, such as brick, grass, coffee or cat.
        path: a file, in place of the photograph.
        size: pixels of the longer side, which keeps the proportions, or [rows, columns]; left out, as it is.
        crop: none, square (the centre) or top_left (the square there).
        grey: make one channel of colours.
        fraction: probability that a pixel is seen, independently of the others, as in the paper. 1 hides nothing.
        mask: in place of a fraction, a picture that is white or transparent where the photograph is hidden; as large as
            the photograph itself, or as what size and crop make of it.
        mask_polarity: `white_hidden`, the default, or `white_seen`. Where it is left out, a mask that hides more than
            half of the picture is warned of.
        mask_seed: of the random mask, 0 by default.
        points: random seen pixels of a training step; left out, all of them.
        prior_points: points of `free`; left out, half as many as the picture has pixels, as in the paper.
        kernel: `none`, or `bilinear`: observe the picture through the downsampling kernel of Eq. 24, by moving each
            seen pixel's coordinates at random in every step.
        kernel_samples: moved copies of a pixel; more than one need the constraint `blurred_mse` with as many samples.
        kernel_width: half-width of the kernel in pixels: 1 in the paper, 0.5 in its code.

    Raises:
        DataError: a picture or mask that cannot be read, a mask of another size, not black and white, or
            that hides nothing, or all pixels hidden.
        RecipeError: a fraction outside (0, 1], numbers of points below one, or a kernel without width.
    """

    renderer = "picture"
    instead_of: ClassVar = {"path": "photograph", "mask": "fraction"}

    def __init__(
        self,
        *,
        photograph: str | None = "brick",
        path: Path | None = None,
        size: int | tuple[int, int] | None = None,
        crop: Crop = "none",
        grey: bool = False,
        fraction: float | None = 0.1,
        mask: Path | None = None,
        mask_polarity: Polarity | None = None,
        mask_seed: int | None = None,
        points: int | None = None,
        prior_points: int | None = None,
        kernel: Literal["none", "bilinear"] = "none",
        kernel_samples: int = 1,
        kernel_width: float = 1.0,
    ) -> None:
        for option, number in (("points", points), ("prior_points", prior_points), ("kernel_samples", kernel_samples)):
            check_points(number, option)
        _check_kernel(kernel, kernel_samples, kernel_width)
        source = source_of(photograph, path)
        pixels = pixels_of(source, size=size, crop=crop, grey=grey)
        shape = (pixels.shape[0], pixels.shape[1])
        rows, columns = read_photograph(source).shape[:2]
        full = (rows, columns)
        if mask is None:
            self.seen = _drawn_mask(shape, fraction, mask_seed or 0)
        else:
            self.seen = read_mask(mask, shape, full=full, size=size, crop=crop, polarity=mask_polarity)
        _demand_seen_pixels(self.seen, "data: mask" if mask else "data: fraction")
        self.picture = pixels
        name = name_of(source)
        cut = "" if full == shape else f" (of {width_by_height(full)})"
        self.title = f"{name}, {size_in_words(pixels.shape)}{cut}, {100 * self.seen.mean():.3g} % of the pixels seen"
        self.splits = {"train": 1, "test": 1}
        self.domain = Domain(d_in=2, d_out=pixels.shape[2], grid=shape)
        self.provenance = {
            "source": str(source),
            "mask": str(mask) if mask else f"{fraction}, seed {mask_seed or 0}",
            **shape_note(source, size=size, crop=crop),
        }
        self.metadata = {"title": name, "size": list(shape), "channels": pixels.shape[2], "range": [-1.0, 1.0]}
        self.points = points
        self.prior_points = prior_points if prior_points is not None else max(1, self.seen.size // 2)
        self._kernel = (kernel_samples, kernel_width) if kernel == "bilinear" else None
        values, seen = flat(2 * pixels - 1), torch.from_numpy(self.seen).flatten()
        self._all = Sample(grid(shape), {"values": values, "seen": seen})
        self._observed = Sample(self._all.coords[seen], {"values": values[seen]})

    def batch(
        self,
        split: str,
        items: Tensor,
        *,
        context: tuple[int, int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Batch:
        """Seen pixels and fresh points for priors; see `metasiren.Dataset.batch`."""
        train = split == "train"
        device = self._all.coords.device
        observed = self._observed.draw(self.points if train else None, generator)
        if train and self._kernel is not None:
            samples, width = self._kernel
            pixel = (2 * width / (self.seen.shape[0] - 1), 2 * width / (self.seen.shape[1] - 1))
            observed = jittered(observed, samples, pixel, generator)
        # Drawn after the seen pixels: these are the same whatever the priors ask for.
        free = 2 * torch.rand(1, self.prior_points, 2, generator=generator, device=device) - 1
        sets = {"observed": observed, "free": Points(free)}
        return Batch(Context.empty(items, self.domain), sets if train else {**sets, "pixels": self._all.all()})

    def to(self, device: torch.device | str) -> MaskedPicture:
        """Move everything, and return the data set."""
        self._all, self._observed = self._all.to(device), self._observed.to(device)
        return self

    @classmethod
    def unused(cls, *, mask: Path | str | None = None, **options: Any) -> Mapping[str, str]:
        """A drawn mask has no polarity, that of a file no seed."""
        return {"mask_polarity": "mask"} if mask is None else {"mask_seed": "mask"}

    @classmethod
    def missing(
        cls,
        *,
        path: Path | str | None = None,
        photograph: str | None = "brick",
        mask: Path | str | None = None,
        **options: Any,
    ) -> str | None:
        """Why this picture cannot be used here."""
        reason = Picture.missing(path=path, photograph=photograph)
        if reason is not None or mask is None:
            return reason
        return why_no_file(mask, "Give a mask with --set data.mask=FILE")


def _drawn_mask(shape: tuple[int, int], fraction: float | None, seed: int) -> Mask:
    """An independent draw for each pixel: True with probability `fraction`."""
    if fraction is None or not 0 < fraction <= 1:
        found = "neither a fraction nor a mask." if fraction is None else f"{fraction} of the pixels."
        raise RecipeError("data: fraction", found, "Give a number above 0, and at most 1, which hides nothing.")
    drawn: Mask = np.random.default_rng(seed).random(shape) < fraction
    return drawn


def _check_kernel(kernel: str, samples: int, width: float) -> None:
    """Refuse samples of no kernel, and a kernel without width."""
    if samples > 1 and kernel == "none":
        found = f"{samples} samples of no kernel."
        raise RecipeError("data: kernel_samples", found, "Give kernel: bilinear, or leave the samples out.")
    if not width > 0:
        raise RecipeError("data: kernel_width", f"{width} pixels.", "Give a positive number, such as 1.")


def _demand_seen_pixels(seen: Mask, where: str) -> None:
    """Refuse a mask that hides every pixel."""
    if not seen.any():
        rows, columns = seen.shape
        found = f"all of {width_by_height((rows, columns))} pixels are hidden."
        raise DataError(where, found, "White in a mask hides; data.mask_polarity=white_seen turns it.")
