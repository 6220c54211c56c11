"""Several pictures as the channels of one signal: one network whose hidden layers all pictures share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from metasiren import Batch, Context, DataError, Dataset, Domain, Points, grid, width_by_height
from metasiren_priors.data.faces import Faces
from metasiren_priors.data.imageset import ImageSet
from metasiren_priors.data.sketch_faces import SketchFaces


class StackedPictures(Dataset):
    """Training pictures of a set, one after another as the channels of one signal; the point set is `pixels`.

    A network that is fitted to them has an output layer of each picture's own on hidden layers that all share. Vyas et
    al. 2024 ("Learning Transferable Features for Implicit Neural Representations", Strainer, arXiv 2409.09566) begin
    other pictures with these hidden layers. The network is evaluated once for all pictures.

    Args:
        path: a folder of pictures, an .npz file or prepared CelebA; left out, sketch faces.
        pictures: how many, from the start of the training split.
        size: rows and columns, 32 by default; an .npz file has its own.
        resize: the filter, bilinear by default; an .npz file has its own, and sketch faces have none.
        points: random pixels of a training step, the same for all pictures; left out, all of them.

    Raises:
        DataError: fewer pictures than asked for, or none asked for; points below one; what `faces` raises.
    """

    renderer = None

    def __init__(
        self,
        *,
        path: Path | None = None,
        pictures: int = 10,
        size: int | None = None,
        resize: Literal["nearest", "bilinear", "bicubic"] | None = None,
        points: int | None = None,
    ) -> None:
        if pictures < 1 or (points is not None and points < 1):
            found = f"{pictures} pictures, {points} points."
            raise DataError("data: stacked_pictures", found, "Give one picture or more, and one point or more.")
        held: ImageSet
        if path is None:
            held = SketchFaces(train=pictures, val=0, test=0, size=32 if size is None else size)
        else:
            held = Faces(path=path, size=size, resize=resize)
        if held.splits["train"] < pictures:
            found = f"{held.splits['train']} training pictures, {pictures} asked for."
            raise DataError(f"data: stacked_pictures: {path}", found, "Set data.pictures to no more than there are.")
        shape, channels = held.domain.grid, held.domain.d_out
        assert shape is not None
        values = held.values("train", torch.arange(pictures))
        self._values = values.transpose(0, 1).reshape(1, -1, pictures * channels)
        self._coords = grid(shape).unsqueeze(0)
        self.points = points if points is not None and points < self._values.shape[1] else None
        self.title = f"{pictures} pictures of {held.title}, {width_by_height(shape)}"
        self.provenance = held.provenance
        self.splits, self.domain = {"train": 1, "test": 1}, Domain(2, pictures * channels, shape)

    def batch(
        self,
        split: str,
        items: Tensor,
        *,
        context: tuple[int, int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Batch:
        """The pixels of a training step, or (split `test`) all of them; see `metasiren.Dataset.batch`."""
        coords, values = self._coords, self._values.clone()
        if split == "train" and self.points is not None:
            size, device = coords.shape[1], coords.device
            chosen = torch.randint(size, (self.points,), generator=generator, device=device)
            coords, values = coords[:, chosen], values[:, chosen]
        return Batch(Context.empty(items, self.domain), {"pixels": Points(coords, {"values": values})})

    def to(self, device: torch.device | str) -> StackedPictures:
        """Move everything, and return the data set."""
        self._coords, self._values = self._coords.to(device), self._values.to(device)
        return self

    @classmethod
    def unused(cls, *, path: Path | str | None = None, **options: Any) -> Mapping[str, str]:
        """As `Faces.unused`; sketch faces are drawn, not resized."""
        if path is None:
            return {"resize": "path"}
        return {option: reason for option, reason in Faces.unused(path=path).items() if option != "filter"}

    @classmethod
    def missing(cls, *, path: Path | str | None = None, **options: Any) -> str | None:
        """Why these pictures cannot be used here; sketch faces always can."""
        return None if path is None else Faces.missing(path=path)
