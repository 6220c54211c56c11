"""The trainings of a comparison in separate processes, one at a time on each device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from metasiren import Recipe
from metasiren.engine.processes import Ended, Job, run_command_line, run_jobs
from metasiren.engine.progress import Progress
from metasiren.recipe import BASE, presets_of
from metasiren_studies.members import Member


@dataclass(frozen=True)
class Training:
    """One training of a comparison.

    Attributes:
        title: of the variant, and of the seed where there are several.
        variant: title of the variant.
        recipe: of the variant.
        path: the run directory.
        seed: of the run.
    """

    title: str
    variant: str
    recipe: Recipe
    path: Path
    seed: int


def spread(
    trainings: Sequence[Training],
    source: str | Path,
    devices: Sequence[str],
    members: Mapping[str, list[Member]],
    *,
    limit: float | None,
    without: Sequence[str],
    progress: Progress,
) -> None:
    """Train each in a separate process.

    Args:
        trainings: the queue.
        source: the recipe that all of them are variants of.
        devices: from `pick_devices`.
        members: title of each variant -> its trainings so far; filled.
        limit: seconds of each training.
        without: plugins that are left out.
        progress: receives a line for each that begins or ends.

    Raises:
        InterruptedRunError: stopped by a signal.
    """
    folder, queue = trainings[0].path.parent, {training.path: training for training in trainings}
    order = {path: number for number, path in enumerate(queue, 1)}

    def job(training: Training) -> Job:
        more = ["--seed", str(training.seed), *([] if limit is None else ["--max-time", f"{limit:.9f}s"])]
        recipe = training.recipe
        # `metasiren run` would choose a preset where none is named.
        preset = recipe.preset or (BASE if presets_of(source) else None)

        def words(device: str) -> list[str]:
            return run_command_line(
                source, training.path, device=device, preset=preset, changes=recipe.changes, more=more, without=without
            )

        return Job(training.title, training.path, folder / "logs" / f"{training.path.name}.log", words)

    def say(job: Job, words: str) -> None:
        progress.say(f"[{order[job.folder]}/{len(queue)}] {job.name}: {words}")

    def ended(one: Ended) -> None:
        folder = one.job.folder
        of_variant = members[queue[folder].variant]
        error = "interrupted" if one.stopped else one.reason or None
        of_variant.append(Member(folder, error, one.device))
        of_variant.sort(key=lambda member: order[member.path])
        how = f"stopped by {one.stopped}" if one.stopped else f"failed: {one.reason}" if one.reason else "done"
        say(one.job, f"{how} on {one.device} after {one.seconds:.0f} s")

    progress.say(f"{len(queue)} trainings, {len(devices)} at a time; what each prints is in {folder / 'logs'}")
    run_jobs(
        [job(training) for training in trainings], devices, begun=lambda job, device: say(job, f"begins on {device}"),
        ended=ended, where=str(folder), advice="Go on with those that began: metasiren run --resume RUN.",
    )  # fmt: skip
