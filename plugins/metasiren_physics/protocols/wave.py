"""A fitted wave in time, slice by slice against the exact one."""

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
from metasiren_physics.datasets.wave import WaveDataset
from metasiren_physics.media import Uniform
from metasiren_physics.problems import WaveProblem
from metasiren_physics.protocols.animation import moments, write_animation
from metasiren_physics.protocols.measures import relative, require, sample, single
from metasiren_physics.protocols.pictures import draw, error_panel, wave_panel
from metasiren_physics.reference.helmholtz_grid import grid_points
from metasiren_physics.reference.leapfrog import leapfrog_wave
from metasiren_physics.reference.radial import is_radial, radial_wave
from metasiren_physics.reference.wave_exact import transform_wave


class WaveProtocol(Protocol):
    """Relative L2 error and mean squared error over the square at each of several times.

    The truth is exact at constant speed (transforms), a solution of time and distance alone about the middle of a disc
    (finite volumes), and otherwise a leapfrog solution of order four on a grid twice as fine. Writes figure.png (true
    wave, fitted wave and error by time), wave.webp (both moving), metrics.json and comparison.*; the comparison's other
    row is leapfrog on the grid where the wave is evaluated.

    Args:
        nodes: points along each axis where the wave is evaluated and drawn.
        times: moments; five from 0 to the problem's duration by default.
        solver: whether leapfrog makes a row.

    Raises:
        RecipeError: a time below zero, or fewer than 8 nodes.
    """

    captions: ClassVar[dict[str, str]] = {
        "figure.png": (
            "The exact wave, the field and its error at several times. Red is positive, blue negative; the "
            "brightest colour of the errors is a tenth of the wave or more."
        ),
        "wave.webp": "The exact wave on the left, the field on the right.",
    }

    def __init__(self, *, nodes: int = 257, times: tuple[float, ...] = (), solver: bool = True) -> None:
        if nodes < 8 or any(t < 0 for t in times) or list(times) != sorted(set(times)):
            found = f"nodes {nodes}, times {list(times)}."
            raise RecipeError("evaluate: wave", found, "Give at least 8 nodes, and ascending times from 0 on.")
        self.nodes, self.times, self.solver = nodes, times, solver

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
            RecipeError: the data is no wave problem.
        """
        problem, times, made = self._made(model, dataset, self.nodes)
        truth, origin = wave_truth(problem, times, self.nodes)
        numbers = by_time(made, truth, times)
        self._animate(model, dataset, results)
        rows = [ComparisonRow(name=name, kind="model", metrics=dict(numbers))]
        if self.solver:
            began = time.perf_counter()
            solved = leapfrog_wave(problem, times, self.nodes).values
            note = f"{time.perf_counter() - began:.1f} s on this machine"
            label = f"leapfrog, {self.nodes} x {self.nodes}"
            rows.append(ComparisonRow(name=label, kind="baseline", metrics=by_time(solved, truth, times), note=note))
        write_metrics(results, numbers)
        lines = []
        for t, exact, ours in zip(times, truth, made, strict=True):
            # One range of colours for all times, so that the pictures can be compared.
            shown = wave_panel(f"exact, t = {t:g}", exact, truth)
            field = wave_panel(f"field, t = {t:g}", ours, truth)
            lines.append([shown, field, error_panel(ours, exact, truth)])
        draw([list(row) for row in zip(*lines, strict=True)]).save(results / "figure.png")
        comparison = Comparison(title=f"{dataset.title}, start of height {problem.peak:g}; against {origin}", rows=rows)
        comparison.write(results)
        return comparison.frame()

    def check(self, dataset: Dataset) -> None:
        """As `metasiren.Protocol.check`.

        Raises:
            RecipeError: the data is no wave problem.
        """
        require(dataset, WaveDataset, "wave")

    def preview(
        self, model: Model, dataset: Dataset, path: Path, *, device: torch.device | str = "cpu"
    ) -> Tensor | None:
        """Draw the wave at each time."""
        _, times, made = self._made(model, dataset, 96)
        page = draw([[wave_panel(f"t = {t:g}", wave, wave) for t, wave in zip(times, made, strict=True)]])
        return save_picture(page, path)

    def numbers(self, model: Model, dataset: Dataset) -> dict[str, float | None]:
        """The errors of a model by time, and the worst, without writing anything.

        Raises:
            RecipeError: the data is no wave problem.
        """
        problem, times, made = self._made(model, dataset, self.nodes)
        return by_time(made, wave_truth(problem, times, self.nodes)[0], times)

    def _animate(self, model: Model, dataset: Dataset, results: Path) -> None:
        """Write wave.webp from every second node: the difference from all nodes is not visible in colours."""
        dataset = require(dataset, WaveDataset, "wave")
        problem, nodes = dataset.problem, self.nodes - (1 - self.nodes % 2)
        times = moments(problem.duration)
        truth, _ = wave_truth(problem, times, nodes)
        made = _sampled(model, dataset, times, (nodes + 1) // 2)
        write_animation(times, truth[:, ::2, ::2], made, results / "wave.webp")

    def _made(self, model: Model, dataset: Dataset, nodes: int) -> tuple[WaveProblem, Real, Real]:
        """The problem, times (times,), and the fitted wave there, (times, nodes, nodes)."""
        dataset = require(dataset, WaveDataset, "wave")
        problem = dataset.problem
        times = np.asarray(self.times) if self.times else np.linspace(0, problem.duration, 5)
        return problem, times, _sampled(model, dataset, times, nodes)


def _sampled(model: Model, dataset: Dataset, times: Real, nodes: int) -> Real:
    """The fitted wave (times, nodes, nodes)."""
    plane, field = grid_points(nodes), single(model, dataset)
    made = [sample(field, np.concatenate([np.full((nodes, nodes, 1), t), plane], -1))[..., 0] for t in times]
    return np.stack(made)


def wave_truth(problem: WaveProblem, times: Real, nodes: int) -> tuple[Real, str]:
    """The wave (times, nodes, nodes) on a grid over [-1, 1]², end points included, and where it is from."""
    if isinstance(problem.medium, Uniform):
        return transform_wave(problem, times, nodes).values, "exact transforms"
    if is_radial(problem):
        return radial_wave(problem, times, nodes), "finite volumes in the distance from the centre"
    fine = leapfrog_wave(problem, times, 2 * nodes - 1)
    return fine.values[:, ::2, ::2], f"leapfrog of order four on {2 * nodes - 1} x {2 * nodes - 1}"


def by_time(made: Real, truth: Real, times: Real) -> dict[str, float | None]:
    """Errors of waves (times, nodes, nodes) by time, and the worst of them."""
    numbers: dict[str, float | None] = {}
    for t, ours, exact in zip(times, made, truth, strict=True):
        numbers[f"t{t:.3g}_relative_l2"] = relative(ours - exact, exact)
        numbers[f"t{t:.3g}_mse"] = float(((ours - exact) ** 2).mean())
    shares = [value for name, value in numbers.items() if name.endswith("relative_l2") and value is not None]
    return {"worst_relative_l2": max(shares), **numbers}
