"""A picture that is measured along lines: computed tomography with parallel beams."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skimage.transform import iradon, iradon_sart, radon
from torch import Tensor

from metasiren import Points, RecipeError, why_no_file
from metasiren_images.measured.ellipses import PHANTOM, inside, line_integrals
from metasiren_images.measured.picture import MeasuredPicture
from metasiren_images.measured.scan import projected, read_sinogram
from metasiren_images.single.pixels import name_of, pixels_of
from metasiren_images.single.sampling import check_points
from metasiren_images.single.views import Array

LEAST = 16
EVERY = 8
"""One in so many angles of a measured sinogram is held out."""
SUPERSAMPLED = 4
"""Points along the side of a true pixel, of which it is the mean."""


class Sinogram(MeasuredPicture):
    """Line integrals of the Shepp-Logan phantom in closed form, of a picture, or from a file.

    The field's value v in [-1, 1] stands for the density (v + 1) / 2 in [0, 1], which is 0 outside the unit disc. The
    point set `measured` has the points of some lines: line integrals of v over the chord in the disc, by one random
    point in each of `samples` equal parts, are compared with twice the measured integral less the chord's length.
    Coordinate 0 runs down the rows, coordinate 1 along the columns.

    A measured sinogram has no true picture. Every eighth of its angles is kept out of training instead, and the metric
    is `held_out_relative_l2`: the relative L2 error of line integrals along these, of the field's pixels as of others'.

    Args:
        path: a sinogram (.npy, see `read_sinogram`), or a picture whose grey values inside the unit disc are the
            density; in place of the phantom.
        white: the density that 1 stands for in a sinogram's picture, in the file's unit per pixel; left out, the
            greatest of its filtered back-projection.
        size: pixels along a side of the picture, an odd number, 129 by default; and offsets of the lines. A sinogram
            has its own.
        angles: of the beams, equally spaced over half a turn, 60 by default. A sinogram has its own.
        noise: standard deviation, as a share of the greatest line integral, 0.01 by default; none is added to a
            sinogram's.
        noise_seed: of the noise, 0 by default.
        lines: of a training step, drawn at random.
        samples: points of each.
        prior_points: points of `free`.

    Raises:
        DataError: a file that cannot be read.
        RecipeError: a size that is even or below 16, a negative noise, or numbers below one.
    """

    def __init__(
        self,
        *,
        path: Path | None = None,
        white: float | None = None,
        size: int | None = None,
        angles: int | None = None,
        noise: float | None = None,
        noise_seed: int | None = None,
        lines: int = 256,
        samples: int = 64,
        prior_points: int = 4096,
    ) -> None:
        size, angles = 129 if size is None else size, 60 if angles is None else angles
        noise, noise_seed = 0.01 if noise is None else noise, noise_seed or 0
        for option, number in (("angles", angles), ("lines", lines), ("samples", samples)):
            check_points(number, option)
        if size < LEAST or size % 2 == 0:
            raise RecipeError("data: size", f"{size}.", f"Give an odd number above {LEAST}: lines pass the centre.")
        if noise < 0:
            raise RecipeError(
                "data: noise", f"{noise}.", "Give 0 or more; 0.01 is a hundredth of the greatest integral."
            )
        if white is not None and not white > 0:
            raise RecipeError("data: white", f"{white}.", "Give a number above 0, or leave it out.")
        self.lines, self.samples = lines, samples
        if path is not None and _holds_integrals(path):
            self._measure_file(Path(path).expanduser(), white, prior_points)
        else:
            self._measure(path, size, angles, noise, noise_seed, prior_points)
        self.seen = (self.integrals / self.integrals.max()).clip(0, 1)[..., None]

    def _measure(
        self, path: Path | None, size: int, angles: int, noise: float, noise_seed: int, prior_points: int
    ) -> None:
        """Line integrals of the phantom or of a picture, with noise."""
        self.angles, self.offsets = np.pi * np.arange(angles) / angles, np.linspace(-1, 1, size)
        if path is None:
            truth, name, title = phantom(size)[..., None], "shepp_logan", "Shepp-Logan"
            exact = line_integrals(PHANTOM, self.angles, self.offsets)
            self.provenance = {"source": "ten ellipses"}
        else:
            truth = pixels_of(Path(path), size=(size, size), crop="square", grey=True)
            truth = truth * _disc(self.offsets)
            name = title = name_of(Path(path))
            project: Any = radon  # it has no types
            exact = project(truth[..., 0], theta=np.rad2deg(self.angles), circle=True) * 2 / (size - 1)
            self.provenance = {"source": str(path), "shape": f"its grey values inside a disc of {size} x {size} pixels"}
        title = f"{title}, {size} x {size}, {angles} angles, noise of {noise:g}"
        super().__init__(truth, truth.shape, title, name, prior_points)
        self.provenance["noise"] = f"{noise:g} of the greatest, seed {noise_seed}"
        self.integrals = exact + noise * exact.max() * np.random.default_rng(noise_seed).standard_normal(exact.shape)
        self._lines = _lines(self.offsets, self.angles, self.integrals)

    def _measure_file(self, path: Path, white: float | None, prior_points: int) -> None:
        """Line integrals from a file, some angles of which are held out."""
        sinogram = read_sinogram(path)
        size, count = sinogram.shape
        angles, self.offsets = np.pi * np.arange(count) / count, np.linspace(-1, 1, size)
        held_out = np.arange(count) % EVERY == EVERY // 2
        if white is None:
            filtered: Any = iradon  # it has no types
            back = filtered(sinogram[:, ~held_out], theta=np.rad2deg(angles[~held_out]), filter_name="hann")
            white = float(back.max())
        sinogram = sinogram / white * 2 / (size - 1)
        title = f"{path.stem}, {size} x {size}, {count} angles"
        super().__init__(None, (size, size, 1), title, path.stem, prior_points)
        self.provenance = {
            "source": str(path),
            "shape": f"white stands for {white:.4g}; {int(held_out.sum())} of {count} angles are held out",
        }
        self.metadata = {**self.metadata, "white": white}
        self.angles, self.integrals = angles[~held_out], sinogram[:, ~held_out]
        self._lines = _lines(self.offsets, self.angles, self.integrals)
        self._held_out = _lines(self.offsets, angles[held_out], sinogram[:, held_out])

    def shown(self, made: Array) -> Array:
        """See `MeasuredPicture.shown`: the density is 0 outside the unit disc, as in the other methods' pictures."""
        return made * _disc(self.offsets)

    def closeness(self, made: Array) -> dict[str, float | None]:
        """See `MeasuredPicture.closeness`; of a file, the error along angles that training has not seen."""
        if self.truth is not None:
            return super().closeness(made)
        lines = self._held_out
        coords, weights = along(lines[:, 0], lines[:, 1], 2 * len(self.offsets), 0.5)
        error = projected(made, coords, weights) - lines[:, 2]
        return {"held_out_relative_l2": float(error.norm() / lines[:, 2].norm())}

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
    def unused(cls, *, path: Path | str | None = None, **options: Any) -> Mapping[str, str]:
        """A sinogram has its own lines and noise; a picture's densities need no scale."""
        if not _holds_integrals(path):
            return {"white": "path"}
        return dict.fromkeys(("size", "angles", "noise", "noise_seed"), "path")

    @classmethod
    def missing(cls, *, path: Path | str | None = None, **options: Any) -> str | None:
        """Why a file cannot be used here; the phantom is a formula."""
        return None if path is None else why_no_file(path, "Give a sinogram (.npy) or a picture.")


def _holds_integrals(path: Path | str | None) -> bool:
    return str(path).lower().endswith(".npy")


def _disc(offsets: Array) -> Array:
    """(rows, columns, 1), 1 inside the unit disc and 0 elsewhere."""
    inside_disc: Array = (np.hypot(*np.meshgrid(offsets, offsets)) < 1)[..., None].astype(np.float64)
    return inside_disc


def _lines(offsets: Array, angles: Array, integrals: Array) -> Tensor:
    """(lines, 3): offset, angle and integral; lines that touch the disc in a point measure nothing and are left out."""
    offset, angle = np.meshgrid(offsets, angles, indexing="ij")
    rows = np.stack([offset, angle, integrals], -1).reshape(-1, 3)
    return torch.from_numpy(rows[np.abs(rows[:, 0]) < 1]).float()


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
