"""`metasiren render RUN -o sound.wav`: a field as a sound, at any sampling rate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from metasiren import Domain, Field, Renderer, RunError
from metasiren_signals.files import demand_positive
from metasiren_signals.sampling import values_at
from metasiren_signals.sounds.writing import write_sound


class SoundRenderer(Renderer):
    """A sound file, as loud as the one that was fitted.

    Args:
        sample_rate: samples per second; the file's own by default. Above it, the field is evaluated between the
            samples; below it, the field is sampled several times as often and filtered, against aliasing.
        extent: coordinates to cover, from -extent to extent; those of the fitted sound by default. Beyond them the
            field extrapolates.
        subtype: how samples are stored, in libsndfile's words: `PCM_16`, `PCM_24`, `FLOAT`, `VORBIS`; by default as in
            the fitted file where the format can.

    Raises:
        RecipeError: a sampling rate or extent that is not positive.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".wav", ".flac", ".ogg")

    def __init__(
        self, *, sample_rate: int | None = None, extent: float | None = None, subtype: str | None = None
    ) -> None:
        demand_positive(sample_rate=sample_rate, extent=extent)
        self.sample_rate, self.extent, self.subtype = sample_rate, extent, subtype

    def render(self, field: Field, domain: Domain, metadata: Mapping[str, Any], path: Path) -> None:
        """As `metasiren.Renderer.render`.

        Raises:
            RunError: the fitted data was no sound.
            RecipeError: the file format cannot hold the subtype.
        """
        lacking = [name for name in ("sample_rate", "peak", "length", "extent") if name not in metadata]
        if lacking:
            found = f"the run's metadata lacks {', '.join(lacking)}."
            raise RunError(f"render -o {path}", found, "Sounds come from runs on the data set `audio`.")
        own = int(metadata["sample_rate"])
        rate = self.sample_rate or own
        finer = math.ceil(own / rate)
        device = next(iter(field.params.values())).device
        coords = self.coords(metadata, rate * finer).to(device)
        waves = values_at(field, coords).double().cpu().numpy() * float(metadata["peak"])
        if finer > 1:
            from scipy.signal import resample_poly

            waves = resample_poly(waves, 1, finer, axis=0)
        wanted = self.subtype or metadata.get("subtype")
        write_sound(path, waves, rate, wanted, strict=self.subtype is not None)

    def coords(self, metadata: Mapping[str, Any], rate: int) -> Tensor:
        """Where the field is sampled, (samples, 1) in float64: one of the samples is the fitted sound's first."""
        own, extent, length = int(metadata["sample_rate"]), float(metadata["extent"]), int(metadata["length"])
        reach = self.extent if self.extent is not None else extent
        step = 2 * extent / (length - 1) * own / rate
        # A hair more than whole steps counts as whole: the ends belong to the sound.
        first = math.ceil((extent - reach) / step - 1e-6)
        last = math.floor((extent + reach) / step + 1e-6)
        return (torch.arange(first, last + 1, dtype=torch.float64) * step - extent).unsqueeze(-1)
