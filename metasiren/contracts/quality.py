"""Peak signal-to-noise ratio: one formula for every metric, table and curve."""

from __future__ import annotations

import math
from typing import overload

from torch import Tensor


@overload
def psnr(mse: Tensor, peak: float = ...) -> Tensor: ...
@overload
def psnr(mse: float, peak: float = ...) -> float | None: ...
def psnr(mse: Tensor | float, peak: float = 2.0) -> Tensor | float | None:
    """Peak signal-to-noise ratio 10 log10(peak² / mse) in dB.

    Args:
        mse: mean squared error, of any shape.
        peak: the width of the value range; [-1, 1] has width 2.

    Returns:
        of the shape of `mse`. Where the error is zero a tensor holds infinity, and a number gives None; None too where
        the peak is not positive.
    """
    if isinstance(mse, Tensor):
        return 10 * (peak**2 / mse).log10()
    return 10 * math.log10(peak**2 / mse) if mse > 0 and peak > 0 else None
