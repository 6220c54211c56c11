"""Variants of one recipe, trained side by side: what `metasiren compare` does.

Each variant is an ordinary run directory; beside them lie comparison.json, .csv and .md, curves.png, and figure.png
where the runs drew pictures.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from metasiren import (
    Catalogue,
    Comparison,
    InterruptedRunError,
    MetasirenError,
    Recipe,
    RecipeError,
    Run,
    RunError,
    load_catalogue,
    pick_device,
    run,
)
from metasiren.assembly.first_omega import resolved
from metasiren.assembly.parts import (
    check_options,
    make_constraints,
    make_dataset,
    make_metrics,
    make_model,
    make_protocol,
)
from metasiren.contracts import Dataset
from metasiren.engine.progress import Progress, Silent
from metasiren.engine.running import seconds_of
from metasiren.recipe import changed, load_recipe
from metasiren_studies.curves import plotting
from metasiren_studies.members import Member, reason, write
from metasiren_studies.spread import Training, spread
from metasiren_studies.tuning import Search, tune_all
from metasiren_studies.variants import Variant, cross, own_defaults, read_axes


def variants(
    recipe: str | Path,
    over: Sequence[str],
    *,
    preset: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    catalogue: Catalogue,
) -> list[tuple[Variant, Recipe]]:
    """The variants with their recipes; mistakes in any of them are found before the first is trained.

    Args:
        recipe: a path, or the name of a shipped recipe.
        over: texts `KEY=V1,V2`; several make the product.
        preset: of the recipe.
        overrides: for all variants.
        catalogue: the plugins.

    Raises:
        RecipeError, PluginError, DataError: a mistake in an axis or in a variant, or two variants that are one.
    """
    base = load_recipe(recipe, preset=preset, overrides=overrides)
    datasets: dict[str, Dataset] = {}

    def dataset(of: Recipe) -> Dataset:
        key = of.data.model_dump_json()
        if key not in datasets:
            datasets[key] = make_dataset(of, catalogue)
        return datasets[key]

    made: list[tuple[Variant, Recipe]] = []
    for variant in cross(read_axes(over, base, catalogue)):
        try:
            choices = variant.overrides(dataset(base).domain if variant.baseline else None)
            choices = own_defaults(choices, base, overrides or {}) | choices
            varied = load_recipe(recipe, preset=preset, overrides={**(overrides or {}), **choices})
            if varied.siren.first_omega == "auto":
                varied = resolved(varied, dataset(varied))
            _check(varied, catalogue, dataset)
        except MetasirenError as error:
            raise type(error)(f"variant {variant.title}: {error.where}", error.found, error.advice) from None
        for other, recipe_of_other in made:
            if recipe_of_other == varied:
                found = f"the variants {other.title!r} and {variant.title!r} are one and the same."
                raise RecipeError("--over", found, "Leave one out.")
        made.append((variant, varied))
    return made


def _check(recipe: Recipe, catalogue: Catalogue, dataset: Callable[[Recipe], Dataset]) -> None:
    """Make what a run would make, without reading data that was read before."""
    check_options(recipe, catalogue)
    make_constraints(recipe, catalogue)
    make_protocol(recipe, catalogue)
    make_metrics(recipe, catalogue)
    make_model(recipe, catalogue, dataset(recipe).domain)


def compare(
    recipe: str | Path,
    over: Sequence[str],
    out: str | Path | None = None,
    *,
    preset: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    seed: int | None = None,
    seeds: int = 1,
    device: str = "auto",
    devices: Sequence[str] = (),
    max_time: str | float | None = None,
    search: Search | None = None,
    without: Sequence[str] = (),
    catalogue: Catalogue | None = None,
    progress: Progress | None = None,
) -> tuple[Path, Comparison]:
    """Train variants of one recipe with the same seeds, steps and data.

    Args:
        recipe: a path, or the name of a shipped recipe.
        over: texts `KEY=V1,V2`, such as `nonlinearity=sine,relu,tanh`; several make the product.
        out: a directory that does not exist yet; None takes the next free `runs/compare-NAME-K`.
        preset: of the recipe.
        overrides: dotted keys to values, for all variants.
        seed: the first seed, in place of the recipe's.
        seeds: train every variant with so many seeds, one up each time.
        device: `auto`, `cpu`, `cuda`, `cuda:1`: where all are trained in this process, one after another.
        devices: from `pick_devices`, in place of `device`: each training is a process of its own, one at a time on
            each device. A search runs in this process, on the first of them.
        max_time: for each training but those of a search, as `run` takes it.
        search: tune the learning rate and the scale of every variant first, with equally many steps; None does not.
        without: plugins that processes on `devices` leave out.
        catalogue: the plugins; all that are installed by default.
        progress: receives messages and steps.

    Returns:
        the directory, and what its comparison.json says: means over seeds, with standard deviations where there
        are several. A variant that fails has a note that says why, and the others go on.

    Raises:
        MetasirenError: a mistake in the recipe or in `over`, a directory that holds something, or no variant
            that could be trained.
    """
    catalogue, progress = catalogue or load_catalogue(), progress or Silent()
    device = devices[0] if devices else device
    pick_device(device)
    limit = seconds_of(max_time) if isinstance(max_time, str) else max_time
    plotting()
    varied = variants(recipe, over, preset=preset, overrides=overrides, catalogue=catalogue)
    if (seed is not None or seeds > 1) and any("train.seed" in variant.choices for variant, _ in varied):
        raise RecipeError("--over train.seed", "given beside --seed or --seeds.", "Give one of them.")
    folder = _folder(varied[0][1], Path(out) if out is not None else None)
    notes: dict[str, str] = {}
    if search is not None:
        tunings = tune_all(varied, search, folder, seed=seed, catalogue=catalogue, progress=progress, device=device)
        notes = {title: tuning.note for title, tuning in tunings.items()}
        varied = [(v, changed(r, tunings[v.title].chosen, f"variant {v.title}: tuned")) for v, r in varied]
    trainings = _trainings(varied, folder, seed, seeds)
    members: dict[str, list[Member]] = {variant.title: [] for variant, _ in varied}
    try:
        if devices:
            _free_memory()
            spread(trainings, recipe, devices, members, limit=limit, without=without, progress=progress)
        else:
            train = partial(run, device=device, max_time=limit, catalogue=catalogue, progress=progress)
            _in_turn(trainings, train, members, progress)
    finally:
        if begun := {title: each for title, each in members.items() if each}:
            comparison = write(folder, begun, notes)
    if all(member.error is not None for each in members.values() for member in each):
        reasons = "\n".join(f"{row.name}: {row.note}" for row in comparison.rows)
        raise RunError(str(folder), "no variant could be trained.", reasons)
    return folder, comparison


def _trainings(varied: Sequence[tuple[Variant, Recipe]], folder: Path, seed: int | None, seeds: int) -> list[Training]:
    """Every variant with `seeds` seeds, from `seed` on; the recipe's seed where it is None."""
    trainings = []
    for variant, recipe in varied:
        first = recipe.train.seed if seed is None else seed
        for each in range(first, first + seeds):
            name, title = variant.name, variant.title
            if seeds > 1:
                name, title = f"{name}-seed{each}", f"{title}, seed {each}"
            trainings.append(Training(title, variant.title, recipe, folder / name, each))
    return trainings


def _free_memory() -> None:
    """Return the GPU memory that a search took in this process, for the processes that train next."""
    gc.collect()
    torch.cuda.empty_cache()  # does nothing where CUDA was not used


def _in_turn(
    trainings: Sequence[Training], train: Callable[..., Run], members: Mapping[str, list[Member]], progress: Progress
) -> None:
    """Train one after another in this process.

    Raises:
        InterruptedRunError: stopped by a signal.
    """
    for number, each in enumerate(trainings, 1):
        progress.say(f"[{number}/{len(trainings)}] {each.title}")
        error = None
        try:
            train(each.recipe, each.path, seed=each.seed)
        except InterruptedRunError:
            members[each.variant].append(Member(each.path, "interrupted"))
            raise
        except Exception as problem:  # a failure of one variant does not affect the others
            error = reason(problem)
            progress.say(f"{each.title} failed: {error}")
        members[each.variant].append(Member(each.path, error))


def _folder(recipe: Recipe, out: Path | None) -> Path:
    """Make the directory of a comparison.

    Raises:
        RunError: it is not empty, or cannot be made.
    """
    number = 1
    while (free := Path("runs") / f"compare-{recipe.name}-{number}").exists():
        number += 1
    folder = out or free
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise RunError(str(folder), "is not an empty folder.", "Name another --out; nothing is overwritten.")
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(str(folder), f"the directory cannot be made: {error}.", "Name another --out.") from None
    return folder
