"""One picture with noise on every pixel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from metasiren import Points, RecipeError, grid
from metasiren_images.measured.picture import MeasuredPicture
from metasiren_images.single.photograph import Crop, source_of
from metasiren_images.single.pixels import flat, name_of, pixels_of, shape_note, size_in_words
from metasiren_images.single.sampling import Sample, check_points
from metasiren_images.single.views import Array


class NoisyPicture(MeasuredPicture):
    """Pixels with independent Gaussian noise, which is not clipped; the point set `observed` has their `values`.

    Args:
        photograph: the name of a photograph that scikit-image ships, such as camera, astronaut, coffee or cat.
        path: a file, in place of the photograph.
        size: pixels of the longer side, which keeps the proportions, or [rows, columns]; left out, as it is.
        crop: none, square (the centre) or top_left (the square there).
        grey: make one channel of colours.
        sigma: standard deviation of the noise, black being 0 and white 1.
        noise_seed: of the noise.
        points: random pixels of a training step; left out, all of them.
        prior_points: points of `free`.

    Raises:
        DataError: a picture that cannot be read.
        RecipeError: a sigma that is not positive, or numbers of points below one.
    """

    instead_of: ClassVar = {"path": "photograph"}

    def __init__(
        self,
        *,
        photograph: str | None = "camera",
        path: Path | None = None,
        size: int | tuple[int, int] | None = None,
        crop: Crop = "none",
        grey: bool = False,
        sigma: float = 0.1,
        noise_seed: int = 0,
        points: int | None = None,
        prior_points: int = 4096,
    ) -> None:
        if not sigma > 0:
            raise RecipeError("data: sigma", f"{sigma}.", "Give a number above 0; 0.1 is a tenth of white.")
        check_points(points)
        source = source_of(photograph, path)
        truth = pixels_of(source, size=size, crop=crop, grey=grey)
        name = name_of(source)
        title = f"{name}, {size_in_words(truth.shape)}, noise of {sigma:g}"
        super().__init__(truth, truth.shape, title, name, prior_points)
        shape_words = shape_note(source, size=size, crop=crop)
        self.provenance = {
            "source": str(source),
            "noise": f"sigma {sigma:g}, seed {noise_seed}",
            **shape_words,
        }
        self.sigma, self.points = sigma, points
        self._noisy = truth + sigma * np.random.default_rng(noise_seed).standard_normal(truth.shape)
        self.seen = self._noisy.clip(0, 1)
        self._observed = Sample(grid(truth.shape[:2]), {"values": flat(2 * self._noisy - 1)})

    def measured(self, train: bool, generator: torch.Generator | None) -> Mapping[str, Points]:
        """See `MeasuredPicture.measured`."""
        return {"observed": self._observed.draw(self.points if train else None, generator)}

    def others(self) -> Mapping[str, Array]:
        """Total variation (Chambolle) of weight `sigma`, and non-local means with the true `sigma`, by scikit-image."""
        from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

        tv = denoise_tv_chambolle(self._noisy, weight=self.sigma, channel_axis=-1)  # type: ignore[no-untyped-call]
        means = denoise_nl_means(
            self._noisy, patch_size=5, patch_distance=6, h=0.8 * self.sigma, sigma=self.sigma, channel_axis=-1
        )
        return {
            "the noisy picture": self.seen,
            "total variation": tv.clip(0, 1),
            "non-local means": means.reshape(tv.shape).clip(0, 1),
        }
