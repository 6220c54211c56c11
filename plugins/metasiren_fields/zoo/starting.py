"""How a start is evaluated: signals that it was not trained on, fitted from it and from drawn weights."""

from __future__ import annotations

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
    Params,
    Protocol,
    RecipeError,
    psnr,
    write_metrics,
)
from metasiren_fields.zoo.fit import fit_together


@dataclass(frozen=True, kw_only=True)
class StartProtocol(Protocol):
    """PSNR after some steps of Adam from the model's weights, the mean over signals; beside it from drawn weights.

    The signals are those of the split `test`, or else `val`: values in [-1, 1]. All points are fitted, and compared
    without clipping.

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
        comparison = Comparison(title=f"{count} signals of {dataset.title}, fitted from a start", rows=rows)
        comparison.write(results)
        return comparison.frame()

    def _reached(self, model: Model, params: Params, coords: Tensor, values: Tensor, count: int) -> list[float]:
        """PSNR in dB after each number of steps, the mean over signals."""
        stacked = {name: p.detach().expand(count, *p.shape[1:]) for name, p in params.items()}
        with torch.enable_grad():
            made = fit_together(
                model.decoder.siren, stacked, coords, values, steps=self.steps[-1], lr=self.lr, marks=self.steps
            )
        reached: list[float] = psnr(made.marked).mean(1).tolist()
        return reached
