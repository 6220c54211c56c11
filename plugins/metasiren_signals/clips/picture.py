"""The picture of a fitted clip: frames of truth and reconstruction and their error, as in the paper's Figure 8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from metasiren import picture_sheet
from metasiren_signals.clips.selection import Frame

GAIN = 4
LEAST, MOST = 192, 320


@dataclass(frozen=True)
class Strip:
    """One frame.

    Attributes:
        number: of the frame.
        psnr: of its reconstruction, in dB.
        truth: uint8 (rows, columns, 3).
        made: the reconstruction, likewise.
    """

    number: int
    psnr: float
    truth: Frame
    made: Frame


def clip_figure(strips: Sequence[Strip]) -> Image.Image:
    """Rows are frames; columns are truth, reconstruction, and four times the magnitude of the error."""
    panels = []
    for strip in strips:
        error = np.abs(strip.truth.astype(int) - strip.made.astype(int)).clip(0, 255 // GAIN) * GAIN
        panels.append([fitted(strip.truth), fitted(strip.made), fitted(error.astype(np.uint8))])
    rows = [f"frame {strip.number}\n{strip.psnr:.2f} dB" for strip in strips]
    return picture_sheet(
        [[Image.fromarray(panel) for panel in line] for line in panels],
        rows,
        ("truth", "reconstruction", f"error, {GAIN} times"),
    )


def fitted(picture: Frame) -> Frame:
    """A picture at a size for pages: small ones in square blocks, large ones averaged down."""
    rows, columns = picture.shape[:2]
    side = max(rows, columns)
    if side < LEAST:
        factor = -(-LEAST // side)
        return picture.repeat(factor, 0).repeat(factor, 1)
    if side <= MOST:
        return picture
    small = (max(1, columns * MOST // side), max(1, rows * MOST // side))
    return np.asarray(Image.fromarray(picture).resize(small, Image.Resampling.BOX))
