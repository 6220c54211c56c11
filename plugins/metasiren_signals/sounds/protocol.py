"""How a fitted sound is evaluated: the SIREN paper's Table 3, a picture, and the sound itself."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from metasiren import (
    FULL_EVALUATION,
    Comparison,
    ComparisonRow,
    DataError,
    Dataset,
    EvaluationOptions,
    Model,
    Protocol,
    save_picture,
    write_metrics,
)
from metasiren_signals.rows import Paper, paper_rows
from metasiren_signals.sampling import values_at
from metasiren_signals.sounds.baselines import low_pass, measure
from metasiren_signals.sounds.picture import loudest, sound_figure
from metasiren_signals.sounds.writing import write_sound

PREVIEW_SAMPLES = 1 << 15


class Sound(Protocol):
    """The whole reconstruction against the whole sound, whose greatest magnitude is 1.

    `mse` is over all samples and channels, unclipped, as in the paper's Table 3; `snr_db` is the power of the sound
    over that of the error.

    Args:
        paper: what a paper reports of this sound, method -> metric -> number, such as {"SIREN": {"mse": 1.101e-5}}.
        paper_signal: title of the sound that these numbers are of, by default any; they stand beside no other sound.
        baselines: rows without training: silence, and as many of the lowest frequencies as the field has weights.
    """

    captions: ClassVar[dict[str, str]] = {
        "figure.png": (
            "Left: the whole sound. Middle: its loudest 20 ms. Right: the spectrogram, time to the right "
            "and frequency upwards."
        ),
        "sound.wav": "The field.",
        "truth_sound.wav": "The true sound.",
    }

    def __init__(
        self,
        *,
        paper: dict[str, dict[str, float]] | None = None,
        paper_signal: str | None = None,
        baselines: bool = True,
    ) -> None:
        self.paper: Paper | None = paper
        self.paper_signal = paper_signal
        self.baselines = baselines

    def evaluate(
        self,
        model: Model,
        dataset: Dataset,
        results: Path,
        *,
        name: str,
        options: EvaluationOptions = FULL_EVALUATION,
        device: torch.device | str = "cpu",
    ) -> pd.DataFrame:
        """As `metasiren.Protocol.evaluate`; writes metrics.json, comparison.*, figure.png, sound.wav and
        truth_sound.wav.

        Without the package soundfile there are no sounds.

        Raises:
            DataError: the signal is no sound.
            RecipeError: a number of the paper's that is not measured.
        """
        metadata = _metadata_of(dataset)
        coords, truth = _samples(dataset, device)
        made = values_at(model.signal(dataset.domain), coords).cpu().numpy()
        numbers = measure(truth, made)
        rows = [ComparisonRow(name=name, kind="model", metrics=dict(numbers))]
        if self.baselines:
            weights = sum(p.numel() for p in model.decoder.parameters())
            rows.append(ComparisonRow(name="silence", kind="baseline", metrics=dict(measure(truth, 0 * truth))))
            if weights < truth.size:
                label, kept = f"lowest frequencies ({weights:,} coefficients)", low_pass(truth, weights)
                rows.append(ComparisonRow(name=label, kind="baseline", metrics=dict(measure(truth, kept))))
        rows += paper_rows(self.paper, numbers) if self.paper_signal in (None, dataset.title) else []
        write_metrics(results, numbers)
        length, rate = len(truth), int(metadata["sample_rate"])
        channels = f"{truth.shape[1]} channel{'s' * (truth.shape[1] > 1)}"
        title = f"{dataset.title}: {length / rate:.2f} s at {rate} Hz, {channels}, scaled to [-1, 1]"
        comparison = Comparison(title=title, rows=rows)
        comparison.write(results)
        sound_figure(truth[:, 0], made[:, 0], rate).save(results / "figure.png")
        if find_spec("soundfile") is not None:
            for file, wave in (("sound.wav", made), ("truth_sound.wav", truth)):
                write_sound(results / file, wave.astype(np.float64) * float(metadata["peak"]), rate, "PCM_16")
        return comparison.frame()

    def check(self, dataset: Dataset) -> None:
        """As `metasiren.Protocol.check`.

        Raises:
            DataError: the signal is no sound.
        """
        _metadata_of(dataset)

    def preview(self, model: Model, dataset: Dataset, path: Path, *, device: torch.device | str = "cpu") -> Tensor:
        """Draw the loudest 32,768 samples of a model in training into the file `path`.

        Returns:
            The same picture, uint8 (3, rows, columns).
        """
        metadata = _metadata_of(dataset)
        coords, truth = _samples(dataset, device)
        begin, end = loudest(np.abs(truth).max(axis=1), PREVIEW_SAMPLES)
        made = values_at(model.signal(dataset.domain), coords[begin:end]).cpu().numpy()
        page: Image.Image = sound_figure(truth[begin:end, 0], made[:, 0], int(metadata["sample_rate"]))
        return save_picture(page, path)


def _metadata_of(dataset: Dataset) -> dict[str, Any]:
    metadata = dict(dataset.metadata)
    if "sample_rate" not in metadata or "peak" not in metadata:
        found = f"{dataset.title} has no sampling rate: it is no sound."
        raise DataError("evaluate: sound", found, "Use it with the data set `audio`.")
    return metadata


def _samples(dataset: Dataset, device: torch.device | str) -> tuple[Tensor, np.ndarray[Any, Any]]:
    """Coordinates (samples, 1) on the device, and values (samples, channels)."""
    batch = dataset.batch("test", torch.zeros(1, dtype=torch.long, device=device))
    points = batch.points["samples"]
    return points.coords[0], points.values[0].cpu().numpy()
