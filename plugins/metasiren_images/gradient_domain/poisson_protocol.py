"""How a picture made from derivatives is evaluated: the SIREN paper's supplementary Table 1, and exact solutions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from PIL import Image

from metasiren import ComparisonRow, DataError, Dataset
from metasiren_images.gradient_domain.alignment import align
from metasiren_images.gradient_domain.poisson import Poisson
from metasiren_images.gradient_domain.protocol import ComparedProtocol
from metasiren_images.gradient_domain.schemes import Values
from metasiren_images.single.sheet import as_image, sheet
from metasiren_images.single.views import Views, drawn, psnr_of

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
SAID = {"gradient": "gradient", "laplacian": "Laplacian"}
"""What each is called in tables."""


@dataclass(frozen=True, kw_only=True)
class PoissonProtocol(ComparedProtocol[Poisson]):
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

    captions: ClassVar[dict[str, str]] = {
        "figure.png": (
            "True picture, gradient and Laplacian above, those of the field below. The field has the scale and offset "
            "that are closest to the truth, since derivatives leave the offset open."
        ),
        "value.png": "The field's values, with the scale and offset that are closest to the truth.",
        "gradient.png": "The field's gradient. Hue: direction. Colour deepens with length; white is zero.",
        "laplacian.png": "The field's Laplacian. Mid-grey is zero.",
    }

    def of(self, dataset: Dataset) -> Poisson:
        """The data set, where it holds a picture's derivatives."""
        if not isinstance(dataset, Poisson):
            advice = "Name data `poisson`, or another protocol."
            raise DataError("evaluate: poisson", f"{dataset.title} holds no picture's derivatives.", advice)
        return dataset

    def measures(self, made: Views, data: Poisson) -> dict[str, float | None]:
        """PSNR of the aligned views."""
        truth = true_views(data)
        return closeness(aligned(made, truth), truth)

    def pictures(self, made: Views, data: Poisson) -> Mapping[str, Image.Image]:
        """The aligned views: value, gradient and laplacian."""
        truth = true_views(data)
        views = drawn(aligned(made, truth), truth)
        return {name: as_image(view) for name, view in zip(("value", "gradient", "laplacian"), views, strict=True)}

    def figure(self, made: Views, data: Poisson, numbers: Mapping[str, float | None] | None = None) -> Image.Image:
        """The targets' row and the result's."""
        truth = true_views(data)
        heads = ["picture (aligned)", "gradient", "Laplacian"]
        for i, key in enumerate(KEYS):
            found = (numbers or {}).get(key)
            heads[i] += f" {found:.1f} dB" if found is not None else ""
        return sheet([("truth", drawn(truth, truth)), ("field", drawn(aligned(made, truth), truth))], heads)

    def others(self, data: Poisson) -> list[ComparisonRow]:
        """Exact solutions, and the paper's table beside its starfish."""
        truth, rows = true_views(data), []
        for source in self.baselines:
            solved = closeness(aligned(SOLVERS[source](data, truth), truth), truth)
            name = f"exact solution from {SAID[source]} (DCT)"
            rows.append(ComparisonRow(name=name, kind="baseline", metrics=solved))
        if self.paper and STARFISH in data.provenance["source"]:
            note = "of coloured, normalised pictures"
            for key, stated in PAPER.items():
                metrics = dict(zip(KEYS, stated, strict=True))
                rows.append(ComparisonRow(name=f"{key} (paper)", kind="paper", metrics=metrics, note=note))
        return rows


def closeness(made: Views, truth: Views) -> dict[str, float | None]:
    """PSNR of aligned views; see `PoissonProtocol`. None where there is no error at all."""
    pictures = zip(drawn(made, truth)[1:], drawn(truth, truth)[1:], strict=True)
    coloured = [psnr_of(mine, true, 1.0) for mine, true in pictures]
    return {
        "psnr_db": psnr_of(made.value.clip(-1, 1), truth.value, 2.0),
        "gradient_psnr_db": psnr_of(made.gradient, truth.gradient, float(np.ptp(truth.gradient))),
        "laplacian_psnr_db": psnr_of(made.laplacian, truth.laplacian, float(np.ptp(truth.laplacian))),
        "gradient_coloured_psnr_db": coloured[0],
        "laplacian_coloured_psnr_db": coloured[1],
    }


def _solved(picture: Values, data: Poisson) -> Views:
    return Views(picture, data.scheme.gradient(picture), data.scheme.laplacian(picture))


SOLVERS: Mapping[str, Callable[[Poisson, Views], Views]] = {
    "gradient": lambda data, truth: _solved(data.scheme.from_gradient(truth.gradient), data),
    "laplacian": lambda data, truth: _solved(data.scheme.from_laplacian(truth.laplacian), data),
}


def true_views(data: Poisson) -> Views:
    """The picture in [-1, 1], and the derivatives that are its targets."""
    return Views(data.picture, data.scheme.gradient(data.picture), data.scheme.laplacian(data.picture))


def aligned(made: Views, truth: Views) -> Views:
    """Each view with a scale and offsets of its own, nearest to the truth's; see `align`."""
    flat = (*truth.gradient.shape[:2], -1)
    gradient = align(made.gradient.reshape(flat), truth.gradient.reshape(flat)).reshape(truth.gradient.shape)
    return Views(align(made.value, truth.value), gradient, align(made.laplacian, truth.laplacian))
