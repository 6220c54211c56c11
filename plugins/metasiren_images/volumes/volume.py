"""A scalar field in space, sampled on a grid of voxels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import RegularGridInterpolator
from torch import Tensor

from metasiren import (
    Batch,
    Context,
    DataError,
    Dataset,
    Domain,
    RecipeError,
    demand_file,
    demand_memory,
    grid,
    why_no_file,
)
from metasiren_images.single.sampling import Sample, check_points

Array = np.ndarray[Any, np.dtype[np.float64]]

BETWEEN = 50_000
"""Points between the samples that tests see, at most."""


def marschner_lobb(coords: Array, frequency: float = 6.0, alpha: float = 0.25) -> Array:
    """The test signal of Marschner and Lobb 1994, "An evaluation of reconstruction filters for volume rendering".

    Args:
        coords: (..., 3) in [-1, 1].
        frequency: of the rings; 6 in the paper, where 40 samples along an axis just resolve them.
        alpha: their strength.

    Returns:
        (...,) in [0, 1].
    """
    x, y, z = np.moveaxis(coords, -1, 0)
    rings = np.cos(2 * np.pi * frequency * np.cos(np.pi * np.hypot(x, y) / 2))
    found: Array = (1 - np.sin(np.pi * z / 2) + alpha * (1 + rings)) / (2 * (1 + alpha))
    return found


class Volume(Dataset):
    """Voxels of a file or of Marschner and Lobb's signal, scaled to [-1, 1].

    The point set `samples` has as targets the `values` of the training voxels. In the split `test` it has all of them,
    and `between` has values that training does not use: of the formula at random points, of a file at the other voxels.

    Args:
        path: an .npy file of numbers, (depth, rows, columns); left out, the formula.
        size: samples of the formula along an axis, 40 by default.
        frequency: of the formula's rings, 6 by default.
        every: of a file, training uses every so many-th voxel along each axis.
        points: random voxels of a training step; left out, all of them.
        seed: of the points between samples.

    Raises:
        DataError: a file that is no such array, holds numbers that are not finite, or one value only.
        RecipeError: numbers that are too small.
    """

    def __init__(
        self,
        *,
        path: Path | None = None,
        size: int | None = None,
        frequency: float | None = None,
        every: int = 2,
        points: int | None = None,
        seed: int = 0,
    ) -> None:
        check_points(points)
        size, frequency = 40 if size is None else size, 6.0 if frequency is None else frequency
        if size < 2 or every < 1 or not frequency > 0:
            found = f"size is {size}, every is {every}, frequency is {frequency}."
            raise RecipeError(
                "data: volume", found, "Give a size of 2 or more, every of 1 or more, a frequency above 0."
            )
        if path is None:
            at = grid((size,) * 3, dtype=torch.float64).numpy()
            self.whole = 2 * marschner_lobb(at, frequency).reshape((size,) * 3) - 1
            self.every, name = 1, "marschner_lobb"
        else:
            self.whole, self.every, name = _read(path), every, path.stem
        self.known = self.whole[:: self.every, :: self.every, :: self.every]
        self.title = f"{name}, {' x '.join(map(str, self.known.shape))} voxels" + (
            f" of {' x '.join(map(str, self.whole.shape))}" if self.every > 1 else ""
        )
        self.splits, self.domain = {"train": 1, "test": 1}, Domain(3, 1, self.whole.shape)
        self.provenance = {"source": str(path) if path else "Marschner and Lobb 1994"}
        self.metadata = {"title": name, "size": list(self.whole.shape), "range": [-1.0, 1.0]}
        self.points = points
        coords = grid(self.whole.shape).reshape(*self.whole.shape, 3)
        seen = coords[:: self.every, :: self.every, :: self.every].reshape(-1, 3)
        self._samples = Sample(seen, {"values": _column(self.known)})
        rng = np.random.default_rng(seed)
        if path is None:
            at = rng.uniform(-1, 1, (BETWEEN, 3))
            self._between = Sample(
                torch.from_numpy(at).float(), {"values": _column(2 * marschner_lobb(at, frequency) - 1)}
            )
        else:
            others = _others(self.whole.shape, every, rng)
            self._between = Sample(coords.reshape(-1, 3)[others], {"values": _column(self.whole.ravel()[others])})

    def batch(
        self,
        split: str,
        items: Tensor,
        *,
        context: tuple[int, int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Batch:
        """Voxels, and (split `test`) what lies between; see `metasiren.Dataset.batch`."""
        sets = {"samples": self._samples.draw(self.points if split == "train" else None, generator)}
        if split == "test" and len(self._between.coords):
            sets["between"] = self._between.all()
        return Batch(Context.empty(items, self.domain), sets)

    def interpolated(self, method: Literal["linear", "cubic"]) -> Array | None:
        """Values at the points between, from the seen voxels by scipy.

        Args:
            method: `linear`, which needs two seen voxels along each axis; or `cubic`, which needs four.

        Returns:
            (points,), or None where there are fewer.
        """
        if min(self.known.shape) < (4 if method == "cubic" else 2):
            return None
        axes = [np.linspace(-1, 1, n)[:: self.every] for n in self.whole.shape]
        # Extrapolated by rounding errors only: coordinates in float32 can lie beyond the last seen voxel.
        within = RegularGridInterpolator(axes, self.known, method=method, bounds_error=False, fill_value=None)
        found: Array = within(self._between.coords.cpu().double().numpy())
        return found

    def to(self, device: torch.device | str) -> Volume:
        """Move everything, and return the data set."""
        self._samples, self._between = self._samples.to(device), self._between.to(device)
        return self

    @classmethod
    def unused(cls, *, path: Path | str | None = None, **options: Any) -> Mapping[str, str]:
        """A file has its own size and no rings; the formula is sampled whole."""
        return {"every": "path"} if path is None else {"size": "path", "frequency": "path"}

    @classmethod
    def missing(cls, *, path: Path | str | None = None, **options: Any) -> str | None:
        """Why this volume cannot be used here."""
        return None if path is None else why_no_file(path, "Give an .npy file with --set data.path=FILE")


def _column(values: Array) -> Tensor:
    return torch.from_numpy(values.reshape(-1, 1)).float()


def _read(path: Path) -> Array:
    demand_file(path, "Give an .npy file.")
    with path.open("rb") as file:
        if file.read(6) != b"\x93NUMPY":
            advice = "Give an array (depth, rows, columns) written by numpy.save."
            raise DataError(str(path), "not an .npy file: it does not begin as one.", advice)
    try:
        # Mapped into memory: a header that declares more than the file holds is refused before anything is allocated.
        held = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # numpy's headers are Python literals, which fail in every way there is
        reason = f"{error}".splitlines()[0][:200] if str(error) else type(error).__name__
        raise DataError(str(path), f"no .npy file of numbers: {reason}.", "Give one written by numpy.save.") from None
    if not isinstance(held, np.ndarray) or held.ndim != 3 or held.dtype.kind not in "iufb":
        found = f"an array of {getattr(held, 'dtype', 'several')}, shape {getattr(held, 'shape', '')}."
        raise DataError(str(path), found, "Give real numbers, (depth, rows, columns).")
    demand_memory(4 * 8 * held.size, str(path), "Give a smaller volume.")
    values = held.astype(np.float64)
    if values.size == 0 or not np.isfinite(values).all() or np.ptp(values) == 0:
        raise DataError(str(path), "its numbers are all the same, or not all finite.", "Give a volume that varies.")
    unit: Array = (values - values.min()) / np.ptp(values)
    return 2 * unit - 1


def _others(shape: tuple[int, ...], every: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Row-major numbers of voxels that training does not use, within the box of those that it uses."""
    unseen = np.zeros(shape, bool)
    unseen[tuple(slice((n - 1) // every * every + 1) for n in shape)] = True
    unseen[::every, ::every, ::every] = False
    found = np.flatnonzero(unseen)
    return found[rng.permutation(len(found))[:BETWEEN]]
