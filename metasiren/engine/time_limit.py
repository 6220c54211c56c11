"""`--max-time`: training ends in time, with a whole schedule where its length can be fitted to the time.

The first steps are timed. Where not all steps fit, training starts anew from the same weights with as many as do, and
as large a share of them for the warm-up. That is bit for bit the run of a recipe with these numbers, and the run's own
recipe has them. Where all steps fit, or their number cannot be fitted, training goes on as it was.
"""

from __future__ import annotations

from dataclasses import replace
from time import monotonic
from typing import Any

import torch

from metasiren.contracts.optimizer import BatchOptimizer
from metasiren.engine.progress import duration
from metasiren.engine.schedule import learning_rate
from metasiren.engine.trainer import Trainer
from metasiren.recipe import changed
from metasiren.runs import checkpoints
from metasiren.runs.checkpoints import Checkpoint
from metasiren.runs.directory import Run, write_json, write_whole

UNTIMED, TIMED = 2, 3
"""The first steps, which take longer than others, and the least number of steps that are timed after them."""
SHARE = 0.03
"""Of the time, at least, is spent on the steps that are timed."""
MARGIN = 0.9
"""Of the time that is left is planned; pictures, checkpoints and slower steps take the rest."""
LEAST = 10
"""Times as many steps as were timed must fit: fewer are no schedule."""
TIME_IS_UP, SHORTEN = "the time is up", "too few steps fit"


class TimeLimit:
    """The time of a training; it begins when this is made.

    Args:
        seconds: None for no limit.
        trainer: before its first step, or after those of an earlier process.
        unwanted: why the number of steps shall stay as it is; empty where it may be lowered.

    Attributes:
        steps: the number that fits, where it is not all of them; else None.
        why_not: why the number of steps is not fitted, where something depends on it; empty otherwise.
    """

    def __init__(self, seconds: float | None, trainer: Trainer, *, unwanted: str = "") -> None:
        self.seconds, self.trainer = seconds, trainer
        self.began = monotonic()
        self.steps: int | None = None
        wanted = seconds is not None and depends_on_length(trainer)
        self.why_not = (unwanted or why_not(trainer)) if wanted else ""
        self._measures = wanted and not self.why_not
        self._initial = _copied(trainer.checkpoint()) if self._measures else None
        self._before = 0.0

    def reason(self) -> str | None:
        """Why training stops before its next step: `TIME_IS_UP`, `SHORTEN`, or None where it goes on."""
        if self.seconds is None:
            return None
        passed = monotonic() - self.began
        if self._measures:
            self._measure(passed)
        if self.shortens:
            return SHORTEN
        return TIME_IS_UP if passed >= self.seconds else None

    @property
    def undecided(self) -> bool:
        """Whether training may begin anew with fewer steps."""
        return self._initial is not None

    @property
    def shortens(self) -> bool:
        """Whether training shall begin anew with fewer steps; nothing of it is kept until then."""
        return self.steps is not None and self._initial is not None

    def _measure(self, passed: float) -> None:
        assert self.seconds is not None
        done, steps = self.trainer.step, self.trainer.experiment.steps
        if done <= UNTIMED:
            self._before = passed
            return
        if done < UNTIMED + TIMED or passed < SHARE * self.seconds:
            return
        if self.trainer.device.type == "cuda":
            torch.cuda.synchronize(self.trainer.device)
            passed = monotonic() - self.began
        self._measures = False
        each = (passed - self._before) / (done - UNTIMED)
        if passed + each * (steps - done) <= self.seconds:
            self._initial = None
            return
        # A new beginning takes its first steps anew.
        fitting = int(MARGIN * (self.seconds - passed - self._before) / each)
        if fitting >= LEAST * done:
            self.steps = fitting
        else:
            self.why_not, self._initial = f"only about {max(0, fitting):,} steps would fit", None

    def shorten(self, made: Run) -> Run:
        """Go back to the first step with the number of steps that fits; the run's recipe and environment say so."""
        assert self.steps is not None
        assert self._initial is not None
        trainer, of = self.trainer, self.trainer.experiment.steps
        changes = {"train.steps": self.steps}
        if warmup := made.recipe.train.schedule.warmup:
            changes["train.schedule.warmup"] = round(warmup * self.steps / of)
        recipe = changed(made.recipe, changes, "--max-time")
        fitted = {"seconds": self.seconds, "steps": self.steps, "of": of}
        environment = {**made.environment, "changes": dict(recipe.changes), "steps": self.steps, "fitted": fitted}
        for path in (*checkpoints.found(made.checkpoints), *made.path.glob("events.out.*")):
            path.unlink()
        write_whole(made.path / "recipe.yaml", recipe.to_yaml())
        write_json(made.path / "environment.json", environment)
        trainer.experiment = replace(trainer.experiment, recipe=recipe)
        trainer.restore(self._initial)
        self._initial = None
        return replace(made, recipe=recipe, environment=environment)


def depends_on_length(trainer: Trainer) -> bool:
    """Whether steps depend on the length of the training: by a schedule, or by a curriculum of the data."""
    schedules = any(stage.schedule.name != "constant" for stage in trainer.experiment.stages)
    return schedules or trainer.experiment.dataset.has_curriculum


def why_not(trainer: Trainer) -> str:
    """Why the length of a training cannot be fitted to the time; empty where it can."""
    if trainer.ranks.count > 1:
        return "several processes train it"
    if trainer.experiment.recipe.train.stages:
        return "the steps of its stages may differ in time"
    if isinstance(trainer.optimizer, BatchOptimizer):
        return f"the steps of {trainer.stage.optimizer.name} may differ in time"
    return ""


def fitted_words(environment: Any) -> str:
    """How a run's length was fitted to the time; empty where it was not."""
    fitted = environment.get("fitted")
    if not fitted:
        return ""
    return f"fitted to {duration(fitted['seconds'])}: {fitted['steps']:,} of {fitted['of']:,} steps"


def what_was_cut(trainer: Trainer, unfitted: str = "") -> str:
    """A line about the steps and schedules that a training stopped early did not finish.

    Args:
        trainer: after its last step.
        unfitted: why its length was not fitted to the time.
    """
    step, steps = trainer.step, trainer.experiment.steps
    words = [f"stopped after step {step:,} of {steps:,}"]
    schedule, within = trainer.stage.schedule, step - trainer.stage.start
    if schedule.name != "constant":
        rate = learning_rate(schedule, within, trainer.stage.stop - trainer.stage.start)
        words.append(
            f"the learning rate was still {100 * rate:.0f} % of its peak (the schedule ends at {schedule.final:.0%})"
        )
    if trainer.experiment.dataset.has_curriculum:
        words.append(f"the data's curriculum was at {step / max(1, steps):.0%}")
    if unfitted:
        words.append(f"the number of steps was not fitted to the time, because {unfitted}")
    if step and trainer.seconds:
        words.append(f"all steps take about {trainer.seconds * steps / step:,.0f} s here")
    return "; ".join(words) + ". For a whole schedule in less time, lower train.steps."


def _copied(checkpoint: Checkpoint) -> Checkpoint:
    return replace(checkpoint, tensors={name: t.detach().cpu().clone() for name, t in checkpoint.tensors.items()})
