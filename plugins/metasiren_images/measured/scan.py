"""A measured sinogram from a file, and line integrals of a picture along lines that training did not use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from metasiren import DataError, demand_file, demand_memory
from metasiren_images.single.views import Array

LEAST_OFFSETS, LEAST_ANGLES = 16, 4
LAYOUT = "Give real numbers (offsets, angles over half a turn), as of skimage.transform.radon(picture, circle=True)."


def read_sinogram(path: Path) -> Array:
    """A sinogram (offsets, angles) from a .npy file, with an odd number of offsets; nothing is unpickled.

    The rotation axis is at offset `offsets // 2`, as in `skimage.transform.radon`. Where the number is even a row of
    zeros is added at the end: its lines touch the disc in a point.

    Raises:
        DataError: no such file, or another array.
    """
    demand_file(path, "Give a sinogram (.npy) or a picture.")
    try:
        held = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(str(path), f"not readable as an array: {error}", LAYOUT) from None
    if held.ndim != 2 or held.dtype.kind not in "iuf":
        raise DataError(str(path), f"an array of {held.dtype}, shape {held.shape}.", LAYOUT)
    if held.shape[0] < LEAST_OFFSETS or held.shape[1] < LEAST_ANGLES:
        found = f"{held.shape[0]} offsets and {held.shape[1]} angles; {LEAST_OFFSETS} and {LEAST_ANGLES} are the least."
        raise DataError(str(path), found, LAYOUT)
    demand_memory(64 * held.size, str(path), "Give fewer offsets or angles.")
    sinogram = np.asarray(held, dtype=np.float64)
    if not np.isfinite(sinogram).all():
        offset, angle = np.argwhere(~np.isfinite(sinogram))[0]
        raise DataError(str(path), f"offset {offset} of angle {angle} is {sinogram[offset, angle]}.", "Repair it.")
    if not sinogram.max() > 0:
        raise DataError(str(path), "no line integral is above 0.", LAYOUT)
    return sinogram if len(sinogram) % 2 else np.concatenate([sinogram, np.zeros_like(sinogram[:1])])


def projected(picture: Array, coords: Tensor, weights: Tensor) -> Tensor:
    """Line integrals (lines,) of a picture, which is interpolated linearly between its pixels.

    Args:
        picture: (rows, columns, 1).
        coords: (lines, samples, 2), row and column in [-1, 1]; see `along`.
        weights: (lines,), the length that each sample stands for.
    """
    values = torch.from_numpy(np.moveaxis(picture, -1, 0)[None].astype(np.float32)).to(coords.device)
    found = grid_sample(values, coords.flip(-1).unsqueeze(0).to(values.dtype), align_corners=True)
    return found[0, 0].sum(-1) * weights
