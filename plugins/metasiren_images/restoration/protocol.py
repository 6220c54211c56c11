"""How a restored picture is evaluated: supplementary Table 2 of the SIREN paper, with classical methods beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

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
    PluginError,
    Protocol,
    save_picture,
    write_metrics,
)
from metasiren_images.restoration.classical import Pixels, biharmonic, opencv
from metasiren_images.restoration.deep_image_prior import DeepImagePrior
from metasiren_images.restoration.masked import MaskedPicture
from metasiren_images.single.sheet import as_image, sheet
from metasiren_images.single.views import in_colours, psnr_of, unit_values

HIDDEN = np.array([0.16, 0.20, 0.42])
"""Colour of hidden pixels: a deep blue, so that seen black, grey and white show."""

Baseline = Literal["biharmonic", "navier_stokes", "telea", "deep_image_prior"]
LABELS: Mapping[Baseline, str] = {
    "biharmonic": "biharmonic (scikit-image)",
    "navier_stokes": "Navier-Stokes (OpenCV)",
    "telea": "Telea (OpenCV)",
    "deep_image_prior": "Deep Image Prior",
}

PAPER: Mapping[str, Mapping[str, float]] = {
    "tiles": {"no prior": 15.45, "TV": 17.40, "FH": 17.68},
    "art": {"no prior": 32.41, "TV": 34.44, "FH": 27.18},
}
"""Supplementary Table 2: mean PSNR in dB over ten runs of SIREN, by picture; these pictures are not in circulation."""


@dataclass(frozen=True, kw_only=True)
class InpaintingProtocol(Protocol):
    """PSNR over all pixels (`psnr_db`, as in the paper) and over hidden ones (`hidden_psnr_db`), in [0, 1], clipped.

    The field is taken as it is, at seen pixels too; composite.png has the known pixels in their places, as the other
    methods keep them. The comparison's title names the best method by hidden pixels, and what could not be run with
    the reason.

    Args:
        baselines: the methods set beside; leave out what takes too long. navier_stokes and telea need the extra
            `inpainting`; without it their rows are absent.
        dip_steps: of Deep Image Prior.
        dip_features: its channels at every scale.
        dip_seed: of its noise and weights; it does not follow the field's seed.
        chunk_points: pixels evaluated at a time, which bounds memory.
    """

    captions: ClassVar[dict[str, str]] = {
        "figure.png": "The seen pixels, the true picture, and each method with its PSNR over all pixels.",
        "seen.png": "The pixels that were seen; the others were hidden.",
        "composite.png": "The field in hidden pixels, the known values in the others.",
    }

    baselines: Sequence[Baseline] = ("biharmonic", "navier_stokes", "telea")
    dip_steps: int = 3000
    dip_features: int = 128
    dip_seed: int = 0
    chunk_points: int = 1 << 16

    def __post_init__(self) -> None:
        self._dip()

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
        """As `metasiren.Protocol.evaluate`; writes a picture per method, composite.png,
        truth.png, seen.png and figure.png too.

        Raises:
            DataError: data that are not a masked picture.
        """
        data = _data(dataset)
        pictures, absent = {name: self._field(model, data)}, []
        for key in self.baselines:
            try:
                pictures[LABELS[key]] = self._fill(key, data, device)
            except PluginError as error:
                absent.append(f"{LABELS[key]} ({error.found} {error.advice})")
        numbers = {label: closeness(made, data) for label, made in pictures.items()}
        write_metrics(results, numbers[name])
        self._pictures(pictures, numbers, data, results, name)
        rows = [
            ComparisonRow(name=label, kind="model" if label == name else "baseline", metrics=metrics)
            for label, metrics in numbers.items()
        ]
        comparison = Comparison(title=_title(data, numbers, absent), rows=rows + _paper_rows(data))
        comparison.write(results)
        return comparison.frame()

    def check(self, dataset: Dataset) -> None:
        """As `metasiren.Protocol.check`.

        Raises:
            DataError: data that are not a masked picture.
        """
        _data(dataset)

    def preview(self, model: Model, dataset: Dataset, path: Path, *, device: torch.device | str = "cpu") -> Tensor:
        """What is seen, the field and the truth."""
        data = _data(dataset)
        made = self._field(model, data)
        row = ("", [shown(data), in_colours(made), in_colours(data.picture)])
        page = sheet([row], ["seen", "field", "truth"])
        return save_picture(page, path)

    def _field(self, model: Model, data: MaskedPicture) -> Pixels:
        rows, columns = data.seen.shape
        return unit_values(model.signal(data.domain), (rows, columns), chunk_points=self.chunk_points)

    def _fill(self, key: Baseline, data: MaskedPicture, device: torch.device | str) -> Pixels:
        if key == "biharmonic":
            return biharmonic(data.picture, data.seen)
        if key == "deep_image_prior":
            return self._dip().fill(data.picture, data.seen, device)
        return opencv(data.picture, data.seen, key)

    def _dip(self) -> DeepImagePrior:
        return DeepImagePrior(steps=self.dip_steps, features=self.dip_features, seed=self.dip_seed)

    def _pictures(
        self,
        pictures: Mapping[str, Pixels],
        numbers: Mapping[str, Mapping[str, float | None]],
        data: MaskedPicture,
        results: Path,
        name: str,
    ) -> None:
        as_image(shown(data)).save(results / "seen.png")
        as_image(in_colours(data.picture)).save(results / "truth.png")
        composite = np.where(data.seen[..., None], data.picture, pictures[name])
        as_image(in_colours(composite)).save(results / "composite.png")
        heads, tiles = ["seen", "truth"], [shown(data), in_colours(data.picture)]
        for label, made in pictures.items():
            method = "field" if label == name else label.partition(" (")[0]
            file = method.lower().replace(" ", "_").replace("-", "_")
            as_image(in_colours(made)).save(results / f"{file}.png")
            found = numbers[label]["psnr_db"]
            heads.append(method + (f" {found:.1f} dB" if found is not None else ""))
            tiles.append(in_colours(made))
        figure: Image.Image = sheet([("", tiles)], heads)
        figure.save(results / "figure.png")


def closeness(made: Pixels, data: MaskedPicture) -> dict[str, float | None]:
    """PSNR in dB of a picture (rows, columns, channels) in [0, 1]; None where nothing differs, or nothing is hidden."""
    hidden = ~data.seen
    beyond = psnr_of(made[hidden], data.picture[hidden], 1.0) if hidden.any() else None
    return {"psnr_db": psnr_of(made, data.picture, 1.0), "hidden_psnr_db": beyond}


def shown(data: MaskedPicture) -> Pixels:
    """The seen pixels in colours (rows, columns, 3), hidden ones in blue."""
    picture: Pixels = np.where(data.seen[..., None], in_colours(data.picture), HIDDEN)
    return picture


def _title(data: MaskedPicture, numbers: Mapping[str, Mapping[str, float | None]], absent: Sequence[str]) -> str:
    by_hidden = {label: metrics["hidden_psnr_db"] for label, metrics in numbers.items()}
    evaluated = {label: value for label, value in by_hidden.items() if value is not None}
    words = [data.title]
    if evaluated:
        best = max(evaluated, key=evaluated.__getitem__)
        words.append(f"best at hidden pixels: {best}, {evaluated[best]:.2f} dB")
    if absent:
        words.append(f"not run: {'; '.join(absent)}")
    return "; ".join(words)


def _paper_rows(data: MaskedPicture) -> list[ComparisonRow]:
    stated = PAPER.get(Path(data.provenance["source"]).stem.lower(), {})
    return [
        ComparisonRow(name=f"SIREN, {prior} (paper)", kind="paper", metrics={"psnr_db": value}, note="mean of 10 runs")
        for prior, value in stated.items()
    ]


def _data(dataset: Dataset) -> MaskedPicture:
    if not isinstance(dataset, MaskedPicture):
        advice = "Name data `masked_picture`, or another protocol."
        raise DataError("evaluate: inpainting", f"{dataset.title} is not a masked picture.", advice)
    return dataset
