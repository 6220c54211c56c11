"""A picture's field as a picture, at any resolution and beyond its frame."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor

from metasiren import (
    DataError,
    Domain,
    Field,
    RecipeError,
    Renderer,
    RunWarning,
    progress_bar,
    same_proportions,
    width_by_height,
)
from metasiren_images.single.kernel import blurred
from metasiren_images.single.photograph import MOST_PIXELS
from metasiren_images.single.sheet import as_image
from metasiren_images.single.views import Array, gradient_in_colours, laplacian_in_colours, views_at

Quantity = Literal["value", "gradient", "laplacian"]


class StretchedWarning(RunWarning):
    """A picture is drawn in other proportions than those of the picture that its field was fitted to."""


class PictureRenderer(Renderer):
    """Sample a picture's field on a grid of any size. Values beyond the data's range are clipped.

    Args:
        quantity: `value`; `gradient` (exact: hue is its direction, saturation its size, white is none) or `laplacian`
            (exact: mid-grey is none, brighter is positive), both in colours that span the field's own range.
        size: (rows, columns); by default as dense as the picture that the field was fitted to. Other proportions
            stretch the picture, and are warned of.
        resolution: pixels of the longer side, in place of `size`.
        extent: the least and greatest coordinate, of both axes; [-2, 2] shows what lies around the picture.
        kernel: `none` takes values at points; `bilinear` averages over a pixel and its neighbours, which prevents
            aliasing where there are fewer pixels than the field has details (SIREN paper, Eq. 24).
        samples: random points that estimate each average.
        seed: of these.
        chunk_points: points evaluated at a time, which bounds memory.

    Raises:
        RecipeError: sizes, extents or numbers that make no sense.
    """

    suffixes = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")

    def __init__(
        self,
        *,
        quantity: Quantity = "value",
        size: tuple[int, int] | None = None,
        resolution: int | None = None,
        extent: tuple[float, float] = (-1.0, 1.0),
        kernel: Literal["none", "bilinear"] = "none",
        samples: int = 64,
        seed: int = 0,
        chunk_points: int = 1 << 16,
    ) -> None:
        if size is not None and resolution is not None:
            raise RecipeError("render: size", "given together with a resolution.", "Give one of them.")
        if quantity != "value" and kernel != "none":
            found = f"{kernel} together with the quantity {quantity}."
            raise RecipeError("render: kernel", found, "Averages are taken of values only: leave one of them out.")
        if not extent[0] < extent[1]:
            raise RecipeError("render: extent", f"{list(extent)} is no interval.", "Write it as [-2, 2].")
        for name, number in (("resolution", resolution), ("samples", samples), ("chunk_points", chunk_points)):
            if number is not None and number < 1:
                raise RecipeError(f"render: {name}", f"{number} is below one.", "Give a positive integer.")
        self.quantity, self.size, self.resolution, self.extent = quantity, size, resolution, extent
        self.kernel, self.samples, self.seed, self.chunk_points = kernel, samples, seed, chunk_points

    def render(self, field: Field, domain: Domain, metadata: Mapping[str, Any], path: Path) -> None:
        """Sample the field and write it; see `metasiren.Renderer.render`.

        Raises:
            DataError: the field is no picture's, the picture would be too large, or it cannot be written.
        """
        if self.quantity == "value":
            values = self.values(field, domain)
            low, high = metadata.get("range", (-1.0, 1.0))
            unit = ((values.double() - low) / (high - low)).clamp(0, 1)
            pixels = (unit * 255).round().byte().cpu().numpy()
            picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
        else:
            picture = as_image(self._derivative(field, domain))
        try:
            # Options that a format does not have are ignored by it.
            picture.save(path, quality=95, lossless=True)
        except (ValueError, OSError) as error:
            of_system = getattr(error, "errno", None) is not None
            folder = "Give a path in a folder that exists, can be written to and has space."
            advice = folder if of_system else "Try a .png, or a smaller size."
            raise DataError(str(path), f"cannot be written: {error}.", advice) from None
        if domain.grid is not None and self.size is not None:
            _warn_of_stretching((domain.grid[0], domain.grid[1]), self.size)

    def values(self, field: Field, domain: Domain) -> Tensor:
        """The field on the grid: (rows, columns, channels), neither scaled nor clipped."""
        coords = self._coords(field, domain)
        rows, columns = coords.shape[:2]
        low, high = self.extent
        with torch.no_grad():
            if self.kernel == "none":
                with progress_bar("rendering pixels", rows * columns) as advance:
                    parts = []
                    for part in torch.split(coords.reshape(-1, 2), self.chunk_points):
                        parts.append(field.jet(part, "value").value[0])
                        advance(len(part))
                made = torch.cat(parts)
            else:
                pixel = (high - low) / max(1, rows - 1), (high - low) / max(1, columns - 1)
                random = torch.Generator().manual_seed(self.seed)
                flat = coords.reshape(-1, 2)
                made = blurred(field, flat, pixel, self.samples, random, chunk_points=self.chunk_points)
        return made.reshape(rows, columns, -1)

    def _derivative(self, field: Field, domain: Domain) -> Array:
        """The gradient or the Laplacian in colours (rows, columns, 3) from 0 to 1."""
        coords = self._coords(field, domain)
        assert domain.grid is not None
        views = views_at(field, coords, (domain.grid[0], domain.grid[1]), chunk_points=self.chunk_points)
        if self.quantity == "gradient":
            return gradient_in_colours(views.gradient, views.gradient)
        return laplacian_in_colours(views.laplacian, views.laplacian)

    def _coords(self, field: Field, domain: Domain) -> Tensor:
        """The grid's coordinates (rows, columns, 2)."""
        if domain.grid is None or len(domain.grid) != 2 or domain.d_out not in (1, 3):
            found = f"a field from {domain.d_in} to {domain.d_out} numbers is no grey or RGB picture."
            raise DataError("render: picture", found, "Name another renderer.")
        rows, columns = self._shape((domain.grid[0], domain.grid[1]))
        if min(rows, columns) < 1 or rows * columns > MOST_PIXELS:
            found, advice = f"{width_by_height((rows, columns))} pixels.", f"Give 1 to {MOST_PIXELS:,} pixels in all."
            raise DataError("render: size", found, advice)
        like = next(iter(field.params.values()))
        low, high = self.extent
        # A single row or column lies in the middle.
        axes = [torch.linspace(low, high, n) if n > 1 else torch.tensor([(low + high) / 2]) for n in (rows, columns)]
        return torch.cartesian_prod(*axes).to(like).reshape(rows, columns, 2)

    def _shape(self, fitted: tuple[int, int]) -> tuple[int, int]:
        if self.size is not None:
            return self.size
        if self.resolution is not None:
            factor = self.resolution / max(fitted)
            return max(1, round(fitted[0] * factor)), max(1, round(fitted[1] * factor))
        # As many pixels between -1 and 1 as the picture has: with [-2, 2] it is the middle of the new one, unchanged.
        stretch = (self.extent[1] - self.extent[0]) / 2
        rows, columns = (max(1, round((n - 1) * stretch) + 1) for n in fitted)
        return rows, columns


def _warn_of_stretching(fitted: tuple[int, int], size: tuple[int, int]) -> None:
    """A warning where a picture of other proportions is asked for."""
    if not same_proportions(fitted, size):
        shapes = f"{width_by_height(size)} (width x height) has other proportions than its {width_by_height(fitted)}"
        advice = f"resolution={max(size)} (--resolution) keeps them"
        warnings.warn(StretchedWarning(f"the picture is drawn stretched: {shapes}; {advice}."), stacklevel=3)
