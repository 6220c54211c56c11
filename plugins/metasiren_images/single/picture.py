"""A single picture as data: all of its pixels at every step, or some of them."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from metasiren import Batch, Context, DataError, Dataset, Domain, Points, grid, why_no_file, width_by_height
from metasiren_images.single.differences import differentiate
from metasiren_images.single.photograph import PHOTOGRAPHS, Crop, find_photograph, read_photograph, source_of
from metasiren_images.single.pixels import name_of, shape_note, size_in_words

LEAST = 3
"""Fewer rows or columns have no inside, where derivatives could be compared."""


class Picture(Dataset):
    """One picture, grey or RGB, with values in [-1, 1]; the point set is `pixels`.

    Coordinate 0 runs along the rows from -1 to 1, coordinate 1 along the columns, endpoints included.

    Args:
        photograph: the name of a photograph that scikit-image ships, such as camera, astronaut, coffee or cat.
        path: a file, in place of the photograph: PNG, JPEG, TIFF, WebP, ... Transparency is composited on white.
        size: pixels of the longer side, which keeps the proportions, or [rows, columns]; left out, as it is.
        crop: none, square (the centre) or top_left (the square there); cropped first, then resized.
        grey: make one channel of colours.
        points: random pixels of a training step; left out, or not fewer than there are, all of them.
        replacement: whether a pixel may be drawn twice in a step.
        derivatives: also know `gradient` and `laplacian` at the pixels, by finite differences per unit of coordinates.

    Raises:
        DataError: a picture that cannot be read, or has fewer than three rows or columns; points below one.
    """

    renderer = "picture"
    instead_of: ClassVar = {"path": "photograph"}

    def __init__(
        self,
        *,
        photograph: str | None = "camera",
        path: Path | None = None,
        size: int | tuple[int, int] | None = None,
        crop: Crop = "none",
        grey: bool = False,
        points: int | None = None,
        replacement: bool = True,
        derivatives: bool = False,
    ) -> None:
        source = source_of(photograph, path)
        pixels = read_photograph(source, size=size, crop=crop, grey=grey)
        rows, columns, channels = pixels.shape
        if min(rows, columns) < LEAST:
            found = f"{width_by_height(pixels.shape)} pixels."
            raise DataError(str(source), found, f"Give a picture of at least {LEAST} rows and columns.")
        most = rows * columns
        if points is not None and points < 1:
            raise DataError("data: points", f"{points} of {most:,} pixels.", "Give a positive number.")
        self.points = points if points is not None and points < most else None
        self.replacement = replacement
        self.splits = {"train": 1, "test": 1}
        self.domain = Domain(2, channels, (rows, columns), 1)
        name = name_of(source)
        self.title = f"{name}, {size_in_words(pixels.shape)}"
        self.provenance = {
            **_provenance(source, resized=size is not None),
            **shape_note(source, size=size, crop=crop),
        }
        self.metadata = {"title": name, "size": [rows, columns], "channels": channels, "range": [-1.0, 1.0]}
        values = pixels.astype(np.float64) * 2 - 1
        self._coords = grid((rows, columns)).unsqueeze(0)
        self._known = {"values": _laid_out(values)}
        if derivatives:
            gradient, laplacian = differentiate(values, (2 / (rows - 1), 2 / (columns - 1)))
            self._known |= {"gradient": _laid_out(gradient), "laplacian": _laid_out(laplacian)}

    def batch(
        self,
        split: str,
        items: Tensor,
        *,
        context: tuple[int, int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Batch:
        """The pixels of a training step, or (split `test`) all of them; see `metasiren.Dataset.batch`."""
        if split == "train" and self.points is not None:
            chosen = self._draw(self.points, generator)
            coords = self._coords.index_select(1, chosen)
            known = {name: values.index_select(1, chosen) for name, values in self._known.items()}
        else:
            # Copies, for a batch is the caller's to overwrite.
            coords, known = self._coords, {name: values.clone() for name, values in self._known.items()}
        return Batch(Context.empty(items, self.domain), {"pixels": Points(coords, known)})

    def _draw(self, points: int, generator: torch.Generator | None) -> Tensor:
        count, device = self._coords.shape[1], self._coords.device
        if self.replacement:
            return torch.randint(count, (points,), generator=generator, device=device)
        return torch.randperm(count, generator=generator, device=device)[:points]

    def to(self, device: torch.device | str) -> Self:
        """A copy whose pixels lie on the device."""
        moved = copy(self)
        moved._coords = self._coords.to(device)
        moved._known = {name: values.to(device) for name, values in self._known.items()}
        return moved

    @classmethod
    def missing(
        cls, *, path: Path | str | None = None, photograph: str | None = "camera", **options: Any
    ) -> str | None:
        """Why this picture cannot be used here: its file is not there, or no photograph has that name."""
        try:
            found = find_photograph(source_of(photograph, path))
        except DataError as error:
            return str(error)
        return why_no_file(found, "Give a picture with --set data.path=FILE")


def _laid_out(values: np.ndarray[Any, Any]) -> Tensor:
    """(rows, columns, ...) -> float32 (1, pixels, ...)."""
    return torch.from_numpy(values.reshape(1, -1, *values.shape[2:]).astype(np.float32))


def _provenance(source: str | Path, *, resized: bool) -> Mapping[str, str]:
    said = {"filter": "bilinear (antialiased)" if resized else "as stored"}
    if isinstance(source, Path) or source not in PHOTOGRAPHS:
        return {**said, "source": str(source)}
    said["source"] = f"scikit-image {version('scikit-image')}: {source}"
    if source == "camera":
        # The SIREN paper pins 0.16.2; another photograph took this name in 0.18.
        said["note"] = "scikit-image 0.18 replaced camera: not the photograph of the SIREN paper's Figure 1"
    return said
