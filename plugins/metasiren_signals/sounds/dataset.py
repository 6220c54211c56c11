"""One sound as a signal: time -> pressure, a channel an output."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor

from metasiren import Batch, Context, DataError, Dataset, Domain, Points, RecipeError, grid
from metasiren_signals.files import missing_file
from metasiren_signals.sounds.reading import read_sound, span
from metasiren_signals.sounds.synthesis import made_sound

ADVICE = "Give data.path (wav, flac, ogg), or data.source=chord for a sound that needs no file."


class Audio(Dataset):
    """A waveform divided by its greatest magnitude, on a regular grid of times.

    The point set is `samples`: coordinates (1, points, 1) and values (1, points, channels) in [-1, 1]. The split
    `train` gives the step's samples, `test` all of them. The paper spreads the samples over [-100, 100] instead of
    [-1, 1] (supplement 8.1), so that a first frequency of 30 reaches the pitch of a sound of some seconds.

    Args:
        path: a sound file: wav (integer or float), flac, ogg and whatever else libsndfile reads.
        source: instead of a file, a synthetic sound of two seconds at 8 kHz: `chord` or `speech`.
        start: where the stretch to be fitted begins, in seconds.
        duration: how long it is, in seconds; all that is left by default.
        extent: times become coordinates from -extent to extent, ends included. Positional encodings and radial
            basis functions want 1.
        points: samples drawn for each step, with replacement; all of them in every step by default.
        title: what tables call the sound; by default the file's stem.

    Raises:
        DataError: a file that is missing, broken, empty, endless or not a sound; a stretch outside of it; samples
            that are not numbers, or all zero.
        RecipeError: neither file nor source, or both; an extent or a number of points that is not positive.
    """

    renderer = "sound"
    instead_of: ClassVar = {"path": "source"}

    def __init__(
        self,
        *,
        path: Path | None = None,
        source: Literal["chord", "speech"] | None = None,
        start: float = 0.0,
        duration: float | None = None,
        extent: float = 100.0,
        points: int | None = None,
        title: str | None = None,
    ) -> None:
        if (path is None) == (source is None):
            raise RecipeError("data: audio", f"path is {path} and source is {source}.", ADVICE)
        if not extent > 0:
            raise RecipeError("data: audio: extent", f"{extent} is not positive.", "The paper's is 100.")
        if points is not None and points < 1:
            raise RecipeError("data: audio: points", f"{points} is below one.", "Leave it out to use all samples.")
        if path is not None:
            recording = read_sound(Path(path).expanduser(), start, duration)
        else:
            recording = made_sound(str(source))
            first, count = span(len(recording.samples), recording.sample_rate, start, duration, f"data: audio {source}")
            recording = replace(recording, samples=recording.samples[first : first + count])
        samples, rate = recording.samples, recording.sample_rate
        peak = float(np.abs(samples).max())
        if peak == 0:
            found = f"{len(samples) / rate:g} s of silence: all {samples.size:,} samples are 0."
            raise DataError(str(path or source), found, "Choose a stretch that sounds, with start and duration.")
        length, channels = samples.shape
        self.title, self.extent, self.points = title or recording.title, extent, points
        self.splits = {"train": 1, "test": 1}
        self.domain = Domain(d_in=1, d_out=channels, grid=(length,))
        words = f"{channels} channel{'s' * (channels > 1)}"
        self.provenance = {
            "sound": f"{length:,} samples from {start:g} s at {rate} Hz, {words}",
            "shape": f"{length / rate:.2f} s at {rate} Hz, {words}",
        }
        self.metadata = {
            "title": self.title,
            "sample_rate": rate,
            "peak": peak,
            "length": length,
            "extent": extent,
            "subtype": recording.subtype,
        }
        self._coords = grid((length,), extent=extent)
        self._values = torch.from_numpy(samples / np.float32(peak))

    @classmethod
    def missing(cls, *, path: Path | str | None = None, source: str | None = None, **options: Any) -> str | None:
        """Why this sound cannot be used here: no such file, or nothing to read it with."""
        if source is not None:
            return None
        return missing_file(path, what="a sound file", advice=ADVICE, module="soundfile", title="soundfile")

    def to(self, device: torch.device | str) -> Self:
        """Move the sound to a device."""
        self._coords, self._values = self._coords.to(device), self._values.to(device)
        return self

    def batch(
        self,
        split: str,
        items: Tensor,
        *,
        context: tuple[int, int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Batch:
        """As `metasiren.Dataset.batch`; there is nothing to be seen in the context."""
        coords, values = self._coords, self._values
        if split == "train" and self.points is not None and self.points < len(coords):
            drawn = torch.randint(len(coords), (self.points,), generator=generator, device=coords.device)
            coords, values = coords[drawn], values[drawn]
        known = {"values": values.unsqueeze(0)}
        return Batch(Context.empty(items, self.domain), {"samples": Points(coords.unsqueeze(0), known)})
