"""The time that a prior saves on unseen signals: one pass, refinement, and training from scratch."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, median
from typing import Any, ClassVar

import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from metasiren import (
    FULL_EVALUATION,
    Batch,
    Comparison,
    ComparisonRow,
    DataError,
    Dataset,
    EvaluationOptions,
    Field,
    Model,
    Points,
    Protocol,
    RecipeError,
    load_catalogue,
    write_metrics,
)
from metasiren.contracts import Weighted, orders_of, predict
from metasiren_priors.evaluation.pictures import sheet

AT_ONCE = 5
"""Steps between two evaluations of the error of a training from scratch."""

PICTURES = 4


@dataclass(frozen=True)
class Fitted:
    """A field after some steps.

    Attributes:
        field: the field itself.
        error: its relative L2 error.
        seconds: spent on the pass or on steps; the time of measuring errors is left out.
    """

    field: Field
    error: float
    seconds: float


@dataclass(frozen=True)
class Item:
    """A signal to fit.

    Attributes:
        batch: of this one item.
        latent: that the encoder gives it.
        constraints: that its field is fitted by.
    """

    batch: Batch
    latent: Tensor
    constraints: tuple[Weighted, ...]

    def loss(self, field: Field) -> Tensor:
        """The weighted sum of the constraints, a scalar."""
        orders = orders_of(each.constraint for each in self.constraints)
        prediction = predict(field, self.latent, self.batch, orders)
        terms = [each.weight * each.constraint(prediction) for each in self.constraints]
        return sum(terms[1:], terms[0])


class Unseen(Protocol):
    """Relative L2 errors and seconds for test signals: by the encoder, refined, and trained from scratch.

    `one_pass` is the decoded field. `refined` has its weights moved by `steps` steps of L-BFGS on the constraints given
    here, which may use only what is known of a new signal. `scratch` is the same optimiser on the same loss and network
    from the usual initialisation, until its error is that of the refined field, or for `most` steps. Items are fitted
    one by one. `times_faster` is the median over items of seconds from scratch over seconds of pass and refinement,
    where an item that was not reached counts with the seconds it was given.

    Args:
        constraints: name -> options, with `weight` (1 by default), and `name` where it differs.
        at: the point set of the test split whose `values` are the truth.
        items: number of test signals.
        steps: of refinement.
        most: steps from scratch.
        seed: of initial weights.

    Raises:
        RecipeError: no constraints, or a number below one.
    """

    captions: ClassVar[dict[str, str]] = {
        "figure.png": (
            "Signals of the test split: the true one, one pass of the encoder, the same after refinement, "
            "and a fit from scratch."
        ),
    }

    takes: ClassVar[frozenset[str]] = frozenset({"limit"})

    def __init__(
        self,
        *,
        constraints: Mapping[str, Mapping[str, Any]],
        at: str = "reference",
        items: int = 8,
        steps: int = 20,
        most: int = 1000,
        seed: int = 0,
    ) -> None:
        for option, value in (("items", items), ("steps", steps), ("most", most)):
            if value < 1:
                raise RecipeError(f"evaluate: {option}", f"{value} is below one.", "Give a positive integer.")
        if not constraints:
            raise RecipeError("evaluate: constraints", "none are given.", "Name those that a new signal is fitted by.")
        catalogue, made = load_catalogue(), []
        for key, given in constraints.items():
            options = dict(given)
            weight, name = float(options.pop("weight", 1.0)), str(options.pop("name", key))
            part = catalogue.make("constraint", name, where=f"evaluate: constraints: {key}", options=options)
            made.append(Weighted(key, weight, part))
        self.constraints, self.at, self.items = tuple(made), at, items
        self.steps, self.most, self.seed = steps, most, seed

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
        """As `metasiren.Protocol.evaluate`; writes metrics.json, comparison.* and, where
        the test split has the point set `section`, figure.png.

        Raises:
            DataError: there are no test signals, or their truth is not known.
            RecipeError: a constraint's point set that the test split lacks.
        """
        self._demand_test(dataset)
        count = min(self.items, dataset.splits["test"], options.limit or self.items)
        own = tuple(replace(given, constraint=given.constraint.for_data(dataset)) for given in self.constraints)
        each = [self._one(model, dataset, own, item, torch.device(device)) for item in range(count)]
        passed, refined, scratch = zip(*each, strict=True)
        reached = sum(s.error <= r.error for s, r in zip(scratch, refined, strict=True))
        faster = median(s.seconds / (p.seconds + r.seconds) for p, r, s in zip(passed, refined, scratch, strict=True))
        words = {
            "one_pass": (passed, "the encoder alone"),
            "refined": (refined, f"and {self.steps} steps of L-BFGS"),
            "scratch": (scratch, f"{reached} of {count} reached the refined error within {self.most} steps"),
        }
        numbers: dict[str, float] = {}
        rows = []
        for kind, (fits, note) in words.items():
            values = {"relative_l2": mean(f.error for f in fits), "seconds": mean(f.seconds for f in fits)}
            if kind == "refined":
                values["seconds"] += mean(f.seconds for f in passed)
            numbers |= {f"{kind}_{key}": value for key, value in values.items()}
            label = f"{name}, {kind.replace('_', ' ')}" if kind != "scratch" else "from scratch"
            rows.append(
                ComparisonRow(name=label, kind="baseline" if kind == "scratch" else "model", metrics=values, note=note)
            )
        numbers |= {"times_faster": faster, "reached_from_scratch": float(reached), "items": float(count)}
        write_metrics(results, numbers)
        comparison = Comparison(title=f"{dataset.title}, {count} unseen signals; means", rows=rows)
        comparison.write(results)
        if "section" in dataset.batch("test", torch.tensor([0], device=device)).points:
            self._figure(dataset, each[:PICTURES], device).save(results / "figure.png")
        return comparison.frame()

    def check(self, dataset: Dataset) -> None:
        """As `metasiren.Protocol.check`.

        Raises:
            DataError: there are no test signals, or their truth is not known.
            RecipeError: a constraint's point set that the test split lacks.
        """
        self._demand_test(dataset)
        sets = dataset.batch("test", torch.zeros(1, dtype=torch.long)).points
        self._demand_truth(sets)
        for given in self.constraints:
            if (at := given.constraint.at) is not None and at not in sets:
                found = f"the test split has no point set {at!r}; it has {', '.join(sorted(sets))}."
                raise RecipeError(f"evaluate: constraints: {given.name}: at", found, "Name one of them.")

    @staticmethod
    def _demand_test(dataset: Dataset) -> None:
        if not dataset.splits.get("test"):
            raise DataError("evaluate: unseen", f"{dataset.title} has no split 'test'.", "Give data with test signals.")

    def _demand_truth(self, sets: Mapping[str, Points]) -> None:
        if self.at not in sets or "values" not in sets[self.at].targets:
            found = f"the truth is not known: no point set {self.at!r} with values among {sorted(sets)}."
            raise DataError("evaluate: unseen: at", found, "Name a point set of the test split that has them.")

    def _figure(
        self, dataset: Dataset, fits: list[tuple[Fitted, Fitted, Fitted]], device: torch.device | str
    ) -> Image.Image:
        """The first channel on the point set `section`, a square grid: truth and fields, grey by the truth's range."""
        rows = []
        for item, fields in enumerate(fits):
            points = dataset.batch("test", torch.tensor([item], device=device)).cast(torch.float32).points["section"]
            with torch.no_grad():
                values = [points.values[0, :, 0], *(each.field(points.coords)[0, :, 0] for each in fields)]
            side = round(len(values[0]) ** 0.5)
            unit = torch.stack(values).cpu() / (2 * values[0].abs().max().cpu()) + 0.5
            rows.append(unit.clamp(0, 1).view(-1, 1, side, side).expand(-1, 3, -1, -1))
        heads = ("truth", "one pass", "refined", "from scratch")
        return sheet(torch.stack(rows), [str(i) for i in range(len(rows))], heads, max(1, 128 // rows[0].shape[-1]))

    def _one(
        self, model: Model, dataset: Dataset, constraints: tuple[Weighted, ...], number: int, device: torch.device
    ) -> tuple[Fitted, Fitted, Fitted]:
        batch = dataset.batch("test", torch.tensor([number], device=device)).cast(torch.float32)
        self._demand_truth(batch.points)
        began = _now(device)
        with torch.no_grad():
            latent = model.encoder(batch.context, model.decoder)
            field = model.decoder.field(latent).detach()
        seconds = _now(device) - began
        passed, item = Fitted(field, self._error(field, batch), seconds), Item(batch, latent, constraints)
        refined = self._fit(field, item, self.steps, target=None)
        generator = torch.Generator(device).manual_seed(self.seed + number)
        fresh = Field(field.siren, field.siren.init(generator=generator, device=device))
        return passed, refined, self._fit(fresh, item, self.most, target=refined.error)

    def _error(self, field: Field, batch: Batch) -> float:
        points = batch.points[self.at]
        with torch.no_grad():
            left = field(points.coords) - points.values
        return float(left.norm() / points.values.norm())

    def _fit(self, field: Field, item: Item, steps: int, *, target: float | None) -> Fitted:
        """Move the field's weights by `steps` steps of L-BFGS, or until the error is at most `target`."""
        params = {name: value.detach().clone().requires_grad_() for name, value in field.params.items()}
        moved, device = Field(field.siren, params), item.latent.device
        optimizer = torch.optim.LBFGS(
            list(params.values()), history_size=50, line_search_fn="strong_wolfe",
            tolerance_grad=0.0, tolerance_change=0.0,
        )  # fmt: skip

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = item.loss(moved)
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        left, seconds = steps, 0.0
        while left > 0 and (target is None or self._error(moved, item.batch) > target):
            count = min(AT_ONCE, left)
            # One evaluation to begin with, and one for each step.
            optimizer.param_groups[0].update(max_iter=count, max_eval=count + 1)
            began = _now(device)
            optimizer.step(closure)  # type: ignore[no-untyped-call]
            seconds, left = seconds + _now(device) - began, left - count
        return Fitted(moved, self._error(moved, item.batch), seconds)


def _now(device: torch.device) -> float:
    """Seconds of a clock, once all work on the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
