"""How a picture from indirect measurements is evaluated: beside the truth, and beside other methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

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
    Model,
    Protocol,
    save_picture,
    write_metrics,
)
from metasiren_images.measured.picture import MeasuredPicture
from metasiren_images.single.sheet import as_image, sheet
from metasiren_images.single.views import Array, in_colours, unit_values


@dataclass(frozen=True, kw_only=True)
class MeasuredProtocol(Protocol):
    """`psnr_db` and `ssim` of the field's pixels, clipped to [0, 1], and of other methods on the same measurements.

    Where no truth is known, the metrics are those of the data set: see `Sinogram`.

    Args:
        others: whether the other methods are run.
        chunk_points: pixels evaluated at a time, which bounds memory.
    """

    others: bool = True
    chunk_points: int = 1 << 16

    captions: ClassVar[dict[str, str]] = {
        "figure.png": "The true picture where it is known, the field, and the other methods.",
        "seen.png": "What the field was fitted to. In line integrals, a column is an angle and a row an offset.",
    }

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
        """As `metasiren.Protocol.evaluate`; writes field.png, truth.png, seen.png and figure.png too.

        Raises:
            DataError: data that are not such a picture.
        """
        data = _data(dataset)
        made, others = self._field(model, data), dict(data.others()) if self.others else {}
        numbers = data.closeness(made)
        write_metrics(results, numbers)
        truth = {} if data.truth is None else {"truth": data.truth}
        for word, picture in {"field": made, **truth, "seen": data.seen}.items():
            as_image(in_colours(picture)).save(results / f"{word}.png")
        rows = [ComparisonRow(name=name, kind="model", metrics=numbers)]
        # Beside the field's row, not in one mapping: a run may be called as another method is.
        for label, picture in others.items():
            rows.append(ComparisonRow(name=label, kind="baseline", metrics=data.closeness(picture)))
        heads = [*truth, "field" + _said(numbers), *(row.name + _said(row.metrics) for row in rows[1:])]
        tiles = [in_colours(each) for each in (*truth.values(), made, *others.values())]
        sheet([("", tiles)], heads).save(results / "figure.png")
        comparison = Comparison(title=data.title, rows=rows)
        comparison.write(results)
        return comparison.frame()

    def check(self, dataset: Dataset) -> None:
        """As `metasiren.Protocol.check`.

        Raises:
            DataError: data that are not such a picture.
        """
        _data(dataset)

    def preview(self, model: Model, dataset: Dataset, path: Path, *, device: torch.device | str = "cpu") -> Tensor:
        """The field, and the truth where it is known."""
        data = _data(dataset)
        tiles = {"field": self._field(model, data), **({} if data.truth is None else {"truth": data.truth})}
        return save_picture(sheet([("", [in_colours(each) for each in tiles.values()])], list(tiles)), path)

    def _field(self, model: Model, data: MeasuredPicture) -> Array:
        return data.shown(unit_values(model.signal(data.domain), data.shape, chunk_points=self.chunk_points))


def _said(metrics: Mapping[str, float | None]) -> str:
    found = metrics.get("psnr_db")
    return "" if found is None else f" {found:.1f} dB"


def _data(dataset: Dataset) -> MeasuredPicture:
    if not isinstance(dataset, MeasuredPicture):
        advice = "Name data noisy_picture, larger_pixels or sinogram, or another protocol."
        raise DataError("evaluate: measured_picture", f"{dataset.title} is no measured picture.", advice)
    return dataset
