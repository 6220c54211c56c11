"""Metrics of a field with respect to known values: one number per item."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from metasiren import Metric, Prediction, psnr


class _Closeness(Metric):
    """A comparison with known values at a point set.

    Args:
        at: the point set.
    """

    at: str

    def __init__(self, *, at: str = "pixels") -> None:
        self.at = at

    def pair(self, prediction: Prediction) -> tuple[Tensor, Tensor]:
        """Values of the field and known values, (batch, points * channels) each."""
        value, known = prediction.jets[self.at].value, prediction.batch.points[self.at].values
        return value.flatten(1), known.expand_as(value).flatten(1)


class MeanSquaredError(_Closeness):
    """Mean squared error over points and channels, in the values' own unit squared."""

    def __call__(self, prediction: Prediction) -> Tensor:
        """(batch,) numbers, one for each item."""
        value, known = self.pair(prediction)
        return (value - known).square().mean(dim=1)


class PsnrDb(_Closeness):
    """Peak signal-to-noise ratio in dB, after clipping the field to the values' range, as the authors do.

    Args:
        at: the point set.
        low: least possible value.
        high: greatest possible value.
    """

    unit: ClassVar[str] = "dB"

    def __init__(self, *, at: str = "pixels", low: float = -1.0, high: float = 1.0) -> None:
        super().__init__(at=at)
        self.low, self.high = low, high

    def __call__(self, prediction: Prediction) -> Tensor:
        """(batch,) numbers, one for each item."""
        value, known = self.pair(prediction)
        error = (value.clamp(self.low, self.high) - known).square().mean(dim=1)
        return psnr(error, self.high - self.low)


class RelativeL2(_Closeness):
    """Norm of the error divided by the norm of the known values."""

    def __call__(self, prediction: Prediction) -> Tensor:
        """(batch,) numbers, one for each item."""
        value, known = self.pair(prediction)
        ratio: Tensor = torch.linalg.vector_norm(value - known, dim=1) / torch.linalg.vector_norm(known, dim=1)
        return ratio
