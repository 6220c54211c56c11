"""A picture that is measured along lines: computed tomography with parallel beams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from skimage.transform import iradon, iradon_sart
from torch import Tensor

from metasiren import Points, RecipeError
from metasiren_images.measured.ellipses import PHANTOM, inside, line_integrals
from metasiren_images.measured.picture import MeasuredPicture
from metasiren_images.single.sampling import check_points
from metasiren_images.single.views import Array

LEAST = 16
SUPERSAMPLED = 4
"""Points along the side of a true pixel, of which it is the mean."""


class Sinogram(MeasuredPicture):
    """Line integrals of the Shepp-Logan phantom, in closed form, with Gaussian noise.

    The field's value v in [-1, 1] stands for the density (v + 1) / 2 in [0, 1], which is 0 outside the unit disc. The
    point set `measured` has the points of some lines: line integrals of v over the chord in the disc, by one random
    point in each of `samples` equal parts, are compared with twice the measured integral less the chord's length.
    Coordinate 0 runs down the rows, coordinate 1 along the columns.

    Args:
        size: pixels along a side of the picture, an odd number; and offsets of the lines.
        angles: of the beams, equally spaced over half a turn.
        noise: standard deviation, as a share of the greatest line integral.
        noise_seed: of the noise.
        lines: of a training step, drawn at random.
        samples: points of each.
        prior_points: points of `free`.

    Raises:
        RecipeError: a size that is even or below 16, a negative noise, or numbers below one.
    """

    def __init__(
        self,
        *,
        size: int = 129,
        angles: int = 60,
        noise: float = 0.01,
        noise_seed: int = 0,
        lines: int = 256,
        samples: int = 64,
        prior_points: int = 4096,
    ) -> None:
        for option, number in (("angles", angles), ("lines", lines), ("samples", samples)):
            check_points(number, option)
        if size < LEAST or size % 2 == 0:
            raise RecipeError("data: size", f"{size}.", f"Give an odd number above {LEAST}: lines pass the centre.")
        if noise < 0:
            raise RecipeError(
                "data: noise", f"{noise}.", "Give 0 or more; 0.01 is a hundredth of the greatest integral."
            )
        truth = phantom(size)[..., None]
        title = f"Shepp-Logan, {size} x {size}, {angles} angles, noise of {noise:g}"
        super().__init__(truth, title, "shepp_logan", prior_points)
        self.provenance = {"source": "ten ellipses", "noise": f"{noise:g} of the greatest, seed {noise_seed}"}
        self.angles, self.lines, self.samples = np.pi * np.arange(angles) / angles, lines, samples
        self.offsets = np.linspace(-1, 1, size)
        exact = line_integrals(PHANTOM, self.angles, self.offsets)
        self.integrals = exact + noise * exact.max() * np.random.default_rng(noise_seed).standard_normal(exact.shape)
        self.seen = (self.integrals / exact.max()).clip(0, 1)[..., None]
        offset, angle = np.meshgrid(self.offsets, self.angles, indexing="ij")
        rows = np.stack([offset, angle, self.integrals], -1).reshape(-1, 3)
        # Lines that touch the disc in a point measure nothing.
        self._lines = torch.from_numpy(rows[np.abs(rows[:, 0]) < 1]).float()

    def measured(self, train: bool, generator: torch.Generator | None) -> Mapping[str, Points]:
        """See `MeasuredPicture.measured`; outside training all lines, through the middles of their parts."""
        lines, device = self._lines, self._lines.device
        if train and self.lines < len(lines):
            lines = lines[torch.randint(len(lines), (self.lines,), generator=generator, device=device)]
        place: Tensor | float = 0.5
        if train:
            place = torch.rand(len(lines), self.samples, generator=generator, device=device)
        coords, weights = along(lines[:, 0], lines[:, 1], self.samples, place)
        length = self.samples * weights
        of = torch.arange(len(lines), device=device).repeat_interleave(self.samples).reshape(1, -1, 1)
        known = {"values": 2 * lines[:, 2] - length, "weights": weights}
        targets = {name: each.repeat_interleave(self.samples).reshape(1, -1, 1) for name, each in known.items()}
        return {"measured": Points(coords.reshape(1, -1, 2), {**targets, "of": of})}

    def others(self) -> Mapping[str, Array]:
        """Filtered back-projection with two filters, and two passes of SART, by scikit-image."""
        pitch, degrees = 2 / (len(self.offsets) - 1), np.rad2deg(self.angles)
        known = self.integrals / pitch
        options: dict[str, Any] = {"theta": degrees, "circle": True}
        # Neither function has types.
        filtered: Any = iradon
        once: Any = iradon_sart
        made = {f"back-projection, {name}": filtered(known, filter_name=name, **options) for name in ("ramp", "hann")}
        made["SART, 2 passes"] = once(known, theta=degrees, image=once(known, theta=degrees))
        return {name: picture.clip(0, 1)[..., None] for name, picture in made.items()}

    @classmethod
    def missing(cls, **options: Any) -> str | None:
        """Nothing: the phantom is a formula."""
        return None


def along(offsets: Tensor, angles: Tensor, samples: int, place: Tensor | float) -> tuple[Tensor, Tensor]:
    """Points on chords of the unit disc, and the weight of each in a line integral.

    The line is column cos(angle) - row sin(angle) = offset, as in `skimage.transform.radon`.

    Args:
        offsets: (lines,), of size below one.
        angles: (lines,) in radians.
        samples: parts of a chord.
        place: in [0, 1], of the point in each part: (lines, samples), or one for all.

    Returns:
        (lines, samples, 2) coordinates: row, column; (lines,) the length of a part.
    """
    half = (1 - offsets.square()).sqrt()
    parts = torch.arange(samples, device=offsets.device, dtype=offsets.dtype)
    t = half.unsqueeze(-1) * (2 * (parts + place) / samples - 1)
    c, s, p = torch.cos(angles).unsqueeze(-1), torch.sin(angles).unsqueeze(-1), offsets.unsqueeze(-1)
    return torch.stack([-p * s + t * c, p * c + t * s], -1), 2 * half / samples


def phantom(size: int) -> Array:
    """The true picture (size, size), each pixel the mean over a square of points within it."""
    fine = (np.arange(SUPERSAMPLED) + 0.5) / SUPERSAMPLED - 0.5
    axis = ((np.arange(size)[:, None] + fine).ravel() - (size - 1) / 2) * 2 / (size - 1)
    picture = inside(PHANTOM, axis[None, :], -axis[:, None])
    blocks = picture.reshape(size, SUPERSAMPLED, size, SUPERSAMPLED).mean((1, 3))
    found: Array = blocks.clip(0, 1)
    return found
