"""How a volume's field is evaluated: at its voxels, between them, and in slices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
import torch

from metasiren import (
    FULL_EVALUATION,
    Comparison,
    ComparisonRow,
    DataError,
    Dataset,
    EvaluationOptions,
    Model,
    Protocol,
    grid,
    write_metrics,
)
from metasiren_images.single.sheet import as_image, sheet
from metasiren_images.single.views import Array, in_colours, psnr_of
from metasiren_images.volumes.volume import Volume

METHODS: tuple[tuple[str, Literal["linear", "cubic"]], ...] = (("trilinear", "linear"), ("cubic spline", "cubic"))


@dataclass(frozen=True, kw_only=True)
class VolumeProtocol(Protocol):
    """`psnr_db` at the voxels used in training, `between_psnr_db` at other points; the peak is the range, 2.

    Trilinear and cubic interpolation of the voxels are set beside. figure.png has the middle slices along each axis.

    Args:
        chunk_points: evaluated at a time, which bounds memory.
    """

    chunk_points: int = 1 << 16

    captions: ClassVar[dict[str, str]] = {
        "figure.png": "The middle slices across each axis: true ones above, those of the field below.",
        "value.png": "The field in the middle slice across axis 0.",
    }

    def check(self, dataset: Dataset) -> None:
        """As `metasiren.Protocol.check`.

        Raises:
            DataError: data that are no volume.
        """
        _volume(dataset)

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
        """As `metasiren.Protocol.evaluate`; writes figure.png, and value.png: the middle slice of axis 0.

        Raises:
            DataError: data that are no volume.
        """
        dataset = _volume(dataset)
        field = model.signal(dataset.domain)
        like = next(iter(field.params.values()))
        batch = dataset.batch("test", torch.zeros(1, dtype=torch.long, device=device))

        def values(coords: torch.Tensor) -> Array:
            with torch.no_grad():
                made = field.jet(coords.to(like), "value", chunk_points=self.chunk_points).value
            return made.double().cpu().numpy().ravel()

        known = {name: points.values.double().cpu().numpy().ravel() for name, points in batch.points.items()}
        numbers = {"psnr_db": psnr_of(values(batch.points["samples"].coords), known["samples"], 2.0)}
        rows = []
        if "between" in known:
            numbers["between_psnr_db"] = psnr_of(values(batch.points["between"].coords), known["between"], 2.0)
            for label, method in METHODS:
                between = dataset.interpolated(method)
                found = None if between is None else psnr_of(between, known["between"], 2.0)
                rows.append(ComparisonRow(name=label, kind="baseline", metrics={"between_psnr_db": found}))
        write_metrics(results, numbers)
        shape = dataset.whole.shape
        coords = grid(shape).reshape(*shape, 3)
        slices = [(axis, shape[axis] // 2) for axis in range(3)]
        made = [
            values(plane.reshape(-1, 3)).reshape(plane.shape[:2])
            for plane in (coords.select(axis, index) for axis, index in slices)
        ]
        true = [np.take(dataset.whole, index, axis) for axis, index in slices]
        side = max(shape)
        page = sheet(
            [("truth", [_grey(each, side) for each in true]), ("field", [_grey(each, side) for each in made])],
            [f"axis {axis}, slice {index}" for axis, index in slices],
        )
        page.save(results / "figure.png")
        as_image(_grey(made[0], side)).save(results / "value.png")
        comparison = Comparison(
            title=dataset.title, rows=[ComparisonRow(name=name, kind="model", metrics=numbers), *rows]
        )
        comparison.write(results)
        return comparison.frame()


def _grey(values: Array, side: int) -> Array:
    """A slice as colours (side, side, 3) in [0, 1], on mid-grey where it ends."""
    unit = np.full((side, side), 0.5)
    unit[: values.shape[0], : values.shape[1]] = ((values + 1) / 2).clip(0, 1)
    return in_colours(unit[..., None])


def _volume(dataset: Dataset) -> Volume:
    if not isinstance(dataset, Volume):
        advice = "Name data volume, or another protocol."
        raise DataError("evaluate: volume", f"{dataset.title} is no volume.", advice)
    return dataset
