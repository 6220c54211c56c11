"""A stretch of a sound file, checked before training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metasiren import DataError, demand_file, demand_memory, load_extra

MOST_SAMPLES = 1_000_000_000
"""More numbers than this (4 GB in float32) are refused: they are too many for one field."""

BYTES_PER_SAMPLE = 16
"""Peak memory of reading and scaling: the samples, their magnitudes and the scaled copy in float32, and masks."""

STRETCH = "Choose a stretch with start and duration, in seconds."

CONVERT = "Convert it to wav, flac or ogg, for instance: ffmpeg -i FILE sound.wav"

Samples = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class Recording:
    """Sound in memory.

    Attributes:
        samples: float32 (samples, channels); full scale is [-1, 1], which floating-point files may exceed.
        sample_rate: samples per second of each channel.
        subtype: how the file stored them, in libsndfile's words, such as `PCM_16` or `FLOAT`.
        title: what tables call it.
    """

    samples: Samples
    sample_rate: int
    subtype: str
    title: str


def span(total: int, rate: int, start: float, duration: float | None, where: str) -> tuple[int, int]:
    """The first sample and the number of samples of a stretch.

    Args:
        total: samples that there are.
        rate: of them in a second.
        start: where the stretch begins, in seconds.
        duration: how long it is, in seconds; None for all that is left.
        where: names the file in errors.

    Raises:
        DataError: the stretch is not inside, or has fewer than two samples.
    """
    first = round(start * rate)
    count = total - first if duration is None else round(duration * rate)
    wanted = f"start {start:g} s" + ("" if duration is None else f", duration {duration:g} s")
    advice = f"Choose start and duration inside its {total / rate:g} s ({total:,} samples at {rate:,} Hz)."
    if start < 0 or first >= total or first + count > total:
        raise DataError(where, f"{wanted} lies outside the sound.", advice)
    if count < 2:
        found = f"{wanted} leaves {max(0, count)} sample{'s' * (count != 1)}; two are the least."
        raise DataError(where, found, advice)
    return first, count


def read_sound(path: Path, start: float = 0.0, duration: float | None = None) -> Recording:
    """A stretch of a file that libsndfile reads: wav (integer or float), flac, ogg and others.

    Sizes are checked by the header; only the stretch is read.

    Args:
        path: the file.
        start: where the stretch begins, in seconds.
        duration: its length in seconds; None for all that is left.

    Raises:
        DataError: no such file, not a sound, broken, empty, too long for the free memory, or with samples that are
            not numbers.
        PluginError: soundfile is not installed.
    """
    soundfile = load_extra("soundfile", extra="signals", where="data: audio")
    where = str(path)
    demand_file(path, "Name a wav, flac or ogg.")
    try:
        with soundfile.SoundFile(path) as file:
            if file.frames < 1:
                raise DataError(where, "holds no samples.", "Fetch or export it again.")
            first, count = span(file.frames, file.samplerate, start, duration, where)
            if count * file.channels > MOST_SAMPLES:
                found = f"{count * file.channels:,} samples by its header; {MOST_SAMPLES:,} is the most."
                raise DataError(where, found, STRETCH)
            demand_memory(BYTES_PER_SAMPLE * count * file.channels, where, STRETCH)
            file.seek(first)
            samples = file.read(count, dtype="float32", always_2d=True)
            rate, subtype = file.samplerate, file.subtype
    except soundfile.LibsndfileError as error:
        raise DataError(where, f"not readable as a sound: {error.error_string}", CONVERT) from None
    if len(samples) < count:
        found = f"breaks off: {len(samples):,} of {count:,} samples are there."
        raise DataError(where, found, "Fetch it again, or choose a shorter duration.")
    wrong = ~np.isfinite(samples)
    if wrong.any():
        row, channel = np.argwhere(wrong)[0]
        found = f"sample {first + row:,} of channel {channel + 1} is {samples[row, channel]}."
        advice = f"{int(wrong.sum()):,} samples are not finite numbers: repair them, or choose a stretch without."
        raise DataError(where, found, advice)
    return Recording(samples, rate, subtype, path.stem)
