"""Where two recipes, or two runs, differ: dotted keys with both values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from metasiren import MetasirenError, Recipe, Run, load_recipe
from metasiren_report.summary import json_or_empty, summarise
from metasiren_report.wording import value_text

ABSENT = "–"
FITTED = ("train.steps", "train.stages", "train.schedule.warmup")
"""Keys that `--max-time` sets."""


@dataclass(frozen=True)
class Difference:
    """One key with its two values as text, `–` where a side lacks the key; `note` says what set them, if no person."""

    key: str
    first: str
    second: str
    note: str = ""


def between(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Difference]:
    """The dotted keys whose values differ, in the order of the first mapping and then of the second.

    A key that one side lacks and that is null on the other is no difference.
    """
    one, two = dict(_flat(first)), dict(_flat(second))
    keys = list(dict.fromkeys([*one, *two]))
    pairs = ((key, _text(one, key), _text(two, key)) for key in keys)
    return [Difference(key, a, b) for key, a, b in pairs if a != b and {a, b} != {ABSENT, "null"}]


def recipe_tree(recipe: Recipe) -> dict[str, Any]:
    """A recipe as nested mappings."""
    return recipe.model_dump(mode="json")


def from_base(run: Run) -> list[Difference] | None:
    """How the run's recipe differs from the shipped recipe of its name; None where no such recipe ships."""
    try:
        base = load_recipe(run.recipe.name, preset="base")
    except MetasirenError:
        return None
    return _noted(between(recipe_tree(base), recipe_tree(run.recipe)), [run])


def of_runs(first: Run, second: Run) -> dict[str, list[Difference]]:
    """How two runs differ: `recipe`, `environment` and `results`, each a list that may be empty."""
    keys = ("recipe", "preset", "seed", "device", "threads", "processor", "python", "versions", "commit", "plugins",
             "dataset", "parameters", "steps")  # fmt: skip
    worlds = [{key: run.environment.get(key) for key in keys} for run in (first, second)]
    numbers = []
    for run in (first, second):
        summary = summarise(run)
        numbers.append({"training seconds": summary.seconds, "steps": summary.steps, **measured(run)})
    return {
        "recipe": _noted(between(recipe_tree(first.recipe), recipe_tree(second.recipe)), [first, second]),
        "environment": between(*worlds),
        "results": between(*numbers),
    }


def _noted(rows: list[Difference], runs: list[Run]) -> list[Difference]:
    """The same rows; where `--max-time` set a value, their notes say so."""
    fitted = [(run.path.name, run.environment.get("fitted")) for run in runs]
    words = [
        f"{f'{name} ' if len(runs) > 1 else ''}by --max-time {found['seconds']:g}s: "
        f"{found['steps']:,} of {found['of']:,} steps fitted"
        for name, found in fitted
        if found
    ]
    return [replace(row, note="; ".join(words)) if row.key in FITTED else row for row in rows]


def measured(run: Run) -> dict[str, Any]:
    """All numbers of a run: results/metrics.json, and for priors `mse at N` for N observed pixels."""
    table = json_or_empty(run.results / "table.json")
    models = [row for row in table.get("rows") or [] if isinstance(row, dict) and row.get("kind") == "model"]
    mse = (models[0].get("mse") or {}) if models else {}
    return {**json_or_empty(run.results / "metrics.json"), **{f"mse at {key}": value for key, value in mse.items()}}


def _flat(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        path = f"{above}.{key}" if above else str(key)
        if isinstance(value, Mapping) and value:
            yield from _flat(value, path)
        else:
            yield path, value


def _text(flat: Mapping[str, Any], key: str) -> str:
    if key not in flat:
        return ABSENT
    return value_text(flat[key])
