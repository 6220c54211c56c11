"""A fitted field over its box: a picture of any equation, and its error where the solution is known."""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from metasiren import (
    FULL_EVALUATION,
    Comparison,
    ComparisonRow,
    Dataset,
    EvaluationOptions,
    Model,
    Protocol,
    RecipeError,
    save_picture,
    write_metrics,
)
from metasiren_physics.arrays import Real
from metasiren_physics.datasets.box import BoxDataset
from metasiren_physics.expressions import Expression
from metasiren_physics.protocols.box_pictures import picture
from metasiren_physics.protocols.measures import relative, require, sample, single
from metasiren_physics.reference.known import known_solution

WHERE = "evaluate: equation"
Formula = str | float


class EquationProtocol(Protocol):
    """Relative L2 and greatest error on a grid over the box, and a picture of the field.

    Writes metrics.json (`relative_l2`, `greatest_error`, both where the solution is known), comparison.*
    and figure.png: curves on one axis, maps on two, maps at several times on two and time.

    Args:
        solution: name of a known solution, such as `burgers`; see `metasiren_physics.reference.known`.
        exact: instead, a formula in the data's coordinates, or a list of them by channel.
        nodes: of the grid along every axis, end points included.

    Raises:
        RecipeError: both `solution` and `exact`, fewer than 8 nodes, a formula that cannot be read.
    """

    captions: ClassVar[dict[str, str]] = {
        "figure.png": (
            "The field, and where they are known, the solution and the error. Each map has its scale of colours below; "
            "values beyond it have its last colour."
        ),
    }

    def __init__(
        self, *, solution: str | None = None, exact: str | float | list[str | float] | None = None, nodes: int = 257
    ) -> None:
        if nodes < 8:
            raise RecipeError(f"{WHERE}: nodes", f"{nodes}.", "Give at least 8.")
        if solution is not None and exact is not None:
            raise RecipeError(WHERE, "both solution and exact are given.", "Give one of them, or none.")
        self.solution, self.nodes = solution, nodes
        self.exact: list[Formula] | None = exact if isinstance(exact, list) or exact is None else [exact]

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
        """As `metasiren.Protocol.evaluate`.

        Raises:
            RecipeError: the data is no box, or has other coordinates than the known solution.
        """
        dataset = require(dataset, BoxDataset, "equation")
        grid = dataset.grid(self.nodes)
        found = sample(single(model, dataset), np.stack(np.meshgrid(*grid, indexing="ij"), -1))
        began = time.perf_counter()
        known = self.known(dataset, grid)
        rows = [ComparisonRow(name=name, kind="model", metrics={})]
        title = dataset.title
        if known is not None:
            truth, origin = known
            error = found[..., : truth.shape[-1]] - truth
            metrics: dict[str, float | None] = {
                "relative_l2": relative(error, truth),
                "greatest_error": float(abs(error).max()),
            }
            if truth.shape[-1] > 1:
                for c in range(truth.shape[-1]):
                    metrics[f"relative_l2_{c}"] = relative(error[..., c], truth[..., c])
            rows = [ComparisonRow(name=name, kind="model", metrics=metrics)]
            write_metrics(results, metrics)
            title += f"; against {origin}, {time.perf_counter() - began:.1f} s; {self.nodes} nodes an axis"
        picture(dataset.names, dataset.time, grid, found, known[0] if known else None).save(results / "figure.png")
        comparison = Comparison(title=title, rows=rows)
        comparison.write(results)
        return comparison.frame()

    def check(self, dataset: Dataset) -> None:
        """As `metasiren.Protocol.check`.

        Raises:
            RecipeError: the data is no box, or has other coordinates than the solution.
        """
        box = require(dataset, BoxDataset, "equation")
        if self.solution is not None:
            known_solution(self.solution, box.names, f"{WHERE}: solution")
        for text in self.exact or ():
            Expression(text, box.names, f"{WHERE}: exact")

    def preview(
        self, model: Model, dataset: Dataset, path: Path, *, device: torch.device | str = "cpu"
    ) -> Tensor | None:
        """Draw the field."""
        dataset = require(dataset, BoxDataset, "equation")
        grid = dataset.grid(65)
        found = sample(single(model, dataset), np.stack(np.meshgrid(*grid, indexing="ij"), -1))
        page = picture(dataset.names, dataset.time, grid, found, None)
        return save_picture(page, path)

    def known(self, dataset: BoxDataset, grid: list[Real]) -> tuple[Real, str] | None:
        """The solution (..., channels) on the grid, and where it is from; None where none is given.

        Args:
            dataset: whose coordinates the solution must have.
            grid: coordinates of each axis, as `BoxDataset.grid` gives them.

        Raises:
            RecipeError: the data has other coordinates than the solution.
        """
        if self.exact is not None:
            points = torch.from_numpy(np.stack(np.meshgrid(*grid, indexing="ij"), -1))
            formulas = [Expression(text, dataset.names, f"{WHERE}: exact") for text in self.exact]
            return torch.stack([f(points) for f in formulas], -1).numpy(), "the exact solution"
        if self.solution is None:
            return None
        solution = known_solution(self.solution, dataset.names, f"{WHERE}: solution")
        return solution.on_grid(grid)[..., None], solution.title
