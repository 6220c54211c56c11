"""The base of indirectly measured pictures: the true pixels, a picture of the measurement, other methods."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from copy import copy
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from metasiren import Batch, Context, Dataset, Domain, Points, grid
from metasiren_images.single.picture import Picture
from metasiren_images.single.pixels import flat
from metasiren_images.single.sampling import Sample, check_points
from metasiren_images.single.views import Array, psnr_of, ssim_of


class MeasuredPicture(Dataset):
    """A picture whose pixels are used in the evaluation only; values in [-1, 1].

    Point sets of training: what a subclass measures, and `free`, uniform points of [-1, 1]^2 drawn anew for every step,
    for priors. In the split `test` there are `pixels` with the true `values`, too.

    Attributes:
        truth: (rows, columns, channels) in [0, 1]; None where it is unknown.
        shape: rows and columns.
        seen: what was measured, as a picture (rows, columns, channels) with values in [0, 1].
    """

    renderer = "picture"
    truth: Array | None
    seen: Array

    def __init__(self, truth: Array | None, shape: tuple[int, ...], title: str, name: str, prior_points: int) -> None:
        check_points(prior_points, "prior_points")
        rows, columns, channels = shape
        self.truth, self.title, self.prior_points, self.shape = truth, title, prior_points, (rows, columns)
        self.splits = {"train": 1, "test": 1}
        self.domain = Domain(d_in=2, d_out=channels, grid=(rows, columns))
        self.metadata = {"title": name, "size": [rows, columns], "channels": channels, "range": [-1.0, 1.0]}
        known = {} if truth is None else {"values": flat(2 * truth - 1)}
        self._pixels = Sample(grid((rows, columns)), known)

    @abstractmethod
    def measured(self, train: bool, generator: torch.Generator | None) -> Mapping[str, Points]:
        """The point sets of one step; all measurements where not in training."""

    @abstractmethod
    def others(self) -> Mapping[str, Array]:
        """The same picture by other methods, by their names: (rows, columns, channels) in [0, 1]."""

    def shown(self, made: Array) -> Array:
        """The field's pixels (rows, columns, channels) with what is known beforehand; as they are by default."""
        return made

    def closeness(self, made: Array) -> dict[str, float | None]:
        """Metrics of a picture (rows, columns, channels) in [0, 1]: of pixels, where these are known."""
        assert self.truth is not None
        return {"psnr_db": psnr_of(made, self.truth, 1.0), "ssim": ssim_of(made, self.truth)}

    def batch(
        self,
        split: str,
        items: Tensor,
        *,
        context: tuple[int, int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Batch:
        """Measurements and fresh points for priors; see `metasiren.Dataset.batch`."""
        train, device = split == "train", self._pixels.coords.device
        sets = dict(self.measured(train, generator))
        free = 2 * torch.rand(1, self.prior_points, 2, generator=generator, device=device) - 1
        sets["free"] = Points(free)
        if not train:
            sets["pixels"] = self._pixels.all()
        return Batch(Context.empty(items, self.domain), sets)

    def to(self, device: torch.device | str) -> Self:
        """A copy whose points lie on the device."""
        moved = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, Sample | Tensor):
                setattr(moved, name, value.to(device))
        return moved

    @classmethod
    def missing(
        cls, *, path: Path | str | None = None, photograph: str | None = "camera", **options: Any
    ) -> str | None:
        """Why this picture cannot be used here."""
        return Picture.missing(path=path, photograph=photograph)
