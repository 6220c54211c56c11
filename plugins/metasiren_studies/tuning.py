"""The learning rate and the scale of each variant, chosen by successive halving with equally many training steps.

Jamieson and Talwalkar 2016, "Non-stochastic best arm identification and hyperparameter optimization", AISTATS: all
candidates train shortly, the best third of them thrice as long, and so on. Every training starts anew with the
recipe's schedule in its own length.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any

from metasiren import Catalogue, InterruptedRunError, Recipe, RecipeError, demand_file, json_object, run
from metasiren.engine.progress import Progress
from metasiren.recipe import changed
from metasiren_studies.members import Member, reason
from metasiren_studies.search_space import KEPT, RATES, SCALES, Options, candidates, groups, rungs
from metasiren_studies.variants import Variant

FILE = "tuning.json"
GREATER = ("psnr", "snr", "ssim", "iou", "likelihood", "consistency")
"""Words of names of metrics that are better when greater."""
SPREADS = {"std", "stderr"}
"""Words of names of standard deviations and standard errors, which are better when smaller."""


@dataclass(frozen=True)
class Search:
    """How variants are tuned.

    Attributes:
        steps: of all trainings of one variant together, at most; twice the recipe's by default.
        by: `loss`, that of the last step, or a metric of the recipe's evaluation or of a plugin. Names with one of
            `GREATER` are better when greater, all others and those with one of `SPREADS` when smaller.
        known: tuning.json of another comparison, whose choices are used in place of a search.
    """

    steps: int | None = None
    by: str = "loss"
    known: Path | None = None


@dataclass(frozen=True)
class Trial:
    """One training.

    Attributes:
        options: dotted keys to values.
        steps: of the training.
        score: what `by` names; None where it failed or is not finite.
        seconds: it took.
        note: why it failed, or empty.
    """

    options: Options
    steps: int
    score: float | None
    seconds: float
    note: str = ""


@dataclass
class Tuning:
    """The search for one variant.

    Attributes:
        keys: what is searched.
        trials: in the order in which they ran.
        chosen: the best options, or none where nothing could be searched.
        edge: those of the keys whose choice is the least or the greatest value tried.
    """

    keys: list[str]
    trials: list[Trial] = field(default_factory=list)
    chosen: Options = field(default_factory=dict)
    edge: list[str] = field(default_factory=list)

    @property
    def note(self) -> str:
        """For the comparison's table."""
        if not self.chosen:
            return "nothing to tune"
        edge = (
            f"; {', '.join(key.rpartition('.')[2] for key in self.edge)} at the edge of the grid" if self.edge else ""
        )
        steps = sum(trial.steps for trial in self.trials)
        return f"tuned: {in_words(self.chosen)} ({len(self.trials)} trainings, {steps:,} steps{edge})"


def in_words(options: Options) -> str:
    """Such as `lr 0.001, first_omega 30`."""
    return ", ".join(f"{key.rpartition('.')[2]} {value:g}" for key, value in options.items())


def tune(
    title: str,
    recipe: Recipe,
    fixed: Mapping[str, Any],
    *,
    search: Search,
    seed: int,
    folder: Path,
    catalogue: Catalogue,
    progress: Progress,
    device: str = "auto",
    record: Callable[[Tuning], None] = lambda _: None,
) -> Tuning:
    """Search the learning rate and the scale of one variant.

    Args:
        title: of the variant.
        recipe: with `train.steps`.
        fixed: see `groups`.
        search: the budget, and what is compared.
        seed: of all trainings.
        folder: where trainings run; each is deleted when its score is known.
        catalogue: the plugins.
        progress: receives messages.
        device: as `run` takes it.
        record: called with the search so far after every training.

    Raises:
        RecipeError: a recipe without `train.steps`, or a budget that is too small.
        InterruptedRunError: a signal; what was recorded stays.
    """
    whole, by = recipe.train.steps, search.by
    if not whole:
        raise RecipeError(f"variant {title}: --tune", "the recipe has no train.steps.", "Give --set train.steps=N.")
    found = groups(recipe, fixed, catalogue)
    tuning = Tuning([key for group in found for key in group])
    if not found:
        return tuning
    sign = -1.0 if more_is_better(by) else 1.0
    left = candidates(found)
    values = {key: {each[key] for each in left} for key in tuning.keys}
    for number, (count, steps) in enumerate(rungs(len(left), search.steps or 2 * whole, whole), 1):
        scored: list[tuple[float, Options]] = []
        for options in left[:count]:
            length = f"{steps:,} step{'' if steps == 1 else 's'}"
            progress.say(f"{title}, round {number}, {length}: {in_words(options)}")
            trial = _try(recipe, options, steps, by, seed, folder, catalogue, device)
            tuning.trials.append(trial)
            record(tuning)
            scored.append((math.inf if trial.score is None else sign * trial.score, options))
        scored.sort(key=itemgetter(0))
        left = [options for _, options in scored]
        if math.isinf(scored[0][0]):
            raise RecipeError(f"variant {title}: --tune", _why(tuning, by), "Change the recipe, or --by.")
    tuning.chosen = left[0]
    tuning.edge = [k for k, v in left[0].items() if len(values[k]) > 1 and v in (min(values[k]), max(values[k]))]
    record(tuning)
    return tuning


def more_is_better(by: str) -> bool:
    """Whether a metric of that name is better when greater; see `Search.by`."""
    return any(word in by for word in GREATER) and SPREADS.isdisjoint(by.split("_"))


def _why(tuning: Tuning, by: str) -> str:
    note = tuning.trials[-1].note
    return f"no candidate has a finite {by}" + (f"; the last one failed: {note}." if note else ".")


def _try(
    recipe: Recipe,
    options: Options,
    steps: int,
    by: str,
    seed: int,
    folder: Path,
    catalogue: Catalogue,
    device: str,
) -> Trial:
    warmup = round(recipe.train.schedule.warmup * steps / (recipe.train.steps or steps))
    short: dict[str, Any] = {
        "train.steps": steps, "train.log_every": steps, "train.checkpoint_every": steps,
        "train.pictures_every": steps + 1, "train.schedule.warmup": warmup,
    }  # fmt: skip
    if by == "loss" or by in catalogue.names("metric"):
        # The protocol, which may draw or mesh, is left out where it is not what is asked for.
        short["evaluate"] = {"protocol": None, "metrics": {} if by == "loss" else {by: {}}}
    path, start, note, score = folder / "trial", time.perf_counter(), "", None
    shutil.rmtree(path, ignore_errors=True)
    try:
        run(changed(recipe, {**short, **options}, "--tune"), path, seed=seed, device=device, catalogue=catalogue)
        recorded = Member(path).recorded
    except InterruptedRunError:
        raise
    except Exception as problem:  # a failure of one candidate does not affect the others
        note = reason(problem)
    else:
        if by not in recorded:
            raise RecipeError("--by", f"the runs have no {by!r}.", f"They have: {', '.join(recorded)}.")
        score = recorded[by]
    finally:
        shutil.rmtree(path, ignore_errors=True)
    return Trial(options, steps, score, round(time.perf_counter() - start, 3), note)


def tune_all(
    varied: Sequence[tuple[Variant, Recipe]],
    search: Search,
    folder: Path,
    *,
    seed: int | None,
    catalogue: Catalogue,
    progress: Progress,
    device: str = "auto",
) -> dict[str, Tuning]:
    """Tune every variant, or read what another comparison found; tuning.json holds every training as soon as it ends.

    Args:
        varied: variants with their recipes.
        search: the budget, and what is compared.
        folder: of the comparison.
        seed: of all trainings, in place of the recipe's.
        catalogue: the plugins.
        progress: receives messages.
        device: as `run` takes it.

    Raises:
        RecipeError: a variant that cannot be tuned, or that is not among the known ones.
        InterruptedRunError: a signal.
    """
    if search.known is not None:
        known = read_tunings(search.known)
        for variant, _ in varied:
            if variant.title not in known:
                found = f"it holds no variant {variant.title!r}, only {', '.join(known)}."
                raise RecipeError(f"--tuned {search.known}", found, "Compare those, or tune anew with --tune.")
        chosen = {variant.title: known[variant.title] for variant, _ in varied}
        write_tunings(folder / FILE, chosen, search.by)
        return chosen
    made: dict[str, Tuning] = {}

    for variant, recipe in varied:

        def record(tuning: Tuning, title: str = variant.title) -> None:
            made[title] = tuning
            write_tunings(folder / FILE, made, search.by)

        try:
            made[variant.title] = tune(
                variant.title, recipe, variant.choices, search=search, seed=recipe.train.seed if seed is None else seed,
                folder=folder, catalogue=catalogue, progress=progress, device=device, record=record,
            )  # fmt: skip
        except InterruptedRunError as stopped:
            ended = sum(len(tuning.trials) for tuning in made.values())
            found = f"{stopped.found.rstrip('.')} of a training of {variant.title}; {ended} trainings had ended."
            kept = f" {FILE} contains what was tried." if ended else ""
            advice = f"A search cannot be resumed: give the command again.{kept}"
            raise InterruptedRunError(str(folder), found, advice) from None
    write_tunings(folder / FILE, made, search.by)
    return made


def write_tunings(path: Path, tunings: Mapping[str, Tuning], by: str) -> None:
    """Write the searches of all variants so far, by their titles."""
    rule = {"rates": RATES, "scales": SCALES, "kept": KEPT, "by": by}
    variants = {title: asdict(tuning) for title, tuning in tunings.items()}
    path.with_suffix(".part").write_text(json.dumps({"rule": rule, "variants": variants}, indent=2) + "\n", "utf-8")
    path.with_suffix(".part").replace(path)


def read_tunings(path: Path) -> dict[str, Tuning]:
    """The searches of another comparison, by the titles of its variants.

    Raises:
        DataError: no file.
        RecipeError: a file that is none of these.
    """
    demand_file(path, "Give the tuning.json that metasiren compare --tune wrote.")
    try:
        held = json_object(path.read_text("utf-8"))["variants"]
        return {
            title: Tuning(each["keys"], [Trial(**t) for t in each["trials"]], each["chosen"], each["edge"])
            for title, each in held.items()
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecipeError(
            f"--tuned {path}", f"no {FILE} of a comparison: {error}.", "metasiren compare --tune writes one."
        ) from None
