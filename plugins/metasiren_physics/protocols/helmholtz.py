"""A fitted time-harmonic wave against the exact one, where nothing absorbs and outside the source."""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
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
from metasiren_physics.arrays import Complex, Real
from metasiren_physics.datasets.helmholtz import HelmholtzDataset
from metasiren_physics.panels import Panel
from metasiren_physics.problems import HelmholtzProblem
from metasiren_physics.protocols.measures import (
    cells,
    on_grid,
    relative,
    require,
    sample,
    single,
    truth_at,
    waves_of,
)
from metasiren_physics.protocols.pictures import draw, error_panel, size_panel, wave_panel

Mask = NDArray[np.bool_]


class HelmholtzProtocol(Protocol):
    """Relative L2 error and mean squared error in the physics, outside the disc where the source is not zero.

    The truth is the closed form of uniform media and of discs; other media have the 9-point grid solution. Writes
    figure.png (speed; true and fitted real part; error), metrics.json and comparison.*, whose other rows are what the
    grid solver needs for the same.

    Args:
        nodes: cells along each axis where the wave is evaluated and drawn.
        solvers: nodes along each axis of the 5- and 9-point solutions that make the other rows; [] for none.
        reference: nodes along each axis of the grid that stands for the truth where no closed form is known.

    Raises:
        RecipeError: fewer than 8 nodes.
    """

    captions: ClassVar[dict[str, str]] = {
        "figure.png": (
            "The speed, the real part of the exact wave and of the field, and the error. Red is positive, "
            "blue negative; the brightest colour of the error is a tenth of the wave or more."
        ),
    }

    def __init__(self, *, nodes: int = 128, solvers: tuple[int, ...] = (257,), reference: int = 513) -> None:
        if min(nodes, reference, *solvers) < 8:
            found = f"nodes {nodes}, solvers {list(solvers)}, reference {reference}."
            raise RecipeError("evaluate: helmholtz", found, "Give at least 8 nodes each.")
        self.nodes, self.solvers, self.reference = nodes, tuple(solvers), reference

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
            RecipeError: the data is no Helmholtz problem.
        """
        problem, points, made = self._made(model, dataset, self.nodes)
        truth, origin = truth_at(problem, points, self.reference)
        evaluated = outside(problem, points)
        numbers = errors(made, truth, evaluated)
        rows = [ComparisonRow(name=name, kind="model", metrics=dict(numbers))]
        for nodes in self.solvers:
            for scheme in (5, 9):
                began = time.perf_counter()
                solved = on_grid(problem, points, nodes, scheme)
                note = f"{time.perf_counter() - began:.1f} s on this machine"
                label = f"{scheme}-point grid, {nodes} x {nodes}"
                rows.append(
                    ComparisonRow(name=label, kind="baseline", metrics=errors(solved, truth, evaluated), note=note)
                )
        write_metrics(results, numbers)
        draw([figure(problem, points, truth, made)]).save(results / "figure.png")
        title = f"{dataset.title}, source of variance {problem.source.variance:g}; against {origin}"
        comparison = Comparison(title=title, rows=rows)
        comparison.write(results)
        return comparison.frame()

    def check(self, dataset: Dataset) -> None:
        """As `metasiren.Protocol.check`.

        Raises:
            RecipeError: the data is no Helmholtz problem.
        """
        require(dataset, HelmholtzDataset, "helmholtz")

    def preview(
        self, model: Model, dataset: Dataset, path: Path, *, device: torch.device | str = "cpu"
    ) -> Tensor | None:
        """Draw the real and the imaginary part."""
        _, _, made = self._made(model, dataset, 64)
        page = draw([[wave_panel("real part", made.real, made.real), wave_panel("imaginary", made.imag, made.imag)]])
        return save_picture(page, path)

    def numbers(self, model: Model, dataset: Dataset) -> dict[str, float | None]:
        """`relative_l2` and `mse` of a model, without solving or writing anything else.

        Raises:
            RecipeError: the data is no Helmholtz problem.
        """
        problem, points, made = self._made(model, dataset, self.nodes)
        return errors(made, truth_at(problem, points, self.reference)[0], outside(problem, points))

    def _made(self, model: Model, dataset: Dataset, nodes: int) -> tuple[HelmholtzProblem, Real, Complex]:
        """The problem, points (nodes, nodes, 2) of the physics, and the fitted wave there."""
        dataset = require(dataset, HelmholtzDataset, "helmholtz")
        points = cells(dataset.problem.pml.start, nodes)
        return dataset.problem, points, waves_of(sample(single(model, dataset), points), 1)[..., 0]


def outside(problem: HelmholtzProblem, points: Real) -> Mask:
    """Which of the points (...) lie outside the source's disc; bool."""
    return problem.source.distance_squared(points) > problem.source.radius() ** 2


def errors(made: Complex, truth: Complex, evaluated: Mask) -> dict[str, float | None]:
    """`relative_l2` and `mse` of complex waves over the evaluated points."""
    error = (made - truth)[evaluated]
    return {"relative_l2": relative(error, truth[evaluated]), "mse": float((abs(error) ** 2).mean())}


def figure(problem: HelmholtzProblem, points: Real, truth: Complex, made: Complex) -> list[Panel]:
    """Speed; true and fitted real part; error, on a scale of a tenth of the wave."""
    place = tuple(np.asarray(problem.source.position) / problem.pml.start)
    speed = problem.medium.speed(points)
    slowest, fastest = float(speed.min()), float(speed.max())
    words = f"speed {slowest:g}" if slowest == fastest else f"speed {slowest:g} to {fastest:g}"
    return [
        size_panel(words, speed, max(2.0, fastest)),
        wave_panel("exact, real part", truth.real, truth.real, [(float(place[0]), float(place[1]))]),
        wave_panel("field, real part", made.real, truth.real),
        error_panel(made, truth, truth.real),
    ]
