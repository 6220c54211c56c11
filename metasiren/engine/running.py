"""Train, evaluate and write a run: what `metasiren run` and `metasiren.run` do."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from metasiren.assembly.experiment import Experiment, assemble
from metasiren.assembly.parts import make_optimizer
from metasiren.engine.bar import named_work
from metasiren.engine.devices import demand_kernels, deterministic, peak_memory, pick_device, resumable
from metasiren.engine.distributed import Ranks, joined
from metasiren.engine.durations import seconds_of as seconds_of
from metasiren.engine.estimate import demand_fits, out_of_memory_explained
from metasiren.engine.evaluation import demand_finite_values, write_evaluated, write_scores, write_table
from metasiren.engine.evaluation import evaluate as evaluate
from metasiren.engine.logger import RunLogger, noted_signals
from metasiren.engine.outcome import Outcome
from metasiren.engine.progress import Progress, Silent, data_words
from metasiren.engine.resuming import checkpoint_to_resume, evaluation_may_end, interrupted, mismatch_explained
from metasiren.engine.time_limit import TimeLimit, fitted_words, what_was_cut
from metasiren.engine.trainer import Trainer
from metasiren.errors import InterruptedRunError
from metasiren.json_files import write_json
from metasiren.recipe import Part, Recipe, changed
from metasiren.registry.catalogue import Catalogue, load_catalogue
from metasiren.runs import checkpoints, directory
from metasiren.runs.creation import created
from metasiren.runs.directory import Run, open_run
from metasiren.runs.fingerprint import demand_same_data
from metasiren.runs.lock import demand_held, locked
from metasiren.runs.status import StatusFile

RESUMED, UNWANTED = "the run is resumed", "the recipe's number was to be kept"
"""Why the length of a training is not fitted to `max_time`."""


def run(
    recipe: Recipe,
    out: str | Path | None = None,
    *,
    device: str = "auto",
    seed: int | None = None,
    max_time: str | float | None = None,
    fit: bool = True,
    catalogue: Catalogue | None = None,
    progress: Progress | None = None,
) -> Run:
    """Train what a recipe describes, evaluate it, and write a run directory.

    Args:
        recipe: from `load_recipe`.
        out: a directory that does not exist yet; None takes the next free name under `runs/`.
        device: `auto`, `cpu`, `cuda`, `cuda:1`.
        seed: in place of the recipe's.
        max_time: training ends within so many seconds ("5m" too), and is then evaluated. Where a schedule or a
            curriculum depends on the number of steps, this is lowered to what fits, estimated from the first steps;
            the run's recipe has the new number. Training stops at that time in any case.
        fit: leave the number of steps as it is, and stop in the midst of it, where false.
        catalogue: the plugins; all that are installed by default.
        progress: receives messages and steps; None shows nothing.

    Returns:
        the run.

    Raises:
        MetasirenError: naming what is wrong; whatever was saved before stays.
    """
    limit = seconds_of(max_time) if isinstance(max_time, str) else max_time
    place, catalogue = pick_device(device), catalogue or load_catalogue()
    if seed is not None and seed != recipe.train.seed:
        recipe = changed(recipe, {"train.seed": seed}, "--seed")
    progress = progress or Silent()
    progress.say(f"assembling {recipe.name}")
    check = partial(demand_fits, catalogue=catalogue, device=place)
    experiment = assemble(recipe, catalogue, check=check, named=partial(named_work, say=progress.say))
    demand_kernels(experiment.recipe, experiment.model, place)
    with joined(place) as ranks:
        if not ranks.first:
            return _follow(Path(ranks.shared("")), experiment, catalogue, place, ranks, resumed=False)
        with created(experiment, catalogue, Path(out) if out is not None else None, device=place) as made:
            ranks.shared(str(made.path.resolve()))
            catalogue.manager.hook.metasiren_run_started(run=made)
            unfitted = "" if fit else UNWANTED
            return _carry_out(made, experiment, catalogue, place, limit, unfitted, progress, None, ranks)


def resume(
    path: str | Path,
    *,
    device: str = "auto",
    max_time: str | float | None = None,
    catalogue: Catalogue | None = None,
    progress: Progress | None = None,
) -> Run:
    """Go on with a run from its last checkpoint; on the CPU the result is the uninterrupted run's, bit for bit."""
    limit = seconds_of(max_time) if isinstance(max_time, str) else max_time
    place, catalogue = pick_device(device), catalogue or load_catalogue()
    made = open_run(path)
    made.check_plugins(catalogue, directory.EVERYTHING)
    progress = progress or Silent()
    recipe, without = resumable(made.recipe, place)
    with joined(place) as ranks:
        if not ranks.first:
            experiment = assemble(recipe, catalogue)
            return _follow(Path(ranks.shared("")), experiment, catalogue, place, ranks, resumed=True)
        with locked(made.path):
            if without:
                progress.say(without)
            experiment = assemble(recipe, catalogue, named=partial(named_work, say=progress.say))
            demand_kernels(recipe, experiment.model, place)
            demand_same_data(str(made.path), made.environment, experiment.dataset, made.recipe.data)
            checkpoint = checkpoint_to_resume(made, experiment.steps, progress.say)
            ranks.shared(str(made.path.resolve()))
            return _carry_out(made, experiment, catalogue, place, limit, RESUMED, progress, checkpoint, ranks)


def _follow(
    path: Path, experiment: Experiment, catalogue: Catalogue, device: torch.device, ranks: Ranks, *, resumed: bool
) -> Run:
    """Train beside the first process, which writes; return when training ends."""
    trainer = make_trainer(experiment, catalogue, device, ranks)
    begin(trainer, checkpoints.latest(open_run(path).checkpoints) if resumed else None)
    with noted_signals() as signalled:
        outcome = trainer.train(
            watch=lambda *_: None, save=lambda _: None, stop=lambda: signalled[0] if signalled else None
        )
    ranks.leave()
    if signalled:
        raise InterruptedRunError(str(path), f"stopped by {signalled[0]} after step {outcome.step}.", "")
    return open_run(path)


def _carry_out(
    made: Run,
    experiment: Experiment,
    catalogue: Catalogue,
    device: torch.device,
    limit: float | None,
    unfitted: str,
    progress: Progress,
    checkpoint: checkpoints.Checkpoint | None,
    ranks: Ranks,
) -> Run:
    with out_of_memory_explained(experiment, catalogue, device):
        trainer = make_trainer(experiment, catalogue, device, ranks)
        # What follows is the run itself: whatever ends it is written into its status.json.
        with (
            StatusFile(made.path, experiment.steps, checkpoint.step if checkpoint else 0) as status,
            deterministic(experiment.recipe.train.deterministic) as unrepeatable,
        ):
            return _train(made, trainer, catalogue, limit, unfitted, progress, checkpoint, status, unrepeatable)


def _train(
    made: Run,
    trainer: Trainer,
    catalogue: Catalogue,
    limit: float | None,
    unfitted: str,
    progress: Progress,
    checkpoint: checkpoints.Checkpoint | None,
    status: StatusFile,
    unrepeatable: list[str],
) -> Run:
    device, experiment = trainer.device, trainer.experiment
    dataset = experiment.dataset
    if checkpoint is None:
        progress.say(data_words(dataset))
    fitting = named_work(f"fitting the encoder {experiment.recipe.encoder.name}", progress.say)
    with fitting, mismatch_explained(made.path, checkpoint):
        begin(trainer, checkpoint)
    time_limit = TimeLimit(limit, trainer, unwanted=unfitted)
    with noted_signals() as signalled:
        outcome = _steps(made, trainer, catalogue, time_limit, progress, status, signalled)
        if time_limit.begins_anew:
            # Also after a signal: the second training then ends at once, with a checkpoint of its first step.
            made = time_limit.begin_anew(made)
            status.steps = trainer.experiment.steps
            if words := fitted_words(made.environment):
                progress.say(words)
            outcome = _steps(made, trainer, catalogue, time_limit, progress, status, signalled)
    trainer.ranks.leave()
    if signalled:
        raise interrupted(made, f"stopped by {signalled[0]} after step {outcome.step}.")
    cut = what_was_cut(time_limit) if outcome.stopped else ""
    said = {"cut": cut, "overrun": time_limit.overrun}
    _write_summary(made, outcome, trainer, said, unrepeatable)
    for line in filter(None, said.values()):
        progress.say(line)
    status.write("evaluating")
    with evaluation_may_end(made, outcome.step):
        demand_finite_values(made, trainer.best_model, dataset, device=device)
        if experiment.protocol is not None:
            write_table(
                made, experiment.protocol, trainer.best_model, dataset, device=device, progress=progress,
                step=outcome.step,
            )  # fmt: skip
        if experiment.metrics:
            write_scores(made, experiment.metrics, trainer.best_model, dataset, device=device)
        write_evaluated(made.results, made, outcome.step)
        ended = {"reason": outcome.stopped, "cut": cut} if outcome.stopped else {}
        status.write("stopped early" if outcome.stopped else "finished", **ended)
        catalogue.manager.hook.metasiren_run_ended(run=made)
    return made


def _steps(
    made: Run, trainer: Trainer, catalogue: Catalogue, limit: TimeLimit, progress: Progress, status: StatusFile,
    signalled: list[str],
) -> Outcome:  # fmt: skip
    """Train with curves, checkpoints and pictures, until the end, a signal or the time stops it."""
    experiment = trainer.experiment
    with RunLogger(made, catalogue, progress, experiment.steps, trainer.step) as logger:
        logger.holds = limit.undecided

        def stop() -> str | None:
            if signalled:
                return signalled[0]
            status.step(trainer.step)
            reason = limit.reason()
            logger.holds = limit.undecided
            if not logger.holds:
                logger.call_hooks()
            return reason

        def save(checkpoint: checkpoints.Checkpoint) -> None:
            if not limit.begins_anew:
                demand_held(made.path)
                logger.saved(checkpoints.save(made.checkpoints, checkpoint))

        def watch(step: int, losses: dict[str, float], seconds: float, images_per_second: float) -> None:
            limit.ended()
            logger.step(step, losses, seconds, images_per_second)

        try:
            return trainer.train(
                watch=watch,
                save=save,
                preview=logger.preview(experiment, experiment.dataset, trainer.device),
                stop=stop,
                notify=logger.nonfinite(experiment.model),
            )
        finally:
            status.done = trainer.step  # also where a signal or an error came within the last step
            if not limit.begins_anew:
                logger.call_hooks()


def make_trainer(experiment: Experiment, catalogue: Catalogue, device: torch.device, ranks: Ranks) -> Trainer:
    """The trainer of an experiment, its model and data set moved to the device."""
    # A data set may move by giving a copy: the trainer must draw from that one.
    dataset, model = experiment.dataset.to(device), experiment.model.to(device)

    def optimizer(part: Part) -> torch.optim.Optimizer:
        trained = [p for p in model.parameters() if p.requires_grad]
        if not trained and experiment.recipe.train.steps == 0:
            trained = [torch.nn.Parameter(torch.zeros(0))]  # an optimiser demands one, and takes no step
        return make_optimizer(experiment.recipe, catalogue, trained, part)

    metadata = {"plugins": catalogue.versions()}
    return Trainer(replace(experiment, dataset=dataset), device, optimizer, metadata=metadata, ranks=ranks)


def begin(trainer: Trainer, checkpoint: checkpoints.Checkpoint | None) -> None:
    """Go back to a checkpoint; where there is none, let the encoder compute what it need not train."""
    if checkpoint is None:
        trainer.experiment.model.encoder.fit(trainer.experiment.dataset)
    else:
        checkpoints.demand_same_types(checkpoint, trainer.experiment.model.state_dict())
        checkpoints.demand_state_for(trainer.experiment.steps, checkpoint)
        trainer.restore(checkpoint)


def _write_summary(
    made: Run, outcome: Outcome, trainer: Trainer, said: dict[str, str], unrepeatable: list[str]
) -> None:
    seen = outcome.step * min(trainer.experiment.recipe.train.batch, trainer.experiment.dataset.splits["train"])
    summary: dict[str, Any] = {"steps": outcome.step, "seconds": round(outcome.seconds, 3), "stopped": outcome.stopped}
    summary |= {key: line for key, line in said.items() if line}
    if fitted := fitted_words(made.environment):
        summary["fitted"] = fitted
    summary["steps_per_second"] = round(outcome.step / outcome.seconds, 3) if outcome.seconds else None
    if trainer.experiment.dataset.splits["train"] > 1:
        summary["images_per_second"] = round(seen / outcome.seconds, 2) if outcome.seconds else None
    if (peak := peak_memory(trainer.device)) is not None:
        summary["peak_memory_bytes"] = peak
        summary["tf32"] = trainer.experiment.recipe.train.tf32
    if trainer.experiment.recipe.train.deterministic:
        summary |= {"deterministic": True, "without_deterministic_algorithm": sorted(unrepeatable)}
    write_json(made.results / "training.json", summary)
