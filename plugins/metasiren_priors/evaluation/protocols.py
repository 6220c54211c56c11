"""How an inpainting prior is evaluated: the columns of the SIREN paper's Table 4, with training-free rows beside them.

Predictions and targets are mapped to [0, 1] and clipped; the squared error is averaged over all pixels and channels
of an image, seen ones included, and then over images. `mse_hidden` counts hidden pixels only.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import pandas as pd
import torch
from torch import Tensor

from metasiren import (
    FULL_EVALUATION,
    DataError,
    Dataset,
    EvaluationOptions,
    Model,
    Protocol,
    RecipeError,
    Table,
    did_you_mean,
    save_picture,
    table_frame,
    write_table,
)
from metasiren_priors.evaluation.baselines import BASELINES, GaussianConditional
from metasiren_priors.evaluation.masks import DRAWS, views
from metasiren_priors.evaluation.nearest import nearest_figure
from metasiren_priors.evaluation.paper import paper_rows
from metasiren_priors.evaluation.pictures import Strip, figure, panels
from metasiren_priors.evaluation.predictive import Joint
from metasiren_priors.evaluation.predictors import Predictor
from metasiren_priors.evaluation.scoring import Evaluation, Predict


@dataclass(frozen=True, kw_only=True)
class Exact(Protocol):
    """Exactly n pixels, drawn without replacement; several masks per image and context.

    Args:
        contexts: numbers of seen pixels, `half` (the first half of the rows) or `full`.
        seeds: number of masks per image and context.
        split: which images; by default `test` where the data has it, else `val`.
        batch: images per forward pass.
        baselines: write the training-free rows.
        baseline_images: evaluate the baselines on so many images at most; the table states the number.
        pictures: number of images in figure6.png and figure_nearest.png; 0 writes none.
        distributions: score predictive distributions (log-likelihood, coverage, CRPS; see `predictive`) on so many
            images, for rows that have one: the encoder `mixture`, decoders with a `deviation`, and the Gaussian
            conditional. 0 scores none.
        refine_in: what test-time optimisation changes: `latent`, or emitted `weights` (see `weight_refinement`).
        refine_rate: learning rate of test-time optimisation (see `refinement.refine`).
        refine_prior: weight that holds refined latents near the encoder's.

    Raises:
        RecipeError: a number below one.
    """

    captions: ClassVar[dict[str, str]] = {
        "figure_nearest.png": (
            "Reconstructions, and the training pictures that are nearest to each. At the left: mean squared errors "
            "against the reconstruction, of the truth and of these training pictures."
        ),
    }

    takes: ClassVar[frozenset[str]] = frozenset({"limit", "refine"})

    contexts: Sequence[int | str] = (10, 100, 1000, "half", 1024)
    seeds: int = 3
    split: str | None = None
    batch: int = 256
    baselines: bool = True
    baseline_images: int = 1000
    pictures: int = 4
    distributions: int = 0
    refine_in: Literal["latent", "weights"] = "latent"
    refine_rate: float = 0.02
    refine_prior: float = 1e-3

    def __post_init__(self) -> None:
        if self.distributions < 0:
            raise RecipeError("evaluate: distributions", f"{self.distributions} is negative.", "Give 0 or more.")
        for option in ("seeds", "batch", "baseline_images"):
            if getattr(self, option) < 1:
                found = f"{getattr(self, option)} is below one."
                raise RecipeError(f"evaluate: {option}", found, "Give a positive integer.")

    @property
    def draws(self) -> str:
        """How random masks are drawn: a key of `masks.DRAWS`."""
        return "exact"

    @property
    def title(self) -> str:
        """What the table calls this protocol."""
        return "exact"

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
        """As `metasiren.Protocol.evaluate`; writes table.json, .csv, .md, .tex, figure6.png, panels.json,
        which says where each picture lies in figure6.png, and figure_nearest.png.

        Raises:
            DataError: signals that are not images, or a split that is missing or empty.
            RecipeError: contexts that these images cannot have.
        """
        shape = self._grid(dataset)
        columns = tuple(views(self.contexts, shape))
        split = self._split(dataset)
        limit, refine = options.limit, options.refine
        count = dataset.splits[split] if limit is None else min(limit, dataset.splits[split])
        if count < 1:
            raise DataError("evaluate: limit", f"{limit} images.", "Give a limit of one or more.")
        evaluation = Evaluation(dataset, split, columns, DRAWS[self.draws], self.seeds, self.batch, device)
        predict = self.predictor(model, shape, refine)
        what = " in the weights" if self.refine_in == "weights" else ""
        title = f"{name} (refined{what}, {refine} steps)" if refine else name
        scored = min(count, self.distributions)
        rows = [evaluation.row(title, "model", predict, count)]
        if scored > 0 and (distribution := predict.distribution(*reversed(evaluation.values(0, 1)))) is not None:
            rows[0] = evaluation.distribution(rows[0], distribution, scored)
        for kind in BASELINES if self.baselines else ():
            baseline = kind()
            baseline.fit(dataset, device)
            row = evaluation.row(baseline.name, "baseline", baseline.predictor, min(count, self.baseline_images))
            if scored > 0 and isinstance(baseline, GaussianConditional):
                row = evaluation.distribution(row, Joint(baseline.posteriors), scored)
            rows.append(row)
        halves = any(view.half and view.key == "512" for view in columns)
        table = Table(
            dataset=dataset.title,
            protocol=self.title,
            filter=dataset.provenance.get("filter", "not stated"),
            images=count,
            seeds=self.seeds,
            split=split,
            labels={view.key: view.label for view in columns if view.label != view.key},
            likelihood=self._likelihood(scored) if any(row.crps for row in rows) else None,
            rows=rows + paper_rows(dataset, halves, [view.key for view in columns]),
        )
        write_table(table, results)
        if self.pictures > 0:
            shown = min(count, self.pictures)
            strips, truth = self._strips(evaluation, predict, shown)
            figure(strips, truth, shape).save(results / "figure6.png")
            where = {"figure6.png": panels(strips, truth, shape)}
            (results / "panels.json").write_text(json.dumps(where) + "\n", "utf-8")
            # The second of the columns, beside the training images that are nearest to its reconstructions.
            one = strips[min(1, len(strips) - 1)]
            near = nearest_figure(evaluation.dataset, one.seen, one.predictions, truth, shape)
            near.save(results / "figure_nearest.png")
        return table_frame(table)

    def check(self, dataset: Dataset) -> None:
        """As `metasiren.Protocol.check`.

        Raises:
            DataError: signals that are not images, or a split that is missing or empty.
            RecipeError: contexts that these images cannot have.
        """
        views(self.contexts, self._grid(dataset))
        self._split(dataset)

    def preview(self, model: Model, dataset: Dataset, path: Path, *, device: torch.device | str = "cpu") -> Tensor:
        """Draw the picture of a model in training into the file `path`.

        Returns:
            The same picture, uint8 (3, rows, columns).
        """
        shape, split = self._grid(dataset), self._split(dataset)
        evaluation = Evaluation(
            dataset, split, tuple(views(self.contexts, shape)), DRAWS[self.draws], 1, self.batch, device
        )
        count = min(dataset.splits[split], max(1, self.pictures))
        page = figure(*self._strips(evaluation, self.predictor(model, shape), count), shape)
        return save_picture(page, path)

    def _grid(self, dataset: Dataset) -> tuple[int, int]:
        shape = dataset.domain.grid
        if shape is None or len(shape) != 2:
            raise DataError(f"evaluate: {self.title}", f"{dataset.title} holds no images.", "Name another protocol.")
        return shape[0], shape[1]

    @staticmethod
    def _strips(evaluation: Evaluation, predict: Predict, count: int) -> tuple[list[Strip], Tensor]:
        """The first images at every context, and their true values."""
        items, values = evaluation.values(0, count)
        masks = [(view.label, evaluation.mask(view, items, 0)) for view in evaluation.columns]
        return [Strip(label, seen, predict(values, seen, items)) for label, seen in masks], values

    @staticmethod
    def _likelihood(images: int) -> str:
        return (
            f"Distributions are scored on the first {images} images, one mask each. Log-likelihood: 3 to 197 context "
            "pixels, 3 to 200 less that many target pixels, disjoint; log p(targets | context) / targets, jointly over "
            "pixels and channels, in nats, values in [0, 1] without dequantisation"
        )

    def _split(self, dataset: Dataset) -> str:
        present = [split for split, count in dataset.splits.items() if count]
        wanted = ("test", "val") if self.split is None else (self.split,)
        for split in wanted:
            if split in present:
                return split
        found = f"{dataset.title} has no images in split {' or '.join(wanted)}."
        advice = f"{did_you_mean(wanted[0], present)}\nsplits with images: {', '.join(present)}".strip()
        raise DataError("evaluate: split", found, advice)

    def predictor(self, model: Model, shape: tuple[int, ...], refine: int = 0) -> Predictor:
        """The model as a function of what was seen."""
        return Predictor(
            model=model,
            shape=shape,
            refine=refine,
            refine_in=self.refine_in,
            rate=self.refine_rate,
            prior=self.refine_prior,
        )


@dataclass(frozen=True, kw_only=True)
class Siren2020(Exact):
    """As the SIREN paper's official scripts evaluate, on the test split with one mask per image and context.

    Those scripts draw Bernoulli masks for the convolutional encoders, so that n is an expected number of pixels, and
    exactly n pixels for the set encoder; half is the first 16 rows. Theirs are unseeded, these are not.

    Args:
        masks: `bernoulli` as for the convolutional encoders, or `exact` as for the set encoder.
        seeds: number of masks per image and context.
    """

    seeds: int = 1
    masks: Literal["bernoulli", "exact"] = "bernoulli"

    @property
    def draws(self) -> str:
        """The option `masks`."""
        return self.masks

    @property
    def title(self) -> str:
        """The table says where the masks are not those of the convolutional encoders."""
        return "siren2020" if self.masks == "bernoulli" else "siren2020 (exact masks)"
