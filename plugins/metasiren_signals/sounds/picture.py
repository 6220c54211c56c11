"""The picture of a fitted sound: truth, reconstruction and error, as in the paper's Figure 9, and spectrograms."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from metasiren import picture_sheet

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Wave = np.ndarray[Any, np.dtype[np.floating[Any]]]

HEIGHT, WIDE, NARROW = 132, 560, 280
ZOOM_SECONDS = 0.02
INK = ((31, 78, 121), (176, 84, 28), (150, 30, 40))
"""Colours of truth, reconstruction and error."""

_HEAT = np.array([(8, 6, 30), (70, 18, 105), (170, 45, 95), (240, 125, 45), (252, 240, 180)], float)


def sound_figure(truth: Wave, made: Wave, sample_rate: int) -> Image.Image:
    """Rows: truth, reconstruction, error; columns: the whole wave, its loudest 20 ms, the spectrogram.

    All waves share the scale [-1, 1] and all spectrograms one range of 80 dB below the truth's loudest bin.

    Args:
        truth: (samples,) of one channel, in [-1, 1].
        made: (samples,) the reconstruction.
        sample_rate: samples per second.
    """
    waves = (truth, made, made - truth)
    begin, end = loudest(truth, max(8, round(ZOOM_SECONDS * sample_rate)))
    spectra = [spectrogram(wave) for wave in waves]
    top = float(spectra[0].max())
    panels = [
        [wave_panel(wave, WIDE, ink), wave_panel(wave[begin:end], NARROW, ink), heat(spectrum, top)]
        for wave, spectrum, ink in zip(waves, spectra, INK, strict=True)
    ]
    error = float(np.mean(np.square(waves[2], dtype=np.float64)))
    rows = ("truth", "reconstruction", f"error\nMSE {error:.1e}")
    zoom = f"{begin / sample_rate:.2f} s to {end / sample_rate:.2f} s"
    columns = (f"{len(truth) / sample_rate:.2f} s, scale -1 to 1", zoom, f"0 to {sample_rate / 2000:g} kHz, 80 dB")
    return picture_sheet([[Image.fromarray(panel) for panel in line] for line in panels], rows, columns)


def loudest(wave: Wave, width: int) -> tuple[int, int]:
    """Where the `width` samples around the greatest magnitude begin and end."""
    width = min(width, len(wave))
    begin = int(np.clip(int(np.abs(wave).argmax()) - width // 2, 0, len(wave) - width))
    return begin, begin + width


def wave_panel(wave: Wave, width: int, ink: tuple[int, int, int]) -> Pixels:
    """A wave on the scale [-1, 1]: every column of pixels spans the least and the greatest value in its time.

    Args:
        wave: (samples,)
        width: of the panel in pixels.
        ink: colour.

    Returns:
        uint8 (HEIGHT, width, 3)
    """
    panel = np.full((HEIGHT, width, 3), 246, np.uint8)
    panel[HEIGHT // 2] = 205
    clipped = np.clip(np.nan_to_num(wave), -1, 1)
    rows = np.round((1 - clipped) / 2 * (HEIGHT - 1)).astype(int)
    # Ends overlap by a sample, so that the line has no gaps; few samples are spread by interpolation.
    if len(rows) < 2 * width:
        places = np.linspace(0, len(rows) - 1, 4 * width)
        rows = np.round(np.interp(places, np.arange(len(rows)), rows)).astype(int)
    edges = np.linspace(0, len(rows) - 1, width + 1).astype(int)
    for column in range(width):
        part = rows[edges[column] : edges[column + 1] + 1]
        panel[part.min() : part.max() + 1, column] = ink
    return panel


def spectrogram(wave: Wave) -> Wave:
    """Magnitudes in dB of overlapping Hann windows: (bins, times), low frequencies last."""
    size = int(min(1024, 2 ** max(3, int(np.log2(max(8, len(wave) / 16))))))
    padded = np.pad(np.nan_to_num(wave), (0, max(0, size - len(wave))))
    # At most four windows a column of pixels: a long sound costs no more than a short one.
    hop = max(1, size // 4, (len(padded) - size) // (4 * NARROW))
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop] * np.hanning(size)
    magnitudes: Wave = 20 * np.log10(np.abs(np.fft.rfft(windows)) + 1e-9)
    return magnitudes.T[::-1]


def heat(decibels: Wave, top: float) -> Pixels:
    """A spectrogram in colours, from `top` down to 80 dB below: uint8 (HEIGHT, NARROW, 3)."""
    share = np.clip((decibels - top + 80) / 80, 0, 1) * (len(_HEAT) - 1)
    colours = np.stack([np.interp(share, np.arange(len(_HEAT)), channel) for channel in _HEAT.T], -1)
    image = Image.fromarray(colours.astype(np.uint8)).resize((NARROW, HEIGHT), Image.Resampling.BOX)
    return np.asarray(image)
