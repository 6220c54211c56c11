"""One picture of which larger pixels are known: each the mean of a square of small ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from skimage.transform import resize

from metasiren import Points, RecipeError, grid, width_by_height
from metasiren_images.measured.picture import MeasuredPicture
from metasiren_images.single.photograph import Crop, source_of
from metasiren_images.single.pixels import flat, name_of, pixels_of, shape_note, size_in_words
from metasiren_images.single.sampling import check_points
from metasiren_images.single.views import Array


class LargerPixels(MeasuredPicture):
    """Pixels of `factor` x `factor` small ones; the point set `measured` has the small pixels of each.

    Rows and columns beyond a multiple of the factor are cut off.

    Args:
        photograph: the name of a photograph that scikit-image ships, such as camera, astronaut, coffee or cat.
        path: a file, in place of the photograph.
        size: pixels of the longer side of the true picture, or its [rows, columns]; left out, as it is.
        crop: none, square (the centre) or top_left (the square there).
        grey: make one channel of colours.
        factor: small pixels along the side of a large one.
        pixels: random large pixels of a training step; left out, all of them.
        prior_points: points of `free`.

    Raises:
        DataError: a picture that cannot be read.
        RecipeError: a factor below two, or one that leaves fewer than two large pixels along a side; numbers of points
            below one.
    """

    instead_of: ClassVar = {"path": "photograph"}

    def __init__(
        self,
        *,
        photograph: str | None = "camera",
        path: Path | None = None,
        size: int | tuple[int, int] | None = None,
        crop: Crop = "none",
        grey: bool = False,
        factor: int = 4,
        pixels: int | None = None,
        prior_points: int = 4096,
    ) -> None:
        check_points(pixels, "pixels")
        source = source_of(photograph, path)
        whole = pixels_of(source, size=size, crop=crop, grey=grey)
        rows, columns = whole.shape[0] // max(factor, 1), whole.shape[1] // max(factor, 1)
        if factor < 2 or min(rows, columns) < 2:
            found = f"{factor}, of {width_by_height(whole.shape)} pixels."
            raise RecipeError("data: factor", found, "Give two or more, and at most half of the shorter side.")
        truth = whole[: rows * factor, : columns * factor]
        name = name_of(source)
        title = f"{name}, {size_in_words(truth.shape)} from {width_by_height((rows, columns))}"
        super().__init__(truth, truth.shape, title, name, prior_points)
        shape_words = shape_note(source, size=size, crop=crop)
        self.provenance = {
            "source": str(source),
            "measured": f"means of {factor} x {factor} pixels",
            **shape_words,
        }
        self.factor, self.pixels = factor, pixels
        self.low = truth.reshape(rows, factor, columns, factor, -1).mean((1, 3))
        self.seen = self.low.repeat(factor, 0).repeat(factor, 1)
        coords = grid(truth.shape[:2]).reshape(rows, factor, columns, factor, 2)
        # (large pixels, small pixels of each, coordinates)
        self._coords = coords.transpose(1, 2).reshape(rows * columns, factor**2, 2)
        self._values = flat(2 * self.low - 1)

    def measured(self, train: bool, generator: torch.Generator | None) -> Mapping[str, Points]:
        """See `MeasuredPicture.measured`."""
        total, small, device = *self._coords.shape[:2], self._coords.device
        if train and self.pixels is not None and self.pixels < total:
            chosen = torch.randint(total, (self.pixels,), generator=generator, device=device)
        else:
            chosen = torch.arange(total, device=device)
        of = torch.arange(len(chosen), device=device).repeat_interleave(small).reshape(1, -1, 1)
        weights = torch.full_like(of, 1, dtype=self._coords.dtype) / small
        values = self._values[chosen].repeat_interleave(small, 0).unsqueeze(0)
        coords = self._coords[chosen].reshape(1, -1, 2)
        return {"measured": Points(coords, {"values": values, "weights": weights, "of": of})}

    def others(self) -> Mapping[str, Array]:
        """Large pixels as they are, and cubic interpolation between their centres, by scikit-image."""
        cubic = resize(self.low, self.shape, order=3, mode="edge", anti_aliasing=False)  # type: ignore[no-untyped-call]
        return {"large pixels": self.seen, "cubic": np.clip(cubic, 0, 1)}
