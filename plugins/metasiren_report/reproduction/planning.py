"""The results of the paper, the ways to repeat each here, and the choice of ways that fit into a given time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import torch
import yaml
from pydantic import BaseModel, ConfigDict, Field

from metasiren import RunError, did_you_mean, load_catalogue
from metasiren.recipe import aliases_of


class Way(BaseModel):
    """One preset that repeats a result.

    Attributes:
        preset: of the recipe.
        minutes: that it takes.
        gpu: whether it needs one.
        celeba: whether it needs prepared CelebA.
        file: the name of data that a person must give, or None.
        like_the_paper: whether data and measure are the paper's.
        set: further changes to the recipe.
        note: what differs from the paper's experiment.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    preset: str
    minutes: float = Field(gt=0)
    gpu: bool = False
    celeba: bool = False
    file: str | None = None
    like_the_paper: bool = False
    set: dict[str, Any] = {}
    note: str = ""


class Result(BaseModel):
    """One figure or table of the paper.

    Attributes:
        title: where it is in the paper, and what it shows.
        recipe: that repeats it.
        numbers: metric -> the paper's number, null where the paper has none.
        ways: from the best to the quickest.
        note: why numbers are missing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    title: str
    recipe: str
    numbers: dict[str, float | None]
    ways: list[Way] = Field(min_length=1)

    def preset(self, way: Way) -> str:
        """The present name of a way's preset. The folders of runs keep the former one, so that they are found."""
        return aliases_of(self.recipe).get(way.preset, way.preset)

    note: str = ""


@dataclass(frozen=True)
class Step:
    """One run that is planned.

    Attributes:
        name: of the result.
        result: what the paper shows.
        way: the chosen way; None where none can run here within the time.
        lacking: for each better way that was passed over, why.
    """

    name: str
    result: Result
    way: Way | None
    lacking: tuple[str, ...]

    @property
    def folder(self) -> str:
        """The run's folder."""
        assert self.way is not None
        return f"{self.name}-{self.way.preset}" + ("-" + self.way.file if self.way.file else "")


def all_results() -> dict[str, Result]:
    """Name -> result, in the paper's order."""
    text = (resources.files("metasiren_report") / "reproduction" / "results.yaml").read_text("utf-8")
    return {name: Result.model_validate(entry) for name, entry in yaml.safe_load(text).items()}


def plan(names: Sequence[str], minutes: float, files: Mapping[str, Path], *, workers: int = 1) -> list[Step]:
    """Choose a way for each result: first the quickest of each, in order, as far as the time goes; then better ones.

    Args:
        names: of results; all where there are none.
        minutes: of all workers together, that is `workers` times as many are planned.
        files: data by name.
        workers: processes at a time.

    Raises:
        RunError: an unknown name of a result or of data.
    """
    known = all_results()
    for name in names:
        if name not in known:
            advice = f"{did_you_mean(name, known)}\nresults: {', '.join(known)}".strip()
            raise RunError("reproduce", f"no result is called {name!r}.", advice)
    wanted = {way.file for result in known.values() for way in result.ways if way.file}
    for name, path in files.items():
        if name not in wanted or not path.exists():
            found = "is no data of these results." if name not in wanted else f"there is no file {path}."
            raise RunError(f"reproduce --data {name}", found, f"data: {', '.join(sorted(wanted))}")
    chosen = {name: known[name] for name in (names or known)}
    able = {name: [(way, _lacks(way, files)) for way in result.ways] for name, result in chosen.items()}
    left, picked = minutes * workers, dict.fromkeys(chosen, -1)
    for name, ways in able.items():
        runnable = [i for i, (_, lacks) in enumerate(ways) if not lacks]
        quickest = min(runnable, key=lambda i: ways[i][0].minutes, default=-1)
        if quickest >= 0 and ways[quickest][0].minutes <= left:
            picked[name], left = quickest, left - ways[quickest][0].minutes
    for name, ways in able.items():
        for i, (way, lacks) in enumerate(ways):
            more = way.minutes - ways[picked[name]][0].minutes
            if not lacks and 0 <= i < picked[name] and more <= left:
                picked[name], left = i, left - more
                break
    steps = []
    for name, ways in able.items():
        number = picked[name]
        better = ways[:number] if number >= 0 else ways
        lacking = tuple(f"{chosen[name].preset(way)}: {lacks or f'takes {way.minutes:g} min'}" for way, lacks in better)
        steps.append(Step(name, chosen[name], ways[number][0] if number >= 0 else None, lacking))
    return steps


def _lacks(way: Way, files: Mapping[str, Path]) -> str:
    """What is missing for a way, or an empty text."""
    lacks = []
    if way.gpu and not torch.cuda.is_available():
        lacks.append("needs a GPU")
    if way.file and way.file not in files:
        lacks.append(f"needs --data {way.file}=PATH")
    if way.celeba:
        factory: Any = load_catalogue().factory("dataset", "celeba", "reproduce")
        lacks += ["needs prepared CelebA"] if factory.missing() else []
    return ", ".join(lacks)
