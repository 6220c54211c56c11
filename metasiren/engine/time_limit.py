"""`--max-time`: training ends in time, with a complete schedule where the number of steps can be fitted to the time.

The first steps of every stage are timed, one stage after the other. If not all steps fit, training starts again from
the initial weights with fewer steps; every stage and its warm-up keep their share. The result is bit for bit the run of
a recipe with these numbers, and the run's own recipe has them. If all steps fit, or if their number cannot be fitted, a
training of one stage goes on, and one of several stages starts again with the recipe's numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from time import monotonic
from typing import Any

import torch

from metasiren.assembly.experiment import Experiment
from metasiren.engine.durations import duration
from metasiren.engine.schedule import learning_rate
from metasiren.engine.trainer import Trainer
from metasiren.json_files import write_json, write_whole
from metasiren.recipe import Schedule, changed
from metasiren.runs import checkpoints
from metasiren.runs.checkpoints import Checkpoint
from metasiren.runs.directory import Run

UNTIMED, TIMED = 2, 3
"""A stage's first steps, which take longer than others, and the least number of steps that are timed after them."""
SHARE, MOST = 0.03, 0.5
"""Of the time, at least and at most, is spent on the steps that are timed."""
MARGIN = 0.9
"""Of the time that is left is planned; pictures, checkpoints and slower steps take the rest."""
OVERRUN = 0.2
"""Of the time, by which a step may pass the limit without a word: a step is never cut."""
LEAST = 10
"""Times as many steps as were timed must fit: fewer are no schedule."""
TIME_IS_UP, ANEW = "the time is up", "training begins anew"


class TimeLimit:
    """The time of a training; it begins when this is made.

    Args:
        seconds: None for no limit.
        trainer: before its first step, or after those of an earlier process.
        unwanted: why the number of steps shall stay as it is; empty where it may be lowered.

    Attributes:
        steps: the number of each stage's steps that fits, where not all of them do; else None.
        why_not: why the number of steps is not fitted, where something depends on it; empty otherwise.
        begins_anew: whether training begins again once all stages are timed, or before; the steps so far are discarded.
    """

    def __init__(self, seconds: float | None, trainer: Trainer, *, unwanted: str = "") -> None:
        self.seconds, self.trainer = seconds, trainer
        self.began = monotonic()
        self.steps: list[int] | None = None
        self.begins_anew = False
        wanted = seconds is not None and depends_on_length(trainer)
        self.why_not = (unwanted or why_not(trainer)) if wanted else ""
        self._measures = wanted and not self.why_not
        self._initial = _copied(trainer.checkpoint()) if self._measures else None
        # Of the stage that is timed: when it began, and when its first steps were done; then all steps that were timed.
        self._entered, self._before, self._within, self._done = 0.0, 0.0, 0, 0
        self._each: list[float] = []
        self._lost = 0.0
        # The step from which on all take about as long, and when it was reached.
        self._begun, self._early = trainer.step, (trainer.step, 0.0)
        # The step after which time was last read, and when, up to the one that passed the limit; when that one began.
        self._read, self._step_began = (trainer.step, 0.0), 0.0

    def reason(self) -> str | None:
        """Why training stops before its next step: `TIME_IS_UP`, `ANEW`, or None where it goes on."""
        if self.seconds is None:
            return None
        passed = monotonic() - self.began
        self._note(passed, self.seconds)
        if self.trainer.step <= self._begun + UNTIMED:
            self._early = self.trainer.step, passed
        if self._measures and self.trainer.step:
            self._measure(passed, self.seconds)
        if self.begins_anew:
            return None if self._measures else ANEW
        if passed < self.seconds:
            return None
        if self._measures:
            self._keep(too_few(0))
        return TIME_IS_UP

    def ended(self) -> None:
        """Note the time at the end of the last step, after which nothing asks for a reason."""
        if self.seconds is not None and self.trainer.step == self.trainer.experiment.steps:
            self._note(monotonic() - self.began, self.seconds)

    def _note(self, passed: float, seconds: float) -> None:
        step, earlier = self._read
        if self.trainer.step != step and earlier < seconds:
            self._read, self._step_began = (self.trainer.step, passed), earlier

    @property
    def overrun(self) -> str:
        """By how much a step passed the limit, in words; empty where none did, or by no more than `OVERRUN`."""
        _, passed = self._read
        if self.seconds is None or passed <= (1 + OVERRUN) * self.seconds:
            return ""
        steps = "one step" if self.trainer.ranks.count == 1 else "ten steps"  # as often as processes agree to stop
        over = f"the limit of {duration(self.seconds)} was passed by {duration(passed - self.seconds)}"
        return f"{steps}, with what was saved after it, took {duration(passed - self._step_began)}; {over}"

    @property
    def seconds_per_step(self) -> float | None:
        """Of the steps so far, without the first ones, which take longer; None where there are no others."""
        step, passed = self._early
        later = self.trainer.step - step
        return (monotonic() - self.began - passed) / later if later > 0 else None

    @property
    def undecided(self) -> bool:
        """Whether training may begin anew."""
        return self._initial is not None

    def _measure(self, passed: float, seconds: float) -> None:
        """After each step of the stage that is timed."""
        trainer, stages = self.trainer, self.trainer.experiment.stages
        self._within += 1
        self._done += 1
        if self._within <= UNTIMED:
            self._before = passed
        # The last step of all is not taken: training would end there.
        ends = trainer.step == trainer.stage.stop or trainer.step + 1 == trainer.experiment.steps
        short = self._within < UNTIMED + TIMED or passed - self._entered < SHARE * seconds / len(stages)
        late = self.begins_anew and passed > MOST * seconds
        if short and not ends and not late:
            return
        if trainer.device.type == "cuda":
            torch.cuda.synchronize(trainer.device)
            passed = monotonic() - self.began
        if self._within > UNTIMED:
            self._each.append((passed - self._before) / (self._within - UNTIMED))
            self._lost += self._before - self._entered
        else:
            self._each.append((passed - self._entered) / self._within)
        if late:
            self._keep("the steps of its stages take too long to be timed")
        elif len(self._each) == len(stages):
            self._decide(passed, seconds)
        elif (fitting := int(MARGIN * (seconds - passed) / max(self._each))) < LEAST * self._done:
            self._keep(too_few(fitting))
        elif len(self._each) + 1 == len(stages) and stages[-1].stop - stages[-1].start == 1:
            self.begins_anew = True
            self._each.append(self._each[-1])
            self._decide(passed, seconds)
        else:
            # The trainer enters the next stage.
            self.begins_anew, trainer.step = True, trainer.stage.stop
            self._entered, self._within = passed, 0

    def _decide(self, passed: float, seconds: float) -> None:
        lengths = [stage.stop - stage.start for stage in self.trainer.experiment.stages]
        needed = sum(each * steps for each, steps in zip(self._each, lengths, strict=True))
        done = 0 if self.begins_anew else self.trainer.step
        left = self._lost + needed if self.begins_anew else needed - self._each[0] * done
        if passed + left <= seconds:
            self._keep("")
            return
        # A new beginning takes its first steps anew.
        room = MARGIN * (seconds - passed - self._lost)
        fitting = [int(room * steps / needed) for steps in lengths]
        if sum(fitting) < LEAST * self._done:
            self._keep(too_few(sum(fitting)))
            return
        self.steps = [max(1, each) for each in fitting]
        self._measures, self.begins_anew = False, True

    def _keep(self, why_not: str) -> None:
        """The number of steps stays as it is."""
        self.why_not, self._measures = why_not, False
        if not self.begins_anew:
            self._initial = None

    def begin_anew(self, made: Run) -> Run:
        """Go back to the first step, with the numbers of steps that fit; the run's recipe and environment say so."""
        assert self._initial is not None
        trainer, self._measures = self.trainer, False
        for path in (*checkpoints.found(made.checkpoints), *made.path.glob("events.out.*")):
            path.unlink()
        if self.steps is not None:
            recipe = changed(made.recipe, fitted_changes(trainer.experiment, self.steps), "--max-time")
            stages = {
                each.name: [n, each.stop - each.start]
                for each, n in zip(trainer.experiment.stages, self.steps, strict=True)
            }
            fitted: dict[str, Any] = {"seconds": self.seconds, "steps": sum(self.steps), "of": trainer.experiment.steps}
            if recipe.train.stages:
                fitted["stages"] = stages
            more = {"changes": dict(recipe.changes), "steps": sum(self.steps), "fitted": fitted}
            environment = {**made.environment, **more}
            write_whole(made.path / "recipe.yaml", recipe.to_yaml())
            write_json(made.path / "environment.json", environment)
            trainer.experiment = replace(trainer.experiment, recipe=recipe)
            made = replace(made, recipe=recipe, environment=environment)
        trainer.restore(self._initial)
        self._initial, self.begins_anew = None, False
        return made


def fitted_changes(experiment: Experiment, steps: Sequence[int]) -> dict[str, Any]:
    """What changes in a recipe whose stages get so many steps: these, and the same share of each warm-up."""
    train = experiment.recipe.train

    def warmup(schedule: Schedule, share: float) -> int:
        return round(schedule.warmup * share)

    share = sum(steps) / experiment.steps
    changes: dict[str, Any] = {"train.schedule.warmup": warmup(train.schedule, share)} if train.schedule.warmup else {}
    if not train.stages:
        return {"train.steps": steps[0], **changes}
    stages = []
    for stage, n in zip(train.stages, steps, strict=True):
        given = stage.model_dump(exclude_none=True)
        if stage.schedule is not None and stage.schedule.warmup:
            given["schedule"]["warmup"] = warmup(stage.schedule, n / stage.steps)
        stages.append({**given, "steps": n})
    return {"train.stages": stages, **changes}


def depends_on_length(trainer: Trainer) -> bool:
    """Whether steps depend on the length of the training: by a schedule, or by a curriculum of the data."""
    schedules = any(stage.schedule.name != "constant" for stage in trainer.experiment.stages)
    return schedules or trainer.experiment.dataset.has_curriculum


def too_few(steps: int) -> str:
    """Why the length of a training is not fitted where so few steps fit into the rest of the time."""
    if steps < 1:
        return "the first steps took all of it"
    return "only about 1 step would fit" if steps == 1 else f"only about {steps:,} steps would fit"


def why_not(trainer: Trainer) -> str:
    """Why the length of a training cannot be fitted to the time; empty where it can."""
    if trainer.ranks.count > 1:
        return "several processes train it"
    return ""


def fitted_words(environment: Any) -> str:
    """How a run's length was fitted to the time; empty where it was not."""
    fitted = environment.get("fitted")
    if not fitted:
        return ""
    stages = fitted.get("stages", {}).items()
    words = [f"{steps:,} of {of:,} steps of {name}" for name, (steps, of) in stages]
    words = words or [f"{fitted['steps']:,} of {fitted['of']:,} steps"]
    return f"fitted to {duration(fitted['seconds'])}: {', '.join(words)}"


def what_was_cut(limit: TimeLimit) -> str:
    """A line about the steps and schedules that a training did not finish, for a limit that has stopped it."""
    trainer, each = limit.trainer, limit.seconds_per_step
    step, steps = trainer.step, trainer.experiment.steps
    words = [f"stopped after step {step:,} of {steps:,}"]
    schedule, within = trainer.stage.schedule, step - trainer.stage.start
    rate = learning_rate(schedule, within, trainer.stage.stop - trainer.stage.start)
    if within < schedule.warmup:
        words.append(
            f"the learning rate had risen to {100 * rate:.0f} % of its peak (its warm-up has {schedule.warmup:,} steps)"
        )
    elif schedule.name != "constant":
        end = f"{100 * schedule.final:g} %"
        words.append(f"the learning rate was still {100 * rate:.0f} % of its peak (the schedule ends at {end})")
    if trainer.experiment.dataset.has_curriculum:
        words.append(f"the data's curriculum was at {100 * step / max(1, steps):.0f} %")
    if limit.why_not:
        words.append(f"the number of steps was not fitted to the time, because {limit.why_not}")
    if each is None:
        words.append("later steps take less time than the first ones: --dry-run estimates the time of all")
    else:
        words.append(f"all steps take about {duration(each * steps)} here")
    return "; ".join(words) + ". For a whole schedule in less time, lower train.steps."


def _copied(checkpoint: Checkpoint) -> Checkpoint:
    return replace(checkpoint, tensors={name: t.detach().cpu().clone() for name, t in checkpoint.tensors.items()})
