"""Baselines without training, with as many numbers as the field has weights."""

from __future__ import annotations

from typing import Any

import numpy as np

Waves = np.ndarray[Any, np.dtype[np.floating[Any]]]


def low_pass(waves: Waves, numbers: int) -> Waves:
    """The sound from its lowest frequencies: the first cosine coefficients, `numbers` of them over all channels.

    Args:
        waves: (samples, channels)
        numbers: how many coefficients may be kept.
    """
    from scipy.fft import dct, idct

    coefficients = dct(waves, axis=0, norm="ortho")
    coefficients[numbers // waves.shape[1] :] = 0
    kept: Waves = idct(coefficients, axis=0, norm="ortho")
    return kept


def measure(truth: Waves, made: Waves) -> dict[str, float]:
    """How near a reconstruction is, both (samples, channels) with the truth in [-1, 1].

    Returns:
        `mse`, and `snr_db`: the ratio of the signal's power to the error's.
    """
    error = float(np.mean(np.square(made - truth, dtype=np.float64)))
    power = float(np.mean(np.square(truth, dtype=np.float64)))
    with np.errstate(divide="ignore"):
        return {"mse": error, "snr_db": float(10 * np.log10(np.divide(power, error)))}
