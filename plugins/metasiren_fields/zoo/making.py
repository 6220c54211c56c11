"""From a recipe to a zoo, group by group; an interrupted zoo goes on where it stopped."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from metasiren import DataError, Dataset, Recipe, RecipeError, Siren, demand_new, load_catalogue
from metasiren.assembly.first_omega import resolved
from metasiren.assembly.parts import make_dataset, make_model
from metasiren.runs.lock import NAME as LOCK
from metasiren.runs.lock import locked
from metasiren_fields.zoo.file import Zoo, join, read_zoo, write_zoo
from metasiren_fields.zoo.fit import fit_together

PLAN = "plan.json"


@dataclass(frozen=True)
class Plan:
    """What is fitted and how.

    Attributes:
        split: of the data set.
        items: first (included) and last (excluded) item; the last may be None for all.
        at: the point set with known values.
        steps: at most, for each item.
        lr: Adam's learning rate.
        until: mean squared error at which an item stops; 0 for never.
        together: items in one batch.
        seed: of the initial weights; item i starts from seed + i, or all from `seed` where `shared`.
        shared: all items start from the same weights.
        points: random points of each step; None for all.
    """

    split: str = "train"
    items: tuple[int, int | None] = (0, None)
    at: str = "pixels"
    steps: int = 500
    lr: float = 1e-3
    until: float = 0.0
    together: int = 64
    seed: int = 0
    shared: bool = False
    points: int | None = None


def parse_items(text: str) -> tuple[int, int | None]:
    """`0:64`, `64:` or `64` (the first so many).

    Raises:
        RecipeError: another text, or an empty range.
    """
    match = re.fullmatch(r"(?:(\d*)(:))?(\d*)", text)
    if not match or not (match[2] or match[3]):
        advice = "Write 0:64, 64: or 64."
        if Path(text).exists():
            advice = f"For signals of your own: metasiren zoo celeba_cnn --set data.path={text}"
        raise RecipeError(f"--items {text}", "not a range of items.", advice)
    first, last = int(match[1] or 0), int(match[3]) if match[3] else None
    if last is not None and last <= first:
        raise RecipeError(f"--items {text}", "the range is empty.", "Write 0:64, 64: or 64.")
    return first, last


def make_zoo(
    recipe: Recipe,
    out: Path,
    plan: Plan,
    *,
    device: torch.device | str = "cpu",
    watch: Callable[[int], AbstractContextManager[Callable[[int], object]]] = lambda total: nullcontext(lambda n: None),
    overwrite: bool = False,
) -> Zoo:
    """Fit the items and write the file; groups that a stopped call has finished are read, not fitted again.

    Args:
        recipe: its data set and its network; encoder, decoder and constraints are not used.
        out: the file to write. Finished groups lie in `out` + `.groups` until then.
        plan: what is fitted.
        device: where.
        watch: takes the number of steps of all groups that are to be fitted, and gives a context whose function is
            called with the steps done.
        overwrite: replace a file that exists, once all items are fitted.

    Raises:
        RecipeError: an unknown split or point set, or items out of range.
        RunError: the file exists and shall not be replaced, or another process works on it.
        DataError: finished groups belong to another plan.
    """
    demand_new(out, where=f"zoo -o {out}", overwrite=overwrite)
    catalogue = load_catalogue()
    dataset = make_dataset(recipe, catalogue)
    recipe = resolved(recipe, dataset)
    siren: Siren = make_model(recipe, catalogue, dataset.domain).decoder.siren
    items = _items(recipe, dataset, plan)
    folder = out.with_name(out.name + ".groups")
    description = _description(recipe, dataset, plan)
    batches = torch.split(items, plan.together)
    with _claimed(folder, {**description, "plan": vars(plan), "recipe": recipe.model_dump(mode="json")}):
        # Another process may have written it since.
        demand_new(out, where=f"zoo -o {out}", overwrite=overwrite)
        groups = {folder / f"{number:06d}.safetensors": group for number, group in enumerate(batches)}
        lacking = {path: group for path, group in groups.items() if not path.exists()}
        with watch(len(lacking) * plan.steps) as advance:
            for path, group in lacking.items():
                fitted = _fit(siren, dataset, group, plan, description, device, advance)
                write_zoo(fitted, path)
                advance(plan.steps - int(fitted.steps.max()))
        zoo = join([read_zoo(path) for path in groups])
        write_zoo(zoo, out)
        for path in (*groups, folder / PLAN, folder / LOCK):
            path.unlink(missing_ok=True)
        with suppress(OSError):  # a person's own files in it stay
            folder.rmdir()
    return zoo


def _items(recipe: Recipe, dataset: Dataset, plan: Plan) -> Tensor:
    where = f"{recipe.name}: zoo"
    if plan.split not in dataset.splits:
        raise RecipeError(where, f"no split is called {plan.split!r}.", f"known: {', '.join(dataset.splits)}")
    count = dataset.splits[plan.split]
    first, last = plan.items[0], count if plan.items[1] is None else plan.items[1]
    if not first < last <= count:
        raise RecipeError(
            where, f"items {first} to {last}; the split has {count}.", "Counted from 0, the last excluded."
        )
    return torch.arange(first, last)


def _description(recipe: Recipe, dataset: Dataset, plan: Plan) -> dict[str, Any]:
    shape = dataset.domain.grid
    return {
        "title": dataset.title, "split": plan.split, "grid": list(shape) if shape else None,
        "recipe": recipe.name, "preset": recipe.preset, "lr": plan.lr, "seed": plan.seed,
        "shared_start": plan.shared, "points": plan.points,
    }  # fmt: skip


@contextmanager
def _claimed(folder: Path, plan: dict[str, Any]) -> Iterator[None]:
    """Hold the lock of the folder of groups, made where it is missing; demand that it belongs to the same plan."""
    text = json.dumps(plan, sort_keys=True, default=str)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from None
    with locked(folder):
        _note(folder / PLAN, text)
        yield


def _note(note: Path, text: str) -> None:
    """Write the plan, or demand that the file holds the same."""
    try:
        if not note.exists():
            partial = note.with_suffix(".partial")
            partial.write_text(text, "utf-8")
            partial.replace(note)
        elif note.read_text("utf-8") != text:
            advice = "Name another -o, or remove the folder."
            raise DataError(str(note.parent), "it holds groups of another recipe or with other options.", advice)
    except OSError as error:
        raise _unwritable(note.parent, error) from None


def _unwritable(folder: Path, error: OSError) -> DataError:
    return DataError(str(folder), f"cannot be made: {error}.", "Name another -o.")


def _fit(
    siren: Siren,
    dataset: Dataset,
    group: Tensor,
    plan: Plan,
    description: dict[str, Any],
    device: torch.device | str,
    stepped: Callable[[int], object],
) -> Zoo:
    points = dataset.batch(plan.split, group, generator=torch.Generator().manual_seed(plan.seed)).points
    if plan.at not in points or "values" not in points[plan.at].targets:
        raise RecipeError("zoo: --at", f"no values are known at {plan.at!r}.", f"Point sets: {', '.join(points)}")
    chosen = points[plan.at].to(device)
    seeds = [plan.seed + (0 if plan.shared else int(i)) for i in group]
    drawn = [siren.init(generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    start = {name: torch.cat([each[name] for each in drawn]).to(device) for name in siren.shapes}
    made = fit_together(
        siren, start, chosen.coords, chosen.values, steps=plan.steps, lr=plan.lr, until=plan.until,
        points=plan.points, seed=plan.seed, stepped=stepped,
    )  # fmt: skip
    params = {name: p.cpu() for name, p in made.params.items()}
    return Zoo(siren, params, group, made.mse.cpu(), made.steps.cpu(), description)
