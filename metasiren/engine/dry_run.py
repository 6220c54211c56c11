"""The cost of a run, without making one: `metasiren run RECIPE --dry-run`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import torch

from metasiren.assembly.experiment import Experiment, active_in, assemble
from metasiren.contracts import Dataset
from metasiren.contracts.optimizer import Weighted
from metasiren.engine.devices import demand_kernels
from metasiren.engine.distributed import Ranks
from metasiren.engine.durations import duration
from metasiren.engine.estimate import CLEARLY, Estimate, bytes_in_words, free_memory, words_of
from metasiren.engine.progress import Progress, Silent
from metasiren.engine.running import begin, make_trainer
from metasiren.engine.step_cost import StepCost
from metasiren.recipe import Recipe
from metasiren.registry.catalogue import Catalogue

STEPS = 4
SECONDS = 20.0
"""Steps that are timed: so many after a first one, or fewer once this time is up."""


@dataclass(frozen=True)
class DryRun:
    """The cost of a run.

    Attributes:
        recipe: resolved.
        device: for which the numbers are.
        title: the data's name.
        cost: of a step of the first stage; None where a part cannot be estimated.
        free: free bytes of the device's memory; None where unknown.
        advice: what would fit, where the training clearly does not; else empty. Nothing was timed then.
        steps: of the whole training.
        step_seconds: the mean time of a step of the first stage, measured; None where nothing was timed.
        stages: number of stages.
        about: what the recipe's preset states of its cost; empty where it states nothing.
        limit: seconds of `--max-time`; None for no limit.
    """

    recipe: Recipe
    device: torch.device
    title: str
    cost: StepCost | None
    free: int | None
    advice: str
    steps: int | None
    step_seconds: float | None
    stages: int
    about: str = ""
    limit: float | None = None

    def text(self, now: datetime | None = None) -> str:
        """The text of a recipe: the figures as comments, then the resolved recipe as YAML."""
        lines = [_words_of_preset(self.recipe, self.about), f"data: {self.title}"]
        if self.advice:
            lines.append(f"it does not fit: {self.advice}")
        if self.step_seconds is not None and self.steps is not None:
            total = self.steps * self.step_seconds
            first = ", measured in the first stage" if self.stages > 1 else ", measured"
            lines.append(
                f"training: {self.steps:,} steps of {duration(self.step_seconds)}{first} on {self.device}: "
                f"{duration(total)}"
            )
            if self.limit is not None and self.limit < total:
                fits = f"about {int(self.limit / self.step_seconds):,} of these steps fit"
                long = "less than one of these steps, which are not cut: training ends after the first"
                share = fits if self.step_seconds <= self.limit else long
                lines.append(f"--max-time is {duration(self.limit)}: {share}")
            ends = min(total, max(self.limit or total, self.step_seconds))
            lines.append(f"begun now, training ends {_moment(now or datetime.now(), ends)}")
        lines += _words_of_cost(self.cost, self.free, self.device)
        lines.append("Nothing was written. The resolved recipe, which runs as it stands:")
        return "\n".join([*(f"# {line}" for line in lines), self.recipe.to_yaml().rstrip()])


def _moment(now: datetime, seconds: float) -> str:
    try:
        return f"at about {now + timedelta(seconds=seconds):%Y-%m-%d %H:%M}, then it is evaluated"
    except OverflowError:
        return f"after the year {datetime.max.year:,}"


def _words_of_preset(recipe: Recipe, about: str) -> str:
    named = f"{recipe.name}, preset {recipe.preset}" if recipe.preset else f"{recipe.name}, without a preset"
    return f"{named}; its stated cost: {about}" if about else named


def _words_of_cost(cost: StepCost | None, free: int | None, device: torch.device) -> list[str]:
    if cost is None:
        return ["memory: unknown, because a part reads the contents of tensors"]
    left = f"; {bytes_in_words(free)} are free on {device}" if free is not None else ""
    lines = [f"memory: at its peak, {words_of(cost)}{left}"]
    parts = (f"{name} {cost.trained[name]:,} trained, {cost.fixed[name]:,} fixed" for name in ("encoder", "decoder"))
    emitted = f"; {bytes_in_words(cost.emitted)} of weights emitted for a batch" if cost.emitted else ""
    lines.append(f"parameters: {'; '.join(parts)}{emitted}")
    solver = " (for the losses and their gradient, without the solver's own work)" if cost.solves else ""
    lines.append(
        f"a step: {cost.kernels:,} operations, {cost.flops / 1e9:,.3g} GFLOP, "
        f"{bytes_in_words(cost.traffic)} moved{solver}"
    )
    return lines


class _DoesNotFitError(Exception):
    pass


def dry_run(
    recipe: Recipe,
    catalogue: Catalogue,
    device: torch.device,
    *,
    about: str = "",
    limit: float | None = None,
    progress: Progress | None = None,
) -> DryRun:
    """Estimate a run, and time a few real steps of it unless the device clearly cannot hold it. Writes nothing.

    Args:
        recipe: with its preset and overrides.
        catalogue: the plugins.
        device: where it would run.
        about: what the recipe's preset states of its cost.
        limit: seconds of training at most; None for no limit.
        progress: receives messages.

    Raises:
        MetasirenError: a mistake in the recipe, or data that cannot be read.
    """
    progress, free = progress or Silent(), free_memory(device)
    cost: StepCost | None = None
    title = advice = ""

    def check(resolved: Recipe, dataset: Dataset, constraints: tuple[Weighted, ...]) -> None:
        nonlocal cost, title, advice
        title, optimizer = dataset.title, None
        if resolved.train.stages:
            first = resolved.train.stages[0]
            constraints, optimizer = active_in(first, constraints), first.optimizer
        estimate = Estimate(resolved, catalogue, dataset, constraints, device, optimizer=optimizer)
        cost = estimate.cost()
        if cost is not None and free is not None and cost.peak > CLEARLY * free:
            advice = estimate.advice(cost, free)
            raise _DoesNotFitError

    progress.say(f"assembling {recipe.name}")
    try:
        experiment = assemble(recipe, catalogue, check=check)
    except _DoesNotFitError:
        stages = len(recipe.train.stages or [None])
        return DryRun(recipe, device, title, cost, free, advice, recipe.train.steps, None, stages, about, limit)
    demand_kernels(recipe, experiment.model, device)
    if cost is None:
        cost = Estimate.of(experiment, catalogue, device).cost()
    seconds = _timed(experiment, catalogue, device, progress) if experiment.steps else None
    return DryRun(
        recipe, device, title, cost, free, "", experiment.steps, seconds, len(experiment.stages), about, limit
    )


def _timed(experiment: Experiment, catalogue: Catalogue, device: torch.device, progress: Progress) -> float:
    """Seconds of a step, after a first one in which memory is taken and kernels are chosen."""
    trainer = make_trainer(experiment, catalogue, device, Ranks())
    begin(trainer, None)
    progress.say(f"timing up to {STEPS + 1} steps")
    moments: list[float] = []

    def stop() -> str | None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        moments.append(time.perf_counter())
        done = len(moments) - 1
        return "timed" if done > STEPS or (done > 1 and moments[-1] - moments[0] > SECONDS) else None

    began = time.perf_counter()
    outcome = trainer.train(watch=lambda *_: None, save=lambda _: None, stop=stop)
    if len(moments) > 2:
        return (moments[-1] - moments[1]) / (len(moments) - 2)
    return (time.perf_counter() - began) / max(1, outcome.step)
