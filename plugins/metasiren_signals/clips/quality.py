"""How near a reconstruction is to a clip, frame by frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from metasiren import psnr
from metasiren_signals.clips.dataset import Video, to_values

Predict = Callable[[int], Tensor]
"""The number of a frame -> its reconstruction (rows, columns, 3), RGB in [-1, 1]."""


@dataclass(frozen=True)
class Quality:
    """Errors of the evaluated frames.

    Attributes:
        mse: (frames,) mean squared error in [-1, 1], unclipped.
        psnr: (frames,) in dB, of the clipped reconstruction.
    """

    mse: Tensor
    psnr: Tensor

    @property
    def numbers(self) -> dict[str, float]:
        """`mse`, and mean and (population) standard deviation over frames of the PSNR."""
        return {
            "mse": float(self.mse.mean()),
            "psnr_db": float(self.psnr.mean()),
            "psnr_std_db": float(self.psnr.std(correction=0)),
        }


def errors(picture: Tensor, made: Tensor) -> tuple[Tensor, Tensor]:
    """Mean squared error in [-1, 1], and PSNR in dB after clipping, of a frame.

    Args:
        picture: uint8 (rows, columns, 3).
        made: (rows, columns, 3) in [-1, 1].
    """
    truth, made = to_values(picture).double(), made.double()
    clipped = (made.clamp(-1, 1) - truth).square().mean()
    return (made - truth).square().mean(), psnr(clipped)


def frame_quality(
    video: Video, frames: Tensor, predict: Predict, watch: Callable[[int, Tensor, Tensor], None]
) -> Quality:
    """Compare frames, one at a time; no more than one is held.

    Args:
        video: the truth.
        frames: (n,) numbers of the frames.
        predict: the reconstruction.
        watch: called with each frame's number, picture and reconstruction.
    """
    found = []
    with torch.no_grad():
        for number in frames.tolist():
            picture, made = video.pictures(torch.tensor([number]))[0], predict(number)
            found.append(torch.stack(errors(picture, made)).cpu())
            watch(number, picture, made)
    mse, psnr = torch.stack(found, 1)
    return Quality(mse, psnr)
