"""How a field of several pictures at once is evaluated: one channel each, beside the truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd
import torch

from metasiren import (
    FULL_EVALUATION,
    Comparison,
    ComparisonRow,
    Dataset,
    EvaluationOptions,
    Model,
    Protocol,
    write_metrics,
)
from metasiren_images.single.protocol import picture_of
from metasiren_images.single.sheet import sheet
from metasiren_images.single.views import in_colours, psnr_of, unit_values

SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class ChannelsProtocol(Protocol):
    """`psnr_db` of all channels together, in [0, 1] and clipped; figure.png shows the first few."""

    captions: ClassVar[dict[str, str]] = {
        "figure.png": "Some of the channels: the true ones, and those of the field.",
    }

    def check(self, dataset: Dataset) -> None:
        """As `metasiren.Protocol.check`.

        Raises:
            DataError: a signal that lies on no grid of two axes, or several signals.
        """
        picture_of(dataset, "cpu", "evaluate: picture_channels")

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
        """As `metasiren.Protocol.evaluate`; writes figure.png too.

        Raises:
            DataError: a signal that lies on no grid of two axes, or several signals.
        """
        truth = (picture_of(dataset, device, "evaluate: picture_channels") + 1) / 2
        made = unit_values(model.signal(dataset.domain), (truth.shape[0], truth.shape[1]))
        numbers = {"psnr_db": psnr_of(made, truth, 1.0)}
        write_metrics(results, numbers)
        count = min(SHOWN, truth.shape[-1])
        rows = [
            (label, [in_colours(each[..., i : i + 1]) for i in range(count)])
            for label, each in (("truth", truth), ("field", made))
        ]
        sheet(rows, [f"channel {i}" for i in range(count)]).save(results / "figure.png")
        comparison = Comparison(title=dataset.title, rows=[ComparisonRow(name=name, kind="model", metrics=numbers)])
        comparison.write(results)
        return comparison.frame()
