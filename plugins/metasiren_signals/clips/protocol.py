"""How a fitted clip is evaluated: PSNR of every frame, as in the SIREN paper's Figure 8."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from metasiren import (
    FULL_EVALUATION,
    Comparison,
    ComparisonRow,
    DataError,
    Dataset,
    EvaluationOptions,
    Field,
    Model,
    Protocol,
    RecipeError,
    save_picture,
    width_by_height,
    write_metrics,
)
from metasiren_signals.clips.baselines import coarse_clip, coarse_size, mean_frame
from metasiren_signals.clips.dataset import Video
from metasiren_signals.clips.picture import Strip, clip_figure, fitted
from metasiren_signals.clips.quality import Predict, errors, frame_quality
from metasiren_signals.clips.selection import Frame
from metasiren_signals.clips.writing import to_bytes, write_clip
from metasiren_signals.rows import Paper, paper_rows
from metasiren_signals.sampling import values_at

SHOWN = 4
MOST_PLAYED = 300


class Clip(Protocol):
    """The reconstruction of every frame against the frame.

    `psnr_db` and `psnr_std_db` are mean and standard deviation over frames of the PSNR of the clipped reconstruction;
    `mse` is the mean squared error in [-1, 1] over all voxels, unclipped.

    Args:
        every: evaluate every how many-th frame; all of them by default, however many voxels those are.
        paper: what a paper reports of this clip, method -> metric -> number, such as {"SIREN": {"psnr_db": 32.88}}.
        paper_signal: title of the clip that these numbers are of, by default any; they stand beside no other clip.
        baselines: rows without training: the mean of all frames, and a coarse clip of as many numbers as the field has
            weights, interpolated.
    """

    captions: ClassVar[dict[str, str]] = {
        "figure.png": "Frames of the clip, the field's with their PSNR, and four times the magnitude of the error.",
        "clip.mp4": "The true clip on the left, the field on the right.",
        "clip.gif": "The true clip on the left, the field on the right.",
    }

    def __init__(
        self,
        *,
        every: int = 1,
        paper: dict[str, dict[str, float]] | None = None,
        paper_signal: str | None = None,
        baselines: bool = True,
    ) -> None:
        if every < 1:
            raise RecipeError("evaluate: every", f"{every} is below one.", "Give 1 to evaluate all frames.")
        self.every, self.baselines = every, baselines
        self.paper: Paper | None = paper
        self.paper_signal = paper_signal

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
        """As `metasiren.Protocol.evaluate`; writes metrics.json, comparison.*, figure.png and clip.mp4.

        The clip shows the truth beside the reconstruction, small, at most 300 frames of it; without PyAV it is a
        clip.gif.

        Raises:
            DataError: the signal is no clip.
            RecipeError: a number of the paper's that is not measured.
        """
        video = _video(dataset)
        frames = torch.arange(0, video.shape[0], self.every)
        shown = _spread(frames, SHOWN)
        played = _spread(frames, MOST_PLAYED)
        strips: list[Strip] = []
        beside: list[Frame] = []

        def watch(number: int, picture: Tensor, made: Tensor) -> None:
            truth, guess = picture.cpu().numpy(), to_bytes(made)
            if number in shown:
                strips.append(Strip(number, float(errors(picture, made)[1]), truth, guess))
            if number in played:
                beside.append(np.concatenate([fitted(truth), fitted(guess)], axis=1))

        quality = frame_quality(video, frames, _predictor(model.signal(video.domain), video), watch)
        numbers = quality.numbers
        rows = [ComparisonRow(name=name, kind="model", metrics=dict(numbers))]
        rows += self._baselines(video, frames, sum(p.numel() for p in model.decoder.parameters()))
        rows += paper_rows(self.paper, numbers) if self.paper_signal in (None, video.title) else []
        write_metrics(results, numbers)
        count, high, wide = video.shape
        evaluated = f"all {count}" if self.every == 1 else f"{len(frames)} of {count}"
        comparison = Comparison(
            title=f"{dataset.title}: {evaluated} frames of {width_by_height((high, wide))} pixels", rows=rows
        )
        comparison.write(results)
        clip_figure(strips).save(results / "figure.png")
        fps = float(video.metadata["fps"]) * len(beside) / count
        write_clip(results / ("clip.mp4" if find_spec("av") else "clip.gif"), beside, fps)
        return comparison.frame()

    def _baselines(self, video: Video, frames: Tensor, weights: int) -> list[ComparisonRow]:
        if not self.baselines:
            return []
        methods: dict[str, Predict] = {"mean frame": mean_frame(video)}
        if (size := coarse_size(video.shape, weights)) != video.shape:
            methods[f"coarse clip ({size[0]} frames of {width_by_height(size[1:])}), interpolated"] = coarse_clip(
                video, weights
            )
        rows = []
        for method, predict in methods.items():
            quality = frame_quality(video, frames, predict, lambda *_: None)
            rows.append(ComparisonRow(name=method, kind="baseline", metrics=dict(quality.numbers)))
        return rows

    def check(self, dataset: Dataset) -> None:
        """As `metasiren.Protocol.check`.

        Raises:
            DataError: the signal is no clip.
        """
        _video(dataset)

    def preview(self, model: Model, dataset: Dataset, path: Path, *, device: torch.device | str = "cpu") -> Tensor:
        """Draw the middle frame of a model in training into the file `path`.

        Returns:
            The same picture, uint8 (3, rows, columns).
        """
        video = _video(dataset)
        number = video.shape[0] // 2
        picture, made = video.pictures(torch.tensor([number]))[0], _predictor(model.signal(video.domain), video)(number)
        page = clip_figure([Strip(number, float(errors(picture, made)[1]), picture.cpu().numpy(), to_bytes(made))])
        return save_picture(page, path)


def _video(dataset: Dataset) -> Video:
    if not isinstance(dataset, Video):
        raise DataError("evaluate: clip", f"{dataset.title} is no clip.", "Use it with the data set `video`.")
    return dataset


def _predictor(field: Field, video: Video) -> Predict:
    def predict(number: int) -> Tensor:
        coords = video.coords(torch.tensor([number], device=video.device))
        return values_at(field, coords).view(*video.shape[1:], 3)

    return predict


def _spread(frames: Tensor, count: int) -> set[int]:
    """At most `count` of the frames, evenly spread, first and last among them."""
    places = torch.linspace(0, len(frames) - 1, min(count, len(frames))).round().long()
    return set(frames[places].tolist())
