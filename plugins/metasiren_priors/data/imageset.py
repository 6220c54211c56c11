"""A set of small images in memory, from which contexts are drawn where the images lie."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, get_args

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from metasiren import Batch, Context, DataError, Dataset, Domain, Points, grid
from metasiren_priors.data.decode import Filter
from metasiren_priors.data.own_pictures import open_pictures

FILTERS = get_args(Filter)


def to_values(images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """uint8 images (n, rows, columns, channels) -> values (n, pixels, channels) in [-1, 1]."""
    return rearrange(images, "n h w c -> n (h w) c").to(dtype) / 127.5 - 1


def sample_cells(
    batch: int, size: int, counts: tuple[int, int], generator: torch.Generator | None, device: torch.device | str
) -> tuple[Tensor, Tensor]:
    """Draw cells without replacement, a number of them between `counts` (both included) for each item.

    Returns:
        cells (batch, most) long, and mask (batch, most) bool: which of them count.
    """
    low, most = counts
    order = torch.rand(batch, size, generator=generator, device=device).argsort(dim=1)[:, :most]
    number = torch.randint(low, most + 1, (batch, 1), generator=generator, device=device)
    return order, torch.arange(most, device=device) < number


def observe(
    values: Tensor, cells: Tensor, mask: Tensor, items: Tensor, coords: Tensor, shape: tuple[int, ...]
) -> Context:
    """The context that holds `values` at `cells` where `mask` is true.

    Args:
        values: (batch, pixels, channels) in [-1, 1].
        cells: (batch, pairs) long.
        mask: (batch, pairs) bool.
        items: (batch,) indices.
        coords: (pixels, 2), the grid's coordinates.
        shape: the grid's shape.
    """
    seen = mask.unsqueeze(-1).to(values.dtype)
    return Context(
        items=items,
        coords=coords[cells] * seen,
        values=values.gather(1, cells.unsqueeze(-1).expand(-1, -1, values.shape[-1])) * seen,
        mask=mask,
        grid=shape,
        cells=cells * mask,
    )


def _lay(array: np.ndarray[Any, Any], device: torch.device | str) -> Tensor:
    """A copy of an array on a device, made piece by piece: a memory-mapped one is never whole in memory."""
    whole = torch.empty(array.shape, dtype=torch.uint8, device=device)
    for start in range(0, len(array), 8192):
        whole[start : start + 8192] = torch.from_numpy(np.array(array[start : start + 8192])).to(device)
    return whole


class ImageSet(Dataset):
    """Images of one size, as uint8 arrays (memory-mapped or not), by split.

    Args:
        title: the set's true name, as tables print it.
        arrays: split -> uint8 (images, rows, columns, channels).
        provenance: where the data comes from, as tables print it, such as {"filter": "bilinear"}.
        mirror: show half of the training images, drawn anew each time, mirrored left to right.

    Raises:
        DataError: no images, arrays of differing sizes, or not uint8.
    """

    renderer = "picture"

    def __init__(
        self,
        title: str,
        arrays: Mapping[str, np.ndarray[Any, Any]],
        provenance: Mapping[str, str],
        *,
        mirror: bool = False,
    ) -> None:
        shapes = {split: a.shape[1:] for split, a in arrays.items()}
        if not arrays or any(a.dtype != np.uint8 or a.ndim != 4 for a in arrays.values()):
            found = {split: (a.dtype.name, a.shape) for split, a in arrays.items()}
            raise DataError(f"data: {title}", f"found {found}.", "Give uint8 arrays (images, rows, columns, channels).")
        if len(set(shapes.values())) > 1:
            raise DataError(f"data: {title}", f"splits differ in size: {shapes}.", "Prepare them with one size.")
        if not len(arrays.get("train", ())):
            raise DataError(f"data: {title}", f"no training images among {sorted(arrays)}.", "Give a split 'train'.")
        height, width, channels = next(iter(shapes.values()))
        self.title, self.provenance, self.mirror = title, provenance, mirror
        self.splits = {split: len(a) for split, a in arrays.items()}
        self.domain = Domain(d_in=2, d_out=channels, grid=(height, width), items=self.splits["train"])
        self._arrays = dict(arrays)
        self._resident: dict[str, Tensor] = {}
        self._coords = grid((height, width))

    @property
    def device(self) -> torch.device:
        """Where coordinates, and images that fit, lie."""
        return self._coords.device

    def to(self, device: torch.device | str) -> Self:
        """Lay the arrays on a GPU where they take at most a quarter of its free memory; on the CPU leave them."""
        self._coords, self._resident = self._coords.to(device), {}
        if torch.device(device).type == "cuda":
            free, _ = torch.cuda.mem_get_info(torch.device(device))
            if sum(a.nbytes for a in self._arrays.values()) <= free // 4:
                self._resident = {split: _lay(array, device) for split, array in self._arrays.items()}
        return self

    def images(self, split: str, items: Tensor | slice = slice(None)) -> Tensor:
        """uint8 images (n, rows, columns, channels) of a split, on the dataset's device."""
        if split in self._resident:
            return self._resident[split][items]
        index = items.cpu().numpy() if isinstance(items, Tensor) else items
        return torch.from_numpy(np.array(self._arrays[split][index])).to(self.device)

    def values(self, split: str, items: Tensor | slice = slice(None)) -> Tensor:
        """Values (n, pixels, channels) in [-1, 1]."""
        return to_values(self.images(split, items))

    def context(self, values: Tensor, cells: Tensor, mask: Tensor, items: Tensor) -> Context:
        """The context that holds `values` (batch, pixels, channels) at `cells` (batch, pairs) where `mask` is true."""
        assert self.domain.grid is not None
        return observe(values, cells, mask, items, self._coords, self.domain.grid)

    def tested_on(self, path: Path) -> ImageSet:
        """The same training images with all pictures at `path` as `val` and `test`; see `metasiren.Dataset.tested_on`.

        Args:
            path: a picture, a folder of pictures, an .npz file or prepared CelebA; resized as these images are.

        Raises:
            DataError: no pictures there, or of another size or number of channels than these.
        """
        assert self.domain.grid is not None
        rows, columns = self.domain.grid
        wanted, made_with = (rows, columns, self.domain.d_out), self.provenance.get("filter")
        resize: Filter = next((each for each in FILTERS if each == made_with), "bilinear")
        other = open_pictures(path, size=rows, resize=resize)
        if other.shape != wanted:
            shapes = ["x".join(map(str, shape)) for shape in (other.shape, wanted)]
            raise DataError(str(path), f"pictures of {shapes[0]}; the model is for {shapes[1]}.", "Give such pictures.")
        arrays = {"train": self._arrays["train"], "val": other.pictures, "test": other.pictures}
        provenance, known = dict(other.provenance), {hash(each.tobytes()) for each in self._arrays["train"]}
        if seen := sum(hash(each.tobytes()) in known for each in other.pictures):
            words = f"{seen:,} of them are training pictures, whose errors are smaller than those of others"
            provenance["shape"] = "; ".join(filter(None, [provenance.get("shape"), words]))
        made = ImageSet(other.title, arrays, provenance)
        return made.to(self.device)

    def _mirrored(self, values: Tensor, chosen: Tensor) -> Tensor:
        """The chosen images (batch,) of values (batch, pixels, channels) with left and right exchanged."""
        assert self.domain.grid is not None
        rows, columns = self.domain.grid
        across = rearrange(values, "n (h w) c -> n h w c", h=rows, w=columns)
        flipped = rearrange(across.flip(2), "n h w c -> n (h w) c")
        return torch.where(chosen.view(-1, 1, 1), flipped, values)

    def batch(
        self,
        split: str,
        items: Tensor,
        *,
        context: tuple[int, int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Batch:
        """Whole images as the point set `pixels`, and a context of `context` random pixels (all, where None)."""
        values = self.values(split, items)
        if self.mirror and split == "train":
            values = self._mirrored(values, torch.rand(len(items), generator=generator, device=self.device) < 0.5)
        size = values.shape[1]
        counts = (min(context[0], size), min(context[1], size)) if context else (size, size)
        cells, mask = sample_cells(len(items), size, counts, generator, self.device)
        pixels = Points(self._coords.unsqueeze(0), {"values": values})
        return Batch(self.context(values, cells, mask, items), {"pixels": pixels})
