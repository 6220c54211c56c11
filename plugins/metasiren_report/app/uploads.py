"""Uploaded files, checked and reduced in size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from metasiren import DataError, plain_picture

MOST_BYTES = 10 << 20
MOST_PIXELS = 40_000_000
MOST_SECONDS = 5.0
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")

Pixels = NDArray[np.float64]


def read_picture(path: str | Path, side: int) -> Pixels:
    """A picture's centre square at (side, side, 3) in [0, 1].

    Raises:
        DataError: no PNG, JPEG, WebP or BMP; more than 10 MB or 40 million pixels; truncated.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError(path.name, f"{path.stat().st_size / 1e6:.1f} MB.", "Give at most 10 MB.")
        picture = Image.open(path, formats=FORMATS)
        if picture.width * picture.height > MOST_PIXELS:
            raise DataError(path.name, f"{picture.width} x {picture.height} pixels.", "Give at most 40 million.")
        upright = plain_picture(picture).convert("RGB")
    except UnidentifiedImageError:
        raise DataError(path.name, "not a readable picture.", "Give a PNG, JPEG, WebP or BMP.") from None
    except (OSError, Image.DecompressionBombError, SyntaxError, ValueError) as error:
        raise DataError(path.name, f"not a readable picture: {error}", "Give a PNG, JPEG, WebP or BMP.") from None
    square = ImageOps.fit(upright, (side, side), Image.Resampling.BILINEAR)
    return np.asarray(square, dtype=np.float64) / 255


def read_sound(path: str | Path) -> tuple[Pixels, int]:
    """The first five seconds of a sound, one channel, (samples,) in [-1, 1], at 8 to 16 kHz; and its rate in Hz.

    Raises:
        DataError: unreadable, larger than 10 MB, silent, or the package soundfile is missing.
    """
    from metasiren import load_extra

    path = Path(path)
    soundfile = load_extra("soundfile", extra="signals", where="app: sounds")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError(path.name, f"{path.stat().st_size / 1e6:.1f} MB.", "Give at most 10 MB.")
        with soundfile.SoundFile(path) as sound:
            rate = int(sound.samplerate)
            samples = sound.read(int(MOST_SECONDS * rate), dtype="float64", always_2d=True).mean(axis=1)
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        raise DataError(path.name, f"not a readable sound: {error}", "Give a WAV, FLAC or OGG file.") from None
    step = max(1, rate // 8000)
    length = len(samples) // step * step
    # Means of neighbouring samples: a short low-pass filter before samples are left out.
    samples = samples[:length].reshape(-1, step).mean(axis=1)
    peak = float(np.abs(samples).max()) if len(samples) else 0.0
    if len(samples) < 100 or not np.isfinite(peak) or peak == 0:
        raise DataError(path.name, "silent, or shorter than 100 samples.", "Give a longer sound that is not silent.")
    return samples / peak, rate // step
