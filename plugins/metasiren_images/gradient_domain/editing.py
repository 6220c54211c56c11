"""Two pictures fused by their gradients: section 4.1 of the SIREN paper, and seamless cloning (Perez et al. 2003)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from metasiren import Batch, Context, Dataset, Domain, RecipeError, grid, width_by_height
from metasiren_images.gradient_domain.mixing import Mix, Mixture, Region, overlay
from metasiren_images.gradient_domain.pixel_pairs import PixelPairs, Spans, names_of, pairs_asked_for
from metasiren_images.gradient_domain.poisson import metadata_of
from metasiren_images.gradient_domain.schemes import SCHEMES, Derivatives
from metasiren_images.single.photograph import Crop, source_of
from metasiren_images.single.picture import Picture
from metasiren_images.single.pixels import flat, name_of, pixels_of, shape_note
from metasiren_images.single.sampling import Sample, check_points


class Editing(Dataset):
    """The mixed gradient of a first picture, laid over a second one, at the pixels of the second.

    The point set `pixels` has the target `gradient` (1, points, channels, 2); in the split `test` also `composite`,
    the values that cutting and pasting gives. Where a part of the second picture stays as it is, the point set
    `outside` has its `values` there, which pin the result to it: constraints may use it or not.

    Args:
        photograph: the first picture: a photograph that scikit-image ships.
        path: a file, in place of it.
        second_photograph: the second picture: a photograph that scikit-image ships.
        second_path: a file, in place of it.
        size: pixels of the longer side, or [rows, columns], of the second picture, and of the first unless that has
            a size of its own; null leaves them as they are.
        first_size: the same for the first picture alone.
        crop: none, square (the centre) or top_left (the square there), of both.
        grey: make one channel of colours, of both. Otherwise channels are red, green and blue.
        mix: `alpha`, the weighted sum of the gradients; `max`, the longer of the two, which keeps the details of both.
        alpha: share of the first picture in [0, 1]; by default 0.5, with a mask 1. Not for `max`.
        mask: a picture as large as the first, white where the first counts.
        offset: rows and columns by which the first picture is moved; with it sizes may differ.
        derivatives: `spectral` or `central`, per unit of the coordinates, or `sobel`, times 10, as in the paper.
        points: random pixels of a training step; left out, all of them.
        pixel_pairs: pairs of pixels of one row or column in a training step: the point set `pixel_pairs` has the
            integral of the gradient between them as target (`integral`), for the constraint `difference_mse`. None by
            default.
        spans: the former name of `pixel_pairs`, which a stored run may have; the point set then has both names.

    Raises:
        DataError: a picture that cannot be read; sizes that do not fit; nothing left to mix.
        RecipeError: alpha outside [0, 1] or beside `max`; fewer than one point or pair; both `pixel_pairs` and `spans`.
    """

    renderer = "levelled_picture"
    instead_of: ClassVar = {"path": "photograph", "second_path": "second_photograph"}

    def __init__(
        self,
        *,
        photograph: str | None = "rocket",
        path: Path | None = None,
        second_photograph: str | None = "coffee",
        second_path: Path | None = None,
        size: int | tuple[int, int] | None = (256, 256),
        first_size: int | tuple[int, int] | None = None,
        crop: Crop = "none",
        grey: bool = False,
        mix: Mix = "alpha",
        alpha: float | None = None,
        mask: Path | None = None,
        offset: tuple[int, int] | None = None,
        derivatives: Derivatives = "spectral",
        points: int | None = None,
        pixel_pairs: int | None = None,
        spans: Spans = "pixel_pairs",
    ) -> None:
        check_points(points)
        pairs = pairs_asked_for(pixel_pairs, spans)
        if mix == "max" and alpha is not None:
            raise RecipeError("data: alpha", "`max` takes no shares.", "Leave alpha out, or give mix: alpha.")
        given = alpha if alpha is not None else 0.5 if mask is None else 1.0
        sizes = first_size if first_size is not None else size, size
        sources = source_of(photograph, path), source_of(second_photograph, second_path)
        first = pixels_of(sources[0], size=sizes[0], crop=crop, grey=grey)
        second = pixels_of(sources[1], size=sizes[1], crop=crop, grey=grey)
        region = None if mask is None else _region(mask, sizes[0], crop)
        mixture = Mixture(given, mix)
        self.overlay = overlay(2 * first - 1, 2 * second - 1, mixture, mask=region, offset=offset)
        self.scheme, self.points = SCHEMES[derivatives], points
        shape = self.overlay.shape
        self.contrast = self.scheme.contrast(shape, 1)
        self.gradient = self.overlay.gradient(self.scheme)
        self.composite = self.overlay.composite()
        names = [name_of(source) for source in sources]
        rule = "longer gradient" if mix == "max" else f"alpha {given:g}"
        self.title = f"{names[0]} over {names[1]}, {width_by_height(shape)}, {rule}"
        self.splits = {"train": 1, "test": 1}
        self.domain = Domain(d_in=2, d_out=second.shape[2] if second.shape[2] > 1 else first.shape[2], grid=shape)
        notes = [shape_note(source, size=size, crop=crop) for source, size in zip(sources, sizes, strict=True)]
        words = "; ".join(f"{name}: {note['shape']}" for name, note in zip(names, notes, strict=True) if note)
        self.provenance = {"derivatives": derivatives} | ({"shape": words} if words else {})
        self.metadata = metadata_of(self.title, self.contrast * self.composite, self.contrast)
        self._sets = {"pixels": Sample(grid(shape), {"gradient": flat(self.gradient)})}
        self._pairs = PixelPairs.of(self.gradient, pairs, names_of(spans)) if pairs else None
        outside = torch.from_numpy(~self.overlay.region).flatten()
        if bool(outside.any()):
            values = flat(self.contrast * self.overlay.second)
            self._sets["outside"] = Sample(grid(shape)[outside], {"values": values[outside]})
        self._composite = flat(self.composite)

    def batch(
        self,
        split: str,
        items: Tensor,
        *,
        context: tuple[int, int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Batch:
        """Mixed gradients at drawn pixels (`train`), or at all of them beside the pasted values (`test`)."""
        empty = Context.empty(items, self.domain)
        if split == "train":
            sets = {name: each.draw(self.points, generator) for name, each in self._sets.items()}
            if self._pairs:
                sets.update(self._pairs.sets(generator))
            return Batch(empty, sets)
        pixels = self._sets["pixels"]
        whole = Sample(pixels.coords, {**pixels.targets, "composite": self._composite})
        return Batch(empty, {name: each.all() for name, each in {**self._sets, "pixels": whole}.items()})

    def to(self, device: torch.device | str) -> Editing:
        """Move everything, and return the data set."""
        self._sets = {name: each.to(device) for name, each in self._sets.items()}
        self._composite = self._composite.to(device)
        self._pairs = self._pairs.to(device) if self._pairs else None
        return self

    @classmethod
    def missing(
        cls,
        *,
        photograph: str | None = "rocket",
        path: Path | str | None = None,
        second_photograph: str | None = "coffee",
        second_path: Path | str | None = None,
        mask: Path | str | None = None,
        **options: Any,
    ) -> str | None:
        """Why these pictures cannot be used here."""
        pictures = [(photograph, path), (second_photograph, second_path), *([("", mask)] if mask else [])]
        reasons = [Picture.missing(path=file, photograph=name) for name, file in pictures]
        return next((reason for reason in reasons if reason), None)


def _region(mask: Path, size: int | tuple[int, int] | None, crop: Crop) -> Region:
    region: Region = pixels_of(mask, size=size, crop=crop, grey=True)[..., 0] > 0.5
    return np.ascontiguousarray(region)
