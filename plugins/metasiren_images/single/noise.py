"""Pictures of noise, for learned initial weights."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from metasiren import Batch, Context, Dataset, Domain, RecipeError, grid
from metasiren_images.single.sampling import Sample, check_points


class NoisePictures(Dataset):
    """Several pictures of noise as the channels of one signal, in [-1, 1]; the point set is `pixels`.

    arXiv 2603.29034 fits SIREN layers to ten pictures of uniform noise, or of noise with the spectrum 1/f of
    photographs, freezes them, and gives each new picture a last layer of its own.

    Args:
        kind: `uniform`, each pixel by itself; or `pink`, whose amplitudes fall as 1/f from the lowest frequency, with
            three standard deviations at the ends of the range.
        pictures: their number, and that of the channels.
        size: pixels along a side.
        points: random pixels of a training step; left out, all of them.
        seed: of the noise.

    Raises:
        RecipeError: a number that is too small.
    """

    renderer = None

    def __init__(
        self,
        *,
        kind: Literal["uniform", "pink"] = "pink",
        pictures: int = 10,
        size: int = 64,
        points: int | None = None,
        seed: int = 0,
    ) -> None:
        check_points(points)
        if pictures < 1 or size < 4:
            found = f"{pictures} pictures of {size} pixels."
            raise RecipeError("data: noise_pictures", found, "Give one or more, of four pixels or more.")
        rng = np.random.default_rng(seed)
        if kind == "uniform":
            values = rng.uniform(-1, 1, (size, size, pictures))
        else:
            values = pink(rng.standard_normal((size, size, pictures)))
        self.title = f"{pictures} pictures of {kind} noise, {size} x {size}"
        self.splits, self.domain = {"train": 1, "test": 1}, Domain(2, pictures, (size, size))
        self.provenance = {"source": f"{kind} noise, seed {seed}"}
        self.points = points
        known = torch.from_numpy(values.reshape(-1, pictures)).float()
        self._sample = Sample(grid((size, size)), {"values": known})

    def batch(
        self,
        split: str,
        items: Tensor,
        *,
        context: tuple[int, int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Batch:
        """The pixels of a training step, or (split `test`) all of them; see `metasiren.Dataset.batch`."""
        drawn = self._sample.draw(self.points if split == "train" else None, generator)
        return Batch(Context.empty(items, self.domain), {"pixels": drawn})

    def to(self, device: torch.device | str) -> NoisePictures:
        """Move everything, and return the data set."""
        self._sample = self._sample.to(device)
        return self


def pink(white: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """White noise (rows, columns, ...) with amplitudes divided by frequency, clipped at three deviations."""
    rows, columns = white.shape[:2]
    frequency = np.hypot(np.fft.fftfreq(rows)[:, None] * rows, np.fft.fftfreq(columns)[None] * columns)
    frequency[0, 0] = np.inf
    spectrum = np.fft.fft2(white, axes=(0, 1)) / frequency.reshape(rows, columns, *[1] * (white.ndim - 2))
    made = np.fft.ifft2(spectrum, axes=(0, 1)).real
    scaled: np.ndarray[Any, Any] = (made / (3 * made.std(axis=(0, 1), keepdims=True))).clip(-1, 1)
    return scaled
