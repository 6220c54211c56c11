"""How a picture's field is evaluated: its values, its gradient and its Laplacian against the picture's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

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
    RecipeError,
    save_picture,
    write_metrics,
)
from metasiren_images.single.sheet import as_image, sheet
from metasiren_images.single.views import Array, Views, closeness, drawn, field_views, flat_views, true_views

FLAT = "one colour, no derivative"
"""The row of a field that is constant: what a derivative of zero scores."""

PREVIEW = 128
"""Longest side of the pictures in a preview."""


@dataclass(frozen=True, kw_only=True)
class PictureProtocol(Protocol):
    """Value, gradient and Laplacian of the field beside the picture's own; PSNR of each, and SSIM.

    The table also has the row of a field that is the mean colour everywhere. Its derivatives are zero: their PSNR is
    that of a field that has learned no derivative.

    `psnr_db` maps values to [0, 1], clips the field's and takes 1 as the peak. The true gradient is the Sobel
    operator's, the true Laplacian the five-point stencil's, both per unit of the coordinates of the longer side; the
    peak of `gradient_psnr_db` and `laplacian_psnr_db` is the range of these, and the outermost pixels do not count.
    A field of relu has a Laplacian of zero everywhere: its `laplacian_psnr_db` is that of mid-grey.

    Args:
        paper: rows to set beside, such as {SIREN (Fig. 1): {psnr_db: 30}}.
        chunk_points: pixels evaluated at a time, which bounds memory.

    Raises:
        RecipeError: chunks below one point.
    """

    captions: ClassVar[dict[str, str]] = {
        "figure.png": (
            "The picture, its gradient and its Laplacian: true ones above, those of the field below, each "
            "with its PSNR."
        ),
        "gradient.png": "Hue: direction. Colour deepens with length; white is zero.",
        "laplacian.png": "Mid-grey is zero.",
    }

    paper: Mapping[str, Mapping[str, float]] | None = None
    chunk_points: int = 1 << 14

    def __post_init__(self) -> None:
        if self.chunk_points < 1:
            raise RecipeError("evaluate: chunk_points", f"{self.chunk_points} is below one.", "Give 16384 or so.")

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
        """As `metasiren.Protocol.evaluate`; writes the three views, the true ones, and figure.png.

        Raises:
            DataError: a signal that is no picture.
        """
        value = picture_of(dataset, device, "evaluate: picture")
        truth = true_views(value)
        made = field_views(model.signal(dataset.domain), _shape(value), chunk_points=self.chunk_points)
        for view, picture in zip(("value", "gradient", "laplacian"), drawn(made, truth), strict=True):
            as_image(picture).save(results / f"{view}.png")
        for view, picture in zip(("value", "gradient", "laplacian"), drawn(truth, truth), strict=True):
            as_image(picture).save(results / f"truth_{view}.png")
        numbers = closeness(made, truth)
        _figure(made, truth, numbers).save(results / "figure.png")
        write_metrics(results, numbers)
        rows = [
            ComparisonRow(name=name, kind="model", metrics=numbers),
            ComparisonRow(name=FLAT, kind="baseline", metrics=closeness(flat_views(value), truth)),
        ]
        rows += [
            ComparisonRow(name=key, kind="paper", metrics=dict(stated)) for key, stated in (self.paper or {}).items()
        ]
        comparison = Comparison(title=dataset.title, rows=rows)
        comparison.write(results)
        return comparison.frame()

    def check(self, dataset: Dataset) -> None:
        """As `metasiren.Protocol.check`.

        Raises:
            DataError: a signal that is no picture.
        """
        picture_of(dataset, "cpu", "evaluate: picture")

    def preview(self, model: Model, dataset: Dataset, path: Path, *, device: torch.device | str = "cpu") -> Tensor:
        """The same figure from every so many-th row and column."""
        value = picture_of(dataset, device, "evaluate: picture")
        step = -(-max(value.shape[:2]) // PREVIEW)
        made = field_views(model.signal(dataset.domain), _shape(value), step=step, chunk_points=self.chunk_points)
        page = _figure(made, true_views(value).thinned(step))
        return save_picture(page, path)


def picture_of(dataset: Dataset, device: torch.device | str, where: str) -> Array:
    """A single signal on its grid of two axes: (rows, columns, channels) in [-1, 1].

    Args:
        dataset: the signal, whose split `test` has all `pixels`.
        device: where it lies.
        where: as errors name the protocol.

    Raises:
        DataError: a signal that is no picture, or several; a split `test` without `pixels`.
    """
    shape = dataset.domain.grid
    if shape is None or len(shape) != 2 or dataset.splits.get("test") != 1:
        raise DataError(where, f"{dataset.title} is not a single picture.", "Name another protocol.")
    sets = dataset.batch("test", torch.zeros(1, dtype=torch.long, device=device)).points
    if "pixels" not in sets:
        found = f"{dataset.title} has no point set 'pixels'; it has {', '.join(sorted(sets))}."
        raise DataError(where, found, "Name another protocol.")
    pixels: Array = sets["pixels"].values[0].double().cpu().numpy()
    return pixels.reshape(*shape, -1)


def _shape(value: Array) -> tuple[int, int]:
    return value.shape[0], value.shape[1]


def _figure(made: Views, truth: Views, numbers: Mapping[str, float | None] | None = None) -> Image.Image:
    """The truth's row and the reconstruction's, as in the SIREN paper's Figure 1."""
    heads = ["value", "gradient", "Laplacian"]
    for i, key in enumerate(("psnr_db", "gradient_psnr_db", "laplacian_psnr_db")):
        found = (numbers or {}).get(key)
        heads[i] += f" ({found:.1f} dB)" if found is not None and np.isfinite(found) else ""
    return sheet([("truth", drawn(truth, truth)), ("field", drawn(made, truth))], heads)
