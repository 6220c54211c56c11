"""How a start is evaluated: signals that it was not trained on, fitted from it and from drawn weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

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
    Points,
    Protocol,
    RecipeError,
    picture_sheet,
    psnr,
    write_metrics,
)
from metasiren_fields.zoo.fit import fit_from

SHOWN, SIDE = 6, 96
"""Pictures of figure.png, and the pixels of their longer side."""


@dataclass(frozen=True, kw_only=True)
class StartProtocol(Protocol):
    """PSNR after some steps of Adam from the model's weights, the mean over signals; beside it from drawn weights.

    The signals are those of the split `test`, or else `val`: values in [-1, 1]. All points are fitted, and compared
    without clipping. For pictures, figure.png shows them after the second of the numbers of steps.

    Args:
        steps: the numbers of steps, ascending.
        lr: Adam's learning rate, constant.
        items: at most so many signals.
        at: the point set.
        seed: of the drawn weights.

    Raises:
        RecipeError: steps that do not ascend from zero or more.
    """

    captions: ClassVar[dict[str, str]] = {
        "figure.png": (
            "True pictures, and fits of them that began with different weights, after the same number of steps."
        ),
    }

    takes: ClassVar[frozenset[str]] = frozenset({"limit"})

    steps: tuple[int, ...] = (0, 10, 50, 100, 300)
    lr: float = 1e-3
    items: int = 16
    at: str = "pixels"
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.steps or list(self.steps) != sorted(set(self.steps)) or self.steps[0] < 0:
            raise RecipeError("evaluate: start: steps", f"{list(self.steps)}.", "Give ascending numbers, such as [50].")

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
        """As `metasiren.Protocol.evaluate`; metrics.json has `psnr_db_after_50` and `drawn_psnr_db_after_50`.

        Raises:
            DataError: data without a split `test` or `val`.
            RecipeError: a point set that the data does not have, or whose values are not known.
        """
        split = self._test_split(dataset)
        count = min(self.items, options.limit or self.items, dataset.splits[split])
        field = model.signal(dataset.domain)
        like = next(iter(field.params.values()))
        points = self._points(dataset, split, torch.arange(count, device=device)).cast(like.dtype)
        drawn = {k: v.to(like) for k, v in field.siren.init(generator=torch.Generator().manual_seed(self.seed)).items()}
        # The second number of steps, for the figure.
        after = self.steps[:2][-1]
        rows: list[ComparisonRow] = []
        numbers: dict[str, float | None] = {}
        shown = [points.values[:SHOWN]]
        starts = (name, "model", "", field.params), ("drawn", "baseline", "drawn_", drawn)
        for label, kind, prefix, params in starts:
            made = fit_from(
                field.siren, params, points.coords, points.values, steps=self.steps, lr=self.lr, keep_at=after
            )
            reached = psnr(made.marked).mean(1).tolist()
            metrics = {f"psnr_db_after_{n}": value for n, value in zip(self.steps, reached, strict=True)}
            numbers |= {prefix + key: value for key, value in metrics.items()}
            rows.append(ComparisonRow(name=label, kind=kind, metrics=metrics))
            first = {key: p[:SHOWN] for key, p in made.kept.items()}
            shown.append(field.siren(first, points.coords[:SHOWN]).detach())
        write_metrics(results, numbers)
        if dataset.domain.grid is not None and len(dataset.domain.grid) == 2:
            heads = ["truth", *(f"{label.split(' (')[0]},\n{after} steps" for label, *_ in starts)]
            pictures = [[_picture(values, dataset.domain.grid) for values in row] for row in shown]
            picture_sheet(pictures, heads, [""] * len(pictures[0])).save(results / "figure.png")
        comparison = Comparison(title=f"{count} signals of {dataset.title}, fitted from a start", rows=rows)
        comparison.write(results)
        return comparison.frame()

    def check(self, dataset: Dataset) -> None:
        """As `metasiren.Protocol.check`.

        Raises:
            DataError: data without a split `test` or `val`.
            RecipeError: a point set that the data does not have, or whose values are not known.
        """
        self._points(dataset, self._test_split(dataset), torch.arange(1))

    @staticmethod
    def _test_split(dataset: Dataset) -> str:
        """The split whose signals are fitted."""
        split = next((each for each in ("test", "val") if dataset.splits.get(each)), None)
        if split is None:
            found = f"the splits of {dataset.title} are {', '.join(dataset.splits)}."
            raise DataError("evaluate: start", found, "Signals that training does not see are needed: test or val.")
        return split

    def _points(self, dataset: Dataset, split: str, items: Tensor) -> Points:
        """The point set that is fitted."""
        sets = dataset.batch(split, items).points
        if self.at not in sets or "values" not in sets[self.at].targets:
            usable = ", ".join(sorted(each for each, points in sets.items() if "values" in points.targets))
            found = f"{dataset.title} has no point set {self.at!r} with values; it has {', '.join(sorted(sets))}."
            raise RecipeError("evaluate: start: at", found, f"With values: {usable or 'none'}.")
        return sets[self.at]


def _picture(values: Tensor, shape: Sequence[int]) -> Image.Image:
    """Values (points, channels) in [-1, 1] as a picture; the first channel alone where there are not three."""
    colours = values if values.shape[-1] == 3 else values[:, :1].expand(-1, 3)
    pixels = ((colours.clamp(-1, 1) + 1) * 127.5).round().byte().cpu().numpy().reshape(*shape, 3)
    scale = SIDE / max(shape)
    size = (max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale)))
    return Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST)
