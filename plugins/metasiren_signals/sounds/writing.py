"""A sound as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from metasiren import RecipeError, load_extra

FORMATS = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG"}
BITS = {"PCM_S8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
BLOCK = 1 << 16


def write_sound(
    path: Path, waves: np.ndarray[Any, Any], sample_rate: int, subtype: str | None = None, *, strict: bool = False
) -> None:
    """Write waves in [-1, 1], clipping what exceeds it in integer formats.

    Args:
        path: ending in .wav, .flac or .ogg.
        waves: (samples, channels)
        sample_rate: samples per second.
        subtype: libsndfile's word for how samples are stored, such as `PCM_16` or `FLOAT`; by default the file
            format's usual one.
        strict: a subtype that the format cannot hold is an error; otherwise the usual one is taken.

    Raises:
        RecipeError: with `strict`.
        PluginError: soundfile is not installed.
    """
    soundfile = load_extra("soundfile", extra="signals", where=f"render -o {path}")
    form = FORMATS[path.suffix.lower()]
    if subtype is not None and not soundfile.check_format(form, subtype):
        if strict:
            able = ", ".join(soundfile.available_subtypes(form))
            raise RecipeError("render: subtype", f"{form} holds no {subtype!r}.", f"{form} holds: {able}")
        subtype = None
    subtype = subtype or soundfile.default_subtype(form)
    with soundfile.SoundFile(path, "w", sample_rate, waves.shape[1], subtype, format=form) as file:
        for begin in range(0, len(waves), BLOCK):
            file.write(_stored(waves[begin : begin + BLOCK], subtype))


def _stored(waves: np.ndarray[Any, Any], subtype: str) -> np.ndarray[Any, Any]:
    """Integers rounded to the format's bits (libsndfile would cut them off), or the floats themselves."""
    if subtype not in BITS:
        return waves if subtype in ("FLOAT", "DOUBLE") else waves.clip(-1, 1)
    scale = 2.0 ** (BITS[subtype] - 1)
    levels = np.rint(waves.astype(np.float64) * scale).clip(-scale, scale - 1)
    return (levels * (2**31 / scale)).astype(np.int32)
