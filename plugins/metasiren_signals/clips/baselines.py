"""Baselines without training."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from metasiren_signals.clips.dataset import Video, to_values
from metasiren_signals.clips.quality import Predict


def _frame(video: Video, number: int) -> Tensor:
    """(1, 3, rows, columns) in [-1, 1]"""
    return to_values(video.pictures(torch.tensor([number]))).permute(0, 3, 1, 2)


def mean_frame(video: Video) -> Predict:
    """Every frame is the mean of all."""
    total = torch.zeros(3, *video.shape[1:], dtype=torch.float64, device=video.device)
    for number in range(video.shape[0]):
        total += _frame(video, number)[0]
    mean = (total / video.shape[0]).float().permute(1, 2, 0)
    return lambda number: mean


def coarse_size(shape: tuple[int, int, int], numbers: int) -> tuple[int, int, int]:
    """The clip's shape, shrunk alike in time, rows and columns until its colours are `numbers` numbers."""
    factor = min(1.0, (numbers / (3 * shape[0] * shape[1] * shape[2])) ** (1 / 3))
    frames, rows, columns = (max(1, int(n * factor)) for n in shape)
    return frames, rows, columns


def coarse_clip(video: Video, numbers: int) -> Predict:
    """The clip averaged down to `numbers` numbers, and interpolated linearly in space and time."""
    frames, rows, columns = coarse_size(video.shape, numbers)
    small = [F.interpolate(_frame(video, number), (rows, columns), mode="area") for number in range(video.shape[0])]
    series = torch.cat(small).permute(1, 2, 3, 0).flatten(0, 2)
    coarse = F.interpolate(series.unsqueeze(0), frames, mode="area")
    smooth = F.interpolate(coarse, video.shape[0], mode="linear")[0].view(3, rows, columns, -1)

    def predict(number: int) -> Tensor:
        full = F.interpolate(smooth[None, ..., number], video.shape[1:], mode="bilinear")
        return full[0].permute(1, 2, 0)

    return predict
