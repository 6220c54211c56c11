"""Whether a training fits the device's memory, before it is allocated, and what would fit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil, sqrt

import torch

from metasiren.assembly.experiment import Experiment
from metasiren.assembly.parts import make_siren
from metasiren.contracts import Batch, Dataset, Model
from metasiren.contracts.memory import available_bytes
from metasiren.contracts.optimizer import Weighted
from metasiren.engine.step_cost import StepCost, step_cost
from metasiren.errors import RecipeError, is_out_of_memory
from metasiren.recipe import Part, Recipe
from metasiren.registry.catalogue import Catalogue

CLEARLY = 1.25
"""An estimate of so many times the free memory is refused: real peaks lie below the estimate where memory is reused."""
SAFELY = 0.8
"""What is advised takes at most this share of the free memory."""
CHEAP = 0.05
"""Below this share of the free memory a rough bound is enough, and no step is estimated."""


def free_memory(device: torch.device) -> int | None:
    """Free bytes of a device's memory; None where unknown."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return available_bytes()


def first_batch(recipe: Recipe, dataset: Dataset, device: torch.device | str = "cpu", progress: float = 0.0) -> Batch:
    """A batch of the shapes of the first step, or of the one after another share of the training."""
    items = torch.arange(min(recipe.train.batch, dataset.splits["train"]), device=device)
    generator = torch.Generator(device).manual_seed(recipe.train.seed)
    return dataset.at_progress(progress).batch("train", items, context=recipe.train.context, generator=generator)


def largest_batch(recipe: Recipe, dataset: Dataset) -> Batch:
    """The first step's batch or, where data sets give more points late in training, the last one's."""
    early = first_batch(recipe, dataset)
    if not dataset.has_curriculum:
        return early
    late = first_batch(recipe, dataset, progress=1 - 1e-9)
    return max(early, late, key=lambda batch: sum(points.coords.numel() for points in batch.points.values()))


class Estimate:
    """Estimates of a recipe's step, as it stands and with changes.

    Args:
        recipe: with its preset and overrides.
        catalogue: the plugins.
        dataset: read already.
        constraints: those of the first stage, or all.
        device: where training shall take place.
        optimizer: of the first stage; the recipe's where None.
        model: where it is made already.
    """

    def __init__(
        self,
        recipe: Recipe,
        catalogue: Catalogue,
        dataset: Dataset,
        constraints: tuple[Weighted, ...],
        device: torch.device,
        *,
        optimizer: Part | None = None,
        model: Model | None = None,
    ) -> None:
        self.recipe, self.catalogue, self.dataset, self.constraints = recipe, catalogue, dataset, constraints
        self.device, self.optimizer, self.model = device, optimizer, model
        self.batch = largest_batch(recipe, dataset)

    @classmethod
    def of(cls, experiment: Experiment, catalogue: Catalogue, device: torch.device) -> Estimate:
        """The estimate of an assembled experiment's first stage."""
        stage = experiment.stages[0]
        dataset, model = experiment.dataset, experiment.model
        return cls(
            experiment.recipe, catalogue, dataset, stage.constraints, device, optimizer=stage.optimizer, model=model
        )

    def cost(self, *, accumulate: int | None = None, hidden_features: int | None = None) -> StepCost | None:
        """The step's cost, perhaps with another `train.accumulate` or `siren.hidden_features`; None where unknown."""
        recipe, model = self.recipe, self.model
        if accumulate is not None:
            recipe = recipe.model_copy(update={"train": recipe.train.model_copy(update={"accumulate": accumulate})})
        if hidden_features is not None:
            siren, model = recipe.siren.model_copy(update={"hidden_features": hidden_features}), None
            recipe = recipe.model_copy(update={"siren": siren})
        try:
            return step_cost(
                recipe, self.catalogue, self.dataset.domain, self.constraints, self.batch,
                device=self.device, optimizer=self.optimizer, model=model,
            )  # fmt: skip
        except Exception:  # a part reads the contents of a tensor: nothing is known before it is tried
            return None

    def small(self, free: int) -> bool:
        """Whether a rough bound shows that the step is far below the free memory."""
        recipe, width = self.recipe, self.recipe.siren.hidden_features
        numbers = [*recipe.encoder.options.values(), *recipe.decoder.options.values()]
        if max((n for n in numbers if isinstance(n, int)), default=0) > 2048:
            return False
        if 8 * make_siren(recipe, self.catalogue, self.dataset.domain).parameter_count > 2**26:
            return False
        points = sum(p.coords.shape[0] * p.coords.shape[1] for p in self.batch.points.values())
        instances = len(self.batch.context.items) * max(1, points)
        columns = 1 + self.dataset.domain.d_in + self.dataset.domain.d_in**2
        return 8 * 2 * instances * columns * width * (recipe.siren.hidden_layers + 2) < CHEAP * free

    def advice(self, cost: StepCost, free: int) -> str:
        """What would fit, tried on the estimate."""
        most = SAFELY * free
        if cost.constant < most:
            room = most - cost.constant - cost.batch
            pieces = ceil(cost.activations / room) if room > 0 else 0
            for _ in range(4):
                if not pieces or cost.jacobian or pieces * self.recipe.train.accumulate > self._parts():
                    break
                tried = self.cost(accumulate=self.recipe.train.accumulate * pieces)
                if tried is not None and tried.peak <= most:
                    return self._smaller(pieces)
                pieces *= 2
            if cost.jacobian:
                size = bytes_in_words(cost.jacobian)
                return f"Lower data.points: a step takes {size} for the Jacobian of all residuals."
        width = self.recipe.siren.hidden_features
        while (width := int(width * min(0.9, sqrt(most / cost.peak)))) >= 1:
            tried = self.cost(hidden_features=width)
            if tried is not None and tried.peak <= most:
                return f"siren.hidden_features={width} would fit with this batch, or fewer points and items."
            cost = tried or cost
        return "Lower train.batch, data.size or data.points, siren.hidden_features or decoder.hidden_features."

    def _parts(self) -> int:
        items = len(self.batch.context.items)
        return items if items > 1 else max((p.coords.shape[1] for p in self.batch.points.values()), default=1)

    def _smaller(self, pieces: int) -> str:
        words = f"--set train.accumulate={pieces * self.recipe.train.accumulate} would fit: the same step, part by part"
        if len(self.batch.context.items) > 1:
            return f"{words}; or --set train.batch={max(1, self.recipe.train.batch // pieces)}."
        if "points" in self.recipe.data.options and self.recipe.data.options["points"] is not None:
            return f"{words}; or --set data.points={max(1, self._parts() // pieces)}."
        return f"{words}, {ceil(self._parts() / pieces):,} points at a time."


def demand_fits(
    recipe: Recipe, dataset: Dataset, constraints: tuple[Weighted, ...], *, catalogue: Catalogue, device: torch.device
) -> None:
    """Refuse a training that the device clearly cannot hold, before its model is made.

    Raises:
        RecipeError: with the estimate, and what would fit.
    """
    free = free_memory(device)
    if free is None:
        return
    stages = recipe.train.stages
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    if ranks > 1:  # each process takes its part of the batch
        train = recipe.train.model_copy(update={"accumulate": recipe.train.accumulate * ranks})
        recipe = recipe.model_copy(update={"train": train})
    estimate = Estimate(
        recipe, catalogue, dataset, constraints, device, optimizer=stages[0].optimizer if stages else None
    )
    if estimate.small(free):
        return
    cost = estimate.cost()
    if cost is not None and cost.peak > CLEARLY * free:
        raise RecipeError(
            recipe.name, f"{words_of(cost)}; {bytes_in_words(free)} are free.", estimate.advice(cost, free)
        )


@contextmanager
def out_of_memory_explained(experiment: Experiment, catalogue: Catalogue, device: torch.device) -> Iterator[None]:
    """Add the estimate, and what would fit, to the message of a failure for lack of memory."""
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error):
            estimate = Estimate.of(experiment, catalogue, device)
            cost, free = estimate.cost(), free_memory(device)
            if cost is not None:
                error.add_note(f"{words_of(cost)}.")
                if free is not None and cost.peak > SAFELY * free:
                    error.add_note(estimate.advice(cost, free))
        raise


def words_of(cost: StepCost) -> str:
    """An estimate in words, its largest parts first."""
    named: dict[str, int] = {
        "weights": cost.weights,
        "gradients": cost.gradients,
        "the optimiser's state": cost.optimizer,
        "the average": cost.average,
        "the batch": cost.batch,
        "activations": cost.activations,
        "the Jacobian": cost.jacobian,
    }
    largest = sorted(((v, k) for k, v in named.items() if v > 0.02 * cost.peak), reverse=True)
    return (
        f"a step needs about {bytes_in_words(cost.peak)} ({', '.join(f'{k} {bytes_in_words(v)}' for v, k in largest)})"
    )


def bytes_in_words(size: float) -> str:
    """A number of bytes in GB or MB."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e8 else f"{size / 1e6:,.1f} MB"
