"""A picture of which only derivatives are known: the Poisson equation, section 4.1 of the SIREN paper."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from metasiren import Batch, Context, Dataset, Domain, grid, width_by_height
from metasiren_images.gradient_domain.pixel_pairs import PixelPairs, Spans, names_of, pairs_asked_for
from metasiren_images.gradient_domain.schemes import SCHEMES, Derivatives, Scheme, Values
from metasiren_images.single.photograph import Crop, source_of
from metasiren_images.single.picture import Picture
from metasiren_images.single.pixels import flat, name_of, pixels_of, shape_note
from metasiren_images.single.sampling import Sample, check_points


class Poisson(Dataset):
    """The gradient and the Laplacian of one picture at its pixels. Its values are in the split `test` alone.

    The point set `pixels` has the targets `gradient` (1, points, channels, 2) and `laplacian` (1, points, channels). A
    field that matches either is the picture in [-1, 1], times `Scheme.contrast`, up to a constant for each channel
    (from Laplacians: up to a harmonic function).

    Args:
        photograph: the name of a photograph that scikit-image ships, such as camera, astronaut, coffee or cat.
        path: a file, in place of the photograph.
        size: pixels of the longer side, which keeps the proportions, or [rows, columns]; null leaves it as it is.
        crop: none, square (the centre) or top_left (the square there, which the authors' code took of the starfish).
        grey: make one channel of colours.
        derivatives: `spectral`, the derivatives per unit of the coordinates of the cosine series through the pixels;
            `central`, differences of neighbours per unit of the coordinates; `sobel`, as in the paper: Sobel filters
            times 10 and the five-point Laplacian times 10,000, both per pixel.
        points: random pixels of a training step; left out, all of them.
        pixel_pairs: pairs of pixels of one row or column in a training step: the point set `pixel_pairs` has the
            integral of the gradient between them as target (`integral`), for the constraint `difference_mse`. None by
            default.
        spans: the former name of `pixel_pairs`, which a stored run may have; the point set then has both names.

    Raises:
        DataError: a picture that cannot be read, or of less than 4 x 4 pixels; `sobel` where it is not square.
        RecipeError: fewer than one point or pair; both `pixel_pairs` and `spans`.
    """

    renderer = "levelled_picture"
    instead_of: ClassVar = {"path": "photograph"}

    def __init__(
        self,
        *,
        photograph: str | None = "camera",
        path: Path | None = None,
        size: int | tuple[int, int] | None = 256,
        crop: Crop = "square",
        grey: bool = True,
        derivatives: Derivatives = "spectral",
        points: int | None = None,
        pixel_pairs: int | None = None,
        spans: Spans = "pixel_pairs",
    ) -> None:
        check_points(points)
        pairs = pairs_asked_for(pixel_pairs, spans)
        source = source_of(photograph, path)
        pixels = pixels_of(source, size=size, crop=crop, grey=grey)
        self.picture = 2 * pixels - 1
        self.scheme: Scheme = SCHEMES[derivatives]
        self.points = points
        shape = (pixels.shape[0], pixels.shape[1])
        contrast = self.scheme.contrast(shape, 1)
        name = name_of(source)
        self.title = f"{name}, {width_by_height(shape)}, from {derivatives} derivatives"
        self.splits = {"train": 1, "test": 1}
        self.domain = Domain(d_in=2, d_out=pixels.shape[2], grid=shape)
        shape_words = shape_note(source, size=size, crop=crop)
        self.provenance = {"source": str(source), "derivatives": derivatives, **shape_words}
        self.metadata = metadata_of(name, contrast * self.picture, contrast)
        derived = {"gradient": self.scheme.gradient(self.picture), "laplacian": self.scheme.laplacian(self.picture)}
        self._pixels = Sample(grid(shape), {name: flat(values) for name, values in derived.items()})
        self._pairs = PixelPairs.of(derived["gradient"], pairs, names_of(spans)) if pairs else None
        self._values = flat(self.picture)

    def batch(
        self,
        split: str,
        items: Tensor,
        *,
        context: tuple[int, int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Batch:
        """Derivatives at drawn pixels (`train`), or at all of them with `values` (`test`)."""
        empty = Context.empty(items, self.domain)
        if split == "train":
            sets = {"pixels": self._pixels.draw(self.points, generator)}
            if self._pairs:
                sets.update(self._pairs.sets(generator))
            return Batch(empty, sets)
        whole = Sample(self._pixels.coords, {**self._pixels.targets, "values": self._values})
        return Batch(empty, {"pixels": whole.all()})

    def to(self, device: torch.device | str) -> Poisson:
        """Move everything, and return the data set."""
        self._pixels, self._values = self._pixels.to(device), self._values.to(device)
        self._pairs = self._pairs.to(device) if self._pairs else None
        return self

    @classmethod
    def missing(
        cls, *, path: Path | str | None = None, photograph: str | None = "camera", **options: Any
    ) -> str | None:
        """Why this picture cannot be used here."""
        return Picture.missing(path=path, photograph=photograph)


def metadata_of(title: str, values: Values, contrast: float) -> dict[str, Any]:
    """What a renderer needs of a field known up to a constant: the picture's mean in the field's units, and its range.

    Args:
        title: of the picture.
        values: (rows, columns, channels), as the field should have them.
        contrast: what white is in the field's units; black is its negative.
    """
    rows, columns, channels = values.shape
    size = {"size": [rows, columns], "channels": channels}
    return {"title": title, **size, "range": [-contrast, contrast], "level": values.mean((0, 1)).tolist()}
