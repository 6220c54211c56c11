"""How a start is evaluated: signals that it was not trained on, fitted from it and from drawn weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    Params,
    Points,
    Protocol,
    RecipeError,
    picture_sheet,
    psnr,
    write_metrics,
)
from metasiren_fields.zoo.fit import fit_together

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
        """
        split = next((each for each in ("test", "val") if dataset.splits.get(each)), None)
        if split is None:
            found = f"the splits of {dataset.title} are {', '.join(dataset.splits)}."
            raise DataError("evaluate: start", found, "Signals that training does not see are needed: test or val.")
        count = min(self.items, options.limit or self.items, dataset.splits[split])
        points = dataset.batch(split, torch.arange(count, device=device)).points[self.at]
        field = model.signal(dataset.domain)
        drawn = field.siren.init(generator=torch.Generator().manual_seed(self.seed))
        starts = {name: field.params, "drawn": {k: v.to(device) for k, v in drawn.items()}}
        rows: list[ComparisonRow] = []
        numbers: dict[str, float | None] = {}
        for label, params in starts.items():
            reached = self._reached(model, params, points.coords, points.values, count)
            prefix = "" if label == name else "drawn_"
            metrics = {f"psnr_db_after_{n}": value for n, value in zip(self.steps, reached, strict=True)}
            numbers |= {prefix + key: value for key, value in metrics.items()}
            rows.append(ComparisonRow(name=label, kind="baseline" if prefix else "model", metrics=metrics))
        write_metrics(results, numbers)
        if dataset.domain.grid is not None and len(dataset.domain.grid) == 2:
            self._draw(model, starts, points, dataset.domain.grid, results / "figure.png")
        comparison = Comparison(title=f"{count} signals of {dataset.title}, fitted from a start", rows=rows)
        comparison.write(results)
        return comparison.frame()

    def _draw(
        self, model: Model, starts: Mapping[str, Params], points: Points, shape: Sequence[int], path: Path
    ) -> None:
        """Write the truth, and fits of it from each start, as rows of one picture."""
        truth = points.values[:SHOWN]
        after, siren = self.steps[:2][-1], model.decoder.siren
        rows = [truth]
        for params in starts.values():
            stacked = {name: p.detach().expand(len(truth), *p.shape[1:]) for name, p in params.items()}
            with torch.enable_grad():
                made = fit_together(siren, stacked, points.coords[:SHOWN], truth, steps=after, lr=self.lr)
            rows.append(siren(made.params, points.coords[:SHOWN]))
        labels = ["truth", *(f"{name.split(' (')[0]},\n{after} steps" for name in starts)]
        pictures = [[_picture(values, shape) for values in row] for row in rows]
        picture_sheet(pictures, labels, [""] * len(truth)).save(path)

    def _reached(self, model: Model, params: Params, coords: Tensor, values: Tensor, count: int) -> list[float]:
        """PSNR in dB after each number of steps, the mean over signals."""
        stacked = {name: p.detach().expand(count, *p.shape[1:]) for name, p in params.items()}
        with torch.enable_grad():
            made = fit_together(
                model.decoder.siren, stacked, coords, values, steps=self.steps[-1], lr=self.lr, marks=self.steps
            )
        reached: list[float] = psnr(made.marked).mean(1).tolist()
        return reached


def _picture(values: Tensor, shape: Sequence[int]) -> Image.Image:
    """Values (points, channels) in [-1, 1] as a picture; the first channel alone where there are not three."""
    colours = values if values.shape[-1] == 3 else values[:, :1].expand(-1, 3)
    pixels = ((colours.clamp(-1, 1) + 1) * 127.5).round().byte().cpu().numpy().reshape(*shape, 3)
    scale = SIDE / max(shape)
    size = (max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale)))
    return Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST)
