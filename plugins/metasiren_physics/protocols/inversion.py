"""An inverted medium against the true one, and the waves that were found on the way."""

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
    Field,
    Model,
    Protocol,
    RecipeError,
    progress_bar,
    save_picture,
    write_metrics,
)
from metasiren_physics.arrays import Complex, Real
from metasiren_physics.datasets.inversion import InversionDataset
from metasiren_physics.panels import Panel
from metasiren_physics.problems import InversionProblem
from metasiren_physics.protocols.measures import (
    cells,
    relative,
    require,
    sample,
    single,
    truth_at,
    waves_of,
)
from metasiren_physics.protocols.pictures import draw, error_panel, size_panel, wave_panel
from metasiren_physics.two_speeds import squared_slowness


class InversionProtocol(Protocol):
    """The speed's relative L2 error where nothing absorbs, and the waves' errors outside their sources.

    Writes figure.png (true and found speed; a true and found wave; its error), metrics.json and comparison.*. Rows
    beside the model's: the speed that the inversion started from, and ADMM on a grid where it is asked for.

    Args:
        nodes: cells along each axis where all is evaluated and drawn.
        reference: nodes along each axis of the grid that stands for true waves where no closed form is known.
        admm: iterations of the grid's wavefield-reconstruction inversion; 0 leaves the row out.
        admm_nodes: points along each axis of its grid.
        admm_smoothness: weight of the medium's squared slopes (`reference.admm.invert`).

    Raises:
        RecipeError: fewer than 8 nodes, or a negative number of iterations or smoothness.
    """

    captions: ClassVar[dict[str, str]] = {
        "figure.png": (
            "Above: the true speed with sources and receivers, the speed found, and their difference. "
            "Below: the real part of a wave, as it is and as found, and the error; its brightest colour is "
            "a tenth of the wave or more."
        ),
    }

    def __init__(
        self,
        *,
        nodes: int = 128,
        reference: int = 513,
        admm: int = 0,
        admm_nodes: int = 129,
        admm_smoothness: float = 1e-2,
    ) -> None:
        if min(nodes, reference, admm_nodes) < 8 or admm < 0 or not admm_smoothness >= 0:
            found = (
                f"nodes {nodes}, reference {reference}, admm {admm}, admm_nodes {admm_nodes}, "
                f"admm_smoothness {admm_smoothness}."
            )
            raise RecipeError("evaluate: fwi", found, "Give at least 8 nodes, and no negative numbers.")
        self.nodes, self.reference, self.admm, self.admm_nodes = nodes, reference, admm, admm_nodes
        self.admm_smoothness = admm_smoothness

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
            RecipeError: the data is no inversion.
        """
        dataset = require(dataset, InversionDataset, "fwi")
        problem = dataset.problem
        points = cells(problem.pml.start, self.nodes)
        speed = problem.medium.speed(points)
        count = len(problem.sources)
        truth = np.stack([truth_at(problem.single(i), points, self.reference)[0] for i in range(count)], -1)
        evaluated = receivers_outside(problem, points)
        found, waves = sampled(single(model, dataset), problem, points)
        numbers = errors(found, speed, waves, truth, evaluated)
        start = np.full_like(speed, problem.start)
        rows = [
            ComparisonRow(name=name, kind="model", metrics=dict(numbers)),
            ComparisonRow(name="where the inversion starts", kind="baseline", metrics=_speed_errors(start, speed)),
        ]
        if self.admm:
            rows.append(self._admm(problem, points, speed, truth, evaluated))
        write_metrics(results, numbers)
        draw(figure(problem, speed, found, truth[..., 0], waves[..., 0])).save(results / "figure.png")
        comparison = Comparison(title=f"{dataset.title}, k = {problem.wavenumber:.4g}", rows=rows)
        comparison.write(results)
        return comparison.frame()

    def check(self, dataset: Dataset) -> None:
        """As `metasiren.Protocol.check`.

        Raises:
            RecipeError: the data is no inversion.
        """
        require(dataset, InversionDataset, "fwi")

    def preview(
        self, model: Model, dataset: Dataset, path: Path, *, device: torch.device | str = "cpu"
    ) -> Tensor | None:
        """Draw the speed and the first wave."""
        dataset = require(dataset, InversionDataset, "fwi")
        problem = dataset.problem
        found, waves = sampled(single(model, dataset), problem, cells(problem.pml.start, 64))
        first = waves[..., 0].real
        page = draw([[size_panel("speed", found, 2.2), wave_panel("first wave, real part", first, first)]])
        return save_picture(page, path)

    def _admm(
        self, problem: InversionProblem, points: Real, speed: Real, truth: Complex, evaluated: Real
    ) -> ComparisonRow:
        from scipy.interpolate import RegularGridInterpolator

        from metasiren_physics.reference.admm import invert
        from metasiren_physics.reference.receivers import receiver_data

        began = time.perf_counter()
        with progress_bar("ADMM", self.admm) as advance:
            found = invert(problem, receiver_data(problem), nodes=self.admm_nodes, iterations=self.admm,
                           smoothness=self.admm_smoothness, speeds=problem.speeds,
                           watch=lambda *_: advance(1))  # fmt: skip
        axis = np.linspace(-1, 1, self.admm_nodes)

        def between(values: Real) -> Real:
            read: Real = RegularGridInterpolator((axis, axis), values, method="linear")(points)
            return read

        waves = np.stack([between(u.real) + 1j * between(u.imag) for u in found.waves], -1)
        note = f"{self.admm} iterations, {time.perf_counter() - began:.0f} s on this machine"
        metrics = errors(between(found.speed), speed, waves, truth, evaluated)
        label = f"ADMM, {self.admm_nodes} x {self.admm_nodes}"
        return ComparisonRow(name=label, kind="baseline", metrics=metrics, note=note)


def sampled(field: Field, problem: InversionProblem, points: Real) -> tuple[Real, Complex]:
    """Speed (...) and waves (..., sources) of a fitted field at points (..., 2)."""
    values = sample(field, points)
    medium = torch.from_numpy(np.ascontiguousarray(values[..., 2 * len(problem.sources) :]))
    slowness = np.clip(squared_slowness(medium)[..., 0].numpy(), *problem.slownesses)
    slowness[(abs(points) > problem.free).any(-1)] = problem.start**-2.0
    return slowness**-0.5, waves_of(values, len(problem.sources))


def receivers_outside(problem: InversionProblem, points: Real) -> Real:
    """For each wave the points (..., sources) outside its own source's disc; bool."""
    found: Real = np.stack([s.distance_squared(points) > s.radius() ** 2 for s in problem.sources], -1)
    return found


def errors(found: Real, speed: Real, waves: Complex, truth: Complex, evaluated: Real) -> dict[str, float | None]:
    """Of the speed `speed_relative_l2` and `speed_mse`; of the waves `relative_l2` and `mse`."""
    error = (waves - truth)[evaluated]
    return {
        **_speed_errors(found, speed),
        "waves_relative_l2": relative(error, truth[evaluated]),
        "waves_mse": float((abs(error) ** 2).mean()),
    }


def _speed_errors(found: Real, speed: Real) -> dict[str, float | None]:
    return {"speed_relative_l2": relative(found - speed, speed), "speed_mse": float(((found - speed) ** 2).mean())}


def figure(problem: InversionProblem, speed: Real, found: Real, truth: Complex, made: Complex) -> list[list[Panel]]:
    """True and found speed and their difference; true and found first wave and their difference."""
    scale = problem.pml.start
    received = [(float(x) / scale, float(y) / scale) for x, y in problem.receivers]
    sounding = [(s.position[0] / scale, s.position[1] / scale) for s in problem.sources]
    high = max(2.0, float(speed.max()))
    shown = wave_panel("exact wave, real part", truth.real, truth.real, sounding[:1])
    true_speed = Panel("true speed", speed, limits=(0.0, high), dots=[*received, *sounding])
    return [
        [true_speed, size_panel("found speed", found, high), size_panel("difference", abs(found - speed), high / 2)],
        [
            shown,
            wave_panel("found wave, real part", made.real, truth.real),
            error_panel(made, truth, truth.real),
        ],
    ]
