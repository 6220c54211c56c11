"""Three views of a picture, as in the SIREN paper's Figure 1: its values, its gradient and its Laplacian.

Derivatives are per unit of a coordinate in which the longer side runs from -1 to 1 and pixels are square. For a square
picture that is the field's own coordinate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from skimage.color import hsv2rgb
from skimage.metrics import structural_similarity
from torch import Tensor

from metasiren import Field, grid, psnr
from metasiren_images.single.differences import differentiate

Array = np.ndarray[Any, np.dtype[np.float64]]

PERCENTILE = 99.0
"""The magnitude of the true derivatives that is drawn at full strength; the few that are larger look the same."""

WINDOW = 7
"""Side of the structural similarity's window, scikit-image's default."""


@dataclass(frozen=True)
class Views:
    """A picture and its derivatives.

    Attributes:
        value: (rows, columns, channels) in [-1, 1], where it is the truth.
        gradient: (rows, columns, channels, 2), the rows' direction first.
        laplacian: (rows, columns, channels).
    """

    value: Array
    gradient: Array
    laplacian: Array

    def thinned(self, step: int) -> Views:
        """Every so many-th row and column."""
        return Views(*(each[::step, ::step] for each in (self.value, self.gradient, self.laplacian)))


def true_views(value: Array) -> Views:
    """The views of a sampled picture (rows, columns, channels), its derivatives by finite differences."""
    step = 2 / (max(value.shape[:2]) - 1)
    return Views(value, *differentiate(value, (step, step)))


def flat_views(value: Array) -> Views:
    """The views of a field that is a picture's mean colour everywhere: its derivatives are zero."""
    flat = np.broadcast_to(value.mean((0, 1)), value.shape)
    return Views(flat, np.zeros((*value.shape, 2)), np.zeros_like(value))


def field_views(field: Field, shape: tuple[int, int], *, step: int = 1, chunk_points: int = 1 << 14) -> Views:
    """The views of a field on a picture's pixels, its derivatives exact.

    Args:
        field: of one signal.
        shape: (rows, columns) of the picture.
        step: evaluate every so many-th row and column only.
        chunk_points: evaluated at a time.
    """
    like = next(iter(field.params.values()))
    coords = grid(shape, dtype=torch.promote_types(like.dtype, torch.float32), device=like.device)
    return views_at(field, coords.reshape(*shape, 2)[::step, ::step], shape, chunk_points=chunk_points)


def views_at(field: Field, coords: Tensor, shape: tuple[int, int], *, chunk_points: int = 1 << 14) -> Views:
    """The views of a field at any coordinates, its derivatives exact.

    Args:
        field: of one signal.
        coords: (rows, columns, 2).
        shape: (rows, columns) of the picture that the field was fitted to.
        chunk_points: evaluated at a time.
    """
    rows, columns = coords.shape[:2]
    # The shorter side spans [-1, 1] too: its coordinate is stretched.
    stretch = [(max(shape) - 1) / (n - 1) for n in shape]
    with torch.no_grad():
        weights = [s**2 for s in stretch]
        jet = field.jet(coords.reshape(-1, 2), "laplacian", weights=weights, chunk_points=chunk_points)
    assert jet.gradient is not None
    assert jet.laplacian is not None
    value, gradient, laplacian = (
        each[0].double().cpu().numpy().reshape(rows, columns, *each.shape[2:])
        for each in (jet.value, jet.gradient, jet.laplacian)
    )
    return Views(value, gradient * np.array(stretch), laplacian)


def closeness(made: Views, truth: Views) -> dict[str, float | None]:
    """How close a field's views are to the true ones.

    `psnr_db`: values mapped to [0, 1], the made ones clipped, peak 1, as in the SIREN paper.
    `ssim`: scikit-image's structural similarity of the same; None for pictures smaller than its window.
    `gradient_psnr_db`, `laplacian_psnr_db`: the peak is the range (greatest less least component) of the true
    derivatives, nothing is clipped, and the outermost pixels, where differences are one-sided, do not count. The true
    ones are finite differences: a perfect field does not reach infinity.

    Returns:
        name -> number; None where it has no finite value (an exact fit, a constant picture).
    """
    guess, known = ((made.value + 1) / 2).clip(0, 1), (truth.value + 1) / 2
    inside = (slice(1, -1), slice(1, -1))
    return {
        "psnr_db": psnr_of(guess, known, 1.0),
        "ssim": ssim_of(guess, known),
        "gradient_psnr_db": psnr_of(
            made.gradient[inside], truth.gradient[inside], float(np.ptp(truth.gradient[inside]))
        ),
        "laplacian_psnr_db": psnr_of(
            made.laplacian[inside], truth.laplacian[inside], float(np.ptp(truth.laplacian[inside]))
        ),
    }


def psnr_of(made: Array, truth: Array, peak: float) -> float | None:
    """Peak signal-to-noise ratio in dB over all values; None where they are equal, or the peak is zero."""
    return psnr(float(np.mean((made - truth) ** 2)), peak)


def ssim_of(made: Array, truth: Array) -> float | None:
    """scikit-image's structural similarity of pictures in [0, 1]; None for pictures smaller than its window."""
    if min(truth.shape[:2]) < WINDOW:
        return None
    return float(structural_similarity(truth, made, data_range=1.0, channel_axis=-1, win_size=WINDOW))  # type: ignore[no-untyped-call]


def unit_values(field: Field, shape: tuple[int, int], *, chunk_points: int = 1 << 16) -> Array:
    """The values of one signal's field, from [-1, 1] to [0, 1] and clipped: (rows, columns, channels)."""
    like = next(iter(field.params.values()))
    with torch.no_grad():
        values = field.jet(grid(shape).to(like), "value", chunk_points=chunk_points).value[0]
    unit: Array = ((values.double().cpu().numpy() + 1) / 2).clip(0, 1).reshape(*shape, -1)
    return unit


def drawn(views: Views, truth: Views) -> tuple[Array, Array, Array]:
    """The views as pictures (rows, columns, 3) in [0, 1], on the truth's scale."""
    value = in_colours(((views.value + 1) / 2).clip(0, 1))
    gradient = gradient_in_colours(views.gradient, truth.gradient)
    return value, gradient, laplacian_in_colours(views.laplacian, truth.laplacian)


def gradient_in_colours(gradient: Array, truth: Array) -> Array:
    """The mean of the channels: hue is its direction, saturation its magnitude; white where it vanishes or is NaN.

    Args:
        gradient: (rows, columns, channels, 2).
        truth: the same, which sets the scale.

    Returns:
        (rows, columns, 3) in [0, 1].
    """
    slope = np.nan_to_num(gradient.mean(axis=2))
    direction = np.arctan2(slope[..., 0], slope[..., 1]) / (2 * np.pi) + 0.5
    size = np.linalg.norm(slope, axis=-1) / _scale(np.linalg.norm(truth.mean(axis=2), axis=-1))
    colours: Array = hsv2rgb(np.stack([direction, size.clip(0, 1), np.ones_like(size)], axis=-1))
    return colours


def laplacian_in_colours(laplacian: Array, truth: Array) -> Array:
    """Mid-grey where it vanishes, brighter where positive, channel by channel.

    Args:
        laplacian: (rows, columns, channels).
        truth: the same, which sets the scale.

    Returns:
        (rows, columns, 3) in [0, 1].
    """
    return in_colours((0.5 + 0.5 * laplacian / _scale(np.abs(truth))).clip(0, 1))


def _scale(magnitudes: Array) -> float:
    return float(np.percentile(magnitudes, PERCENTILE)) or float(magnitudes.max()) or 1.0


def in_colours(values: Array) -> Array:
    """(rows, columns, channels) -> (rows, columns, 3); other numbers of channels than three become grey."""
    return values if values.shape[-1] == 3 else np.repeat(values.mean(axis=-1, keepdims=True), 3, axis=-1)
