"""How a picture made from derivatives is judged: supplementary Table 1 of the SIREN paper, beside exact solutions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor

from metasiren import Comparison, ComparisonRow, DataError, Dataset, Field, Model, Protocol, grid, write_metrics
from metasiren_images.gradient_domain.alignment import align, psnr
from metasiren_images.gradient_domain.poisson import Poisson
from metasiren_images.gradient_domain.schemes import Values
from metasiren_images.single.sheet import as_image, sheet
from metasiren_images.single.views import Views, drawn

STARFISH = "12003"
"""Number of the starfish in the Berkeley segmentation data: files of it have this in their name."""

KEYS = ("psnr_db", "gradient_psnr_db", "laplacian_psnr_db")
PAPER = {
    "tanh from gradient": (25.79, 19.11, 18.59),
    "tanh from Laplacian": (7.11, 11.14, 16.35),
    "ReLU P.E. from gradient": (26.35, 19.33, 14.24),
    "ReLU P.E. from Laplacian": (11.14, 11.35, 18.31),
    "SIREN from gradient": (32.91, 46.85, 19.88),
    "SIREN from Laplacian": (14.95, 23.45, 57.13),
}
"""Supplementary Table 1: image, gradient, Laplacian in dB, of coloured and normalised pictures."""

Baseline = Literal["gradient", "laplacian"]


@dataclass(frozen=True, kw_only=True)
class PoissonProtocol(Protocol):
    """PSNR of picture, gradient and Laplacian, each aligned to the truth's by one scale and an offset per component.

    The scale and the offsets are those of least squares. `psnr_db` is of the aligned picture in [0, 1], clipped.
    The true derivatives are the targets' (option `derivatives` of the data), the peak is their range. The `coloured`
    ones compare pictures as they are drawn: direction as hue, size as saturation, strong derivatives cut off; that is
    closest to what the paper's table says that it measured.

    Args:
        baselines: exact solutions by cosine transforms, from the `gradient` and from the `laplacian`.
        paper: set the paper's rows beside, where the picture is the paper's starfish.
        chunk_points: pixels evaluated at a time, which bounds memory.
    """

    baselines: Sequence[Baseline] = ("gradient", "laplacian")
    paper: bool = True
    chunk_points: int = 1 << 14

    def evaluate(
        self,
        model: Model,
        dataset: Dataset,
        results: Path,
        *,
        name: str,
        limit: int | None = None,
        refine: int = 0,
        device: torch.device | str = "cpu",
    ) -> pd.DataFrame:
        """As `metasiren.Protocol.evaluate`; writes value.png, gradient.png, laplacian.png and figure.png too.

        Raises:
            DataError: data that are not a picture's derivatives.
        """
        data, truth = _truth(dataset)
        made = _aligned(field_views(model.signal(dataset.domain), data, self.chunk_points), truth)
        for view, picture in zip(("value", "gradient", "laplacian"), drawn(made, truth), strict=True):
            as_image(picture).save(results / f"{view}.png")
        numbers = closeness(made, truth)
        figure(made, truth, numbers).save(results / "figure.png")
        write_metrics(results, numbers)
        rows = [ComparisonRow(name=name, kind="model", metrics=numbers)]
        for source in self.baselines:
            solved = closeness(_aligned(SOLVERS[source](data, truth), truth), truth)
            rows.append(ComparisonRow(name=f"exact solution from {source} (DCT)", kind="baseline", metrics=solved))
        if self.paper and STARFISH in data.provenance["source"]:
            note = "of coloured, normalised pictures"
            for key, told in PAPER.items():
                metrics = dict(zip(KEYS, told, strict=True))
                rows.append(ComparisonRow(name=f"{key} (paper)", kind="paper", metrics=metrics, note=note))
        comparison = Comparison(title=dataset.title, rows=rows)
        comparison.write(results)
        return comparison.frame()

    def preview(self, model: Model, dataset: Dataset, path: Path, *, device: torch.device | str = "cpu") -> Tensor:
        """The truth's views and the field's."""
        data, truth = _truth(dataset)
        page = figure(_aligned(field_views(model.signal(dataset.domain), data, self.chunk_points), truth), truth)
        page.save(path)
        picture: Tensor = pil_to_tensor(page)
        return picture


def field_views(field: Field, data: Dataset, chunk_points: int) -> Views:
    """Values and exact derivatives per unit of the coordinates at the pixels of a data set."""
    shape = data.domain.grid
    assert shape is not None
    like = next(iter(field.params.values()))
    with torch.no_grad():
        jet = field.jet(grid(shape).to(like), "laplacian", chunk_points=chunk_points)
    parts = (jet.value, jet.gradient, jet.laplacian)
    arrays = [part[0].double().cpu().numpy() for part in parts if part is not None]
    return Views(*(array.reshape(*shape, *array.shape[1:]) for array in arrays))


def closeness(made: Views, truth: Views) -> dict[str, float | None]:
    """PSNR of aligned views; see `PoissonProtocol`. None where there is no error at all."""
    pictures = zip(drawn(made, truth)[1:], drawn(truth, truth)[1:], strict=True)
    coloured = [psnr(mine, true, 1.0) for mine, true in pictures]
    return {
        "psnr_db": psnr(made.value.clip(-1, 1), truth.value, 2.0),
        "gradient_psnr_db": psnr(made.gradient, truth.gradient, float(np.ptp(truth.gradient))),
        "laplacian_psnr_db": psnr(made.laplacian, truth.laplacian, float(np.ptp(truth.laplacian))),
        "gradient_coloured_psnr_db": coloured[0],
        "laplacian_coloured_psnr_db": coloured[1],
    }


def figure(made: Views, truth: Views, numbers: Mapping[str, float | None] | None = None) -> Image.Image:
    """The targets' row and the result's."""
    heads = ["picture (aligned)", "gradient", "Laplacian"]
    for i, key in enumerate(KEYS):
        found = (numbers or {}).get(key)
        heads[i] += f" {found:.1f} dB" if found is not None else ""
    return sheet([("truth", drawn(truth, truth)), ("field", drawn(made, truth))], heads)


def _solved(picture: Values, data: Poisson) -> Views:
    return Views(picture, data.scheme.gradient(picture), data.scheme.laplacian(picture))


SOLVERS: Mapping[str, Callable[[Poisson, Views], Views]] = {
    "gradient": lambda data, truth: _solved(data.scheme.from_gradient(truth.gradient), data),
    "laplacian": lambda data, truth: _solved(data.scheme.from_laplacian(truth.laplacian), data),
}


def _truth(dataset: Dataset) -> tuple[Poisson, Views]:
    if not isinstance(dataset, Poisson):
        advice = "Name data `poisson`, or another protocol."
        raise DataError("evaluate: poisson", f"{dataset.title} holds no picture's derivatives.", advice)
    picture = dataset.picture
    return dataset, Views(picture, dataset.scheme.gradient(picture), dataset.scheme.laplacian(picture))


def _aligned(made: Views, truth: Views) -> Views:
    flat = (*truth.gradient.shape[:2], -1)
    gradient = align(made.gradient.reshape(flat), truth.gradient.reshape(flat)).reshape(truth.gradient.shape)
    return Views(align(made.value, truth.value), gradient, align(made.laplacian, truth.laplacian))
