"""Evaluate a trained run, and write its tables: what `metasiren evaluate` does."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from metasiren.assembly.parts import check_evaluation, evaluated_split, make_dataset, make_metrics, make_protocol
from metasiren.contracts import FULL_EVALUATION, Dataset, EvaluationOptions, Metric, Model
from metasiren.engine.devices import pick_device
from metasiren.engine.progress import Progress, Silent
from metasiren.engine.scoring import score
from metasiren.errors import RecipeError, RunError, TrainingError
from metasiren.json_files import read_json, write_json
from metasiren.registry.catalogue import Catalogue, load_catalogue
from metasiren.results.comparison import write_metrics
from metasiren.results.table import read_table
from metasiren.results.table import write_table as rewrite_table
from metasiren.runs import directory
from metasiren.runs.directory import Run, open_run
from metasiren.runs.fingerprint import demand_same_data
from metasiren.runs.lock import locked

CHECKED_POINTS = 256
"""Points of each set at which a trained field is tested for infinities and NaN."""


def write_table(
    made: Run,
    protocol: Any,
    model: Model,
    dataset: Dataset,
    *,
    device: torch.device,
    options: EvaluationOptions = FULL_EVALUATION,
    progress: Progress | None = None,
    step: int | None = None,
    into: Path | None = None,
) -> pd.DataFrame:
    """Evaluate, and write the newest table into `results/`; an earlier one moves to `results/earlier-K/`.

    `into` is another folder, in place of `results/`. Where `step` is not the recipe's last, the model's name in the
    table says so.

    Raises:
        RecipeError: an option that the protocol does not use.
    """
    # Protocols written for the former interface take the options as keywords of their own.
    former = "options" not in inspect.signature(protocol.evaluate).parameters
    for name, value in vars(options).items():
        if value != getattr(FULL_EVALUATION, name) and not former and name not in protocol.takes:
            found = f"{value} was asked for, but this protocol evaluates a single signal and has no use for it."
            raise RecipeError(f"evaluate: --{name}", found, "Leave it out.")
    (progress or Silent()).say(f"evaluating {made.label} on {dataset.title}")
    results = _folder(made, into)
    if earlier := _keep_earlier(results):
        (progress or Silent()).say(f"the earlier table and its pictures are now in {earlier}")
    given = vars(options) if former else {"options": options}
    table: pd.DataFrame = protocol.evaluate(
        model.eval(), dataset, results, name=_name(made, step), device=device, **given
    )
    captions = dict(getattr(protocol, "captions", {}))
    if captions:
        write_json(results / "captions.json", captions)
    _state_repeatability(made, results)
    return table


def why_not_repeatable(made: Run) -> str:
    """Why another training of this recipe may give other numbers; empty where it gives the same on the same machine."""
    if made.environment["device"] == "cpu":
        return ""
    if not made.recipe.train.deterministic:
        return "trained on a GPU without --deterministic"
    path = made.results / "training.json"
    known = read_json(path, "Remove it; --resume writes it anew.") if path.is_file() else {}
    missing = known.get("without_deterministic_algorithm")
    return f"no deterministic algorithm for {', '.join(missing)}" if missing else ""


def _state_repeatability(made: Run, results: Path) -> None:
    """Add to the table's conditions that its numbers cannot be repeated to the bit, and why."""
    path, reason = results / "table.json", why_not_repeatable(made)
    if reason and path.is_file():
        rewrite_table(read_table(path).model_copy(update={"repeatable": f"not to the bit ({reason})"}), results)


def _name(made: Run, step: int | None) -> str:
    steps = made.environment["steps"]
    return made.label if step in (None, steps) else f"{made.label}, step {step} of {steps}"


def demand_finite_values(made: Run, model: Model, dataset: Dataset, *, device: torch.device) -> None:
    """Demand that the field of the first signal is finite: finite weights may still overflow where they are used.

    Raises:
        TrainingError: some of its values are infinite or NaN.
    """
    batch = dataset.batch(
        evaluated_split(dataset), torch.zeros(1, dtype=torch.long, device=device),
        context=made.recipe.train.context, generator=torch.Generator(device).manual_seed(0),
    )  # fmt: skip
    batch = batch.cast(next((p.dtype for p in model.parameters()), torch.float32))
    with torch.no_grad():
        field = model.eval()(batch.context)
        for name, points in batch.points.items():
            values = field(points.coords[:, :CHECKED_POINTS])
            if wrong := int((~torch.isfinite(values)).any(-1).sum()):
                found = f"the field is infinite or NaN at {wrong} of {values.shape[1]} points of {name!r}."
                raise TrainingError(str(made.path), found, "Lower train.optimizer.lr, or set train.clip; train anew.")


def write_scores(
    made: Run,
    metrics: Mapping[str, Metric],
    model: Model,
    dataset: Dataset,
    *,
    device: torch.device,
    limit: int | None = None,
    into: Path | None = None,
) -> pd.DataFrame:
    """Evaluate the recipe's metrics, write `results/metrics.json` (or into another folder), and return its one row.

    Numbers that a protocol wrote there stay, where they have other names.
    """
    context = made.recipe.train.context
    numbers = score(model.eval(), dataset, metrics, context=context, limit=limit, device=device)
    results = _folder(made, into)
    write_metrics(results, numbers)
    return pd.DataFrame(numbers, index=[made.label])


def _keep_earlier(results: Path) -> Path | None:
    """Move an earlier table and its pictures; returns their new folder, or None where there are none."""
    tables = [p for p in results.iterdir() if p.is_file() and p.name.startswith(("table.", "figure"))]
    if not (results / "table.json").is_file():
        return None
    number = 1
    while (folder := results / f"earlier-{number}").exists():
        number += 1
    folder.mkdir()
    for path in tables:
        path.replace(folder / path.name)
    return folder


def evaluate(
    path: str | Path,
    *,
    data: str | Path | None = None,
    protocol: str | None = None,
    limit: int | None = None,
    refine: int = 0,
    device: str = "auto",
    catalogue: Catalogue | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Evaluate a finished run again, perhaps by another protocol.

    Args:
        path: the run directory.
        data: a file or folder of a person's own signals, in place of those that the run was evaluated on. The tables
            go to `evaluated_on(run, data)`; those of the run stay.
        protocol: in place of the recipe's.
        limit: only the first so many items.
        refine: steps of test-time optimisation of each latent.
        device: `auto`, `cpu`, `cuda`, `cuda:1`.
        catalogue: the plugins; all that are installed by default.
        progress: receives messages and steps; None shows nothing.
    """
    made, place, catalogue = open_run(path), pick_device(device), catalogue or load_catalogue()
    made.check_plugins(catalogue, directory.MODEL if protocol else (*directory.MODEL, "evaluate"))
    chosen = make_protocol(made.recipe, catalogue, protocol)
    metrics = make_metrics(made.recipe, catalogue)
    if chosen is None and not metrics:
        advice = f"Name one with --protocol: {', '.join(catalogue.names('protocol'))}."
        raise RunError(str(path), "the recipe names neither protocol nor metrics.", advice)
    with locked(made.path):
        checkpoint = made.checkpoint()
        if made.environment["steps"]:
            (progress or Silent()).say(f"weights after step {checkpoint.step} of {made.environment['steps']}")
        model = made.model(device=place, catalogue=catalogue, checkpoint=checkpoint)
        dataset = make_dataset(made.recipe, catalogue)
        demand_same_data(str(made.path), made.environment, dataset, made.recipe.data)
        into = None if data is None else evaluated_on(made, data)
        if data is not None:
            dataset = dataset.tested_on(Path(data))
            (progress or Silent()).say(f"evaluating on {dataset.title}: {_taken(dataset)}")
        check_evaluation(dataset, chosen, metrics, made.recipe.train.context)
        dataset = dataset.to(place)
        demand_finite_values(made, model, dataset, device=place)
        numbers = pd.DataFrame()
        if metrics:
            numbers = write_scores(made, metrics, model, dataset, device=place, limit=limit, into=into)
        if chosen is not None:
            numbers = write_table(
                made, chosen, model, dataset, device=place, options=EvaluationOptions(limit, refine),
                progress=progress, step=checkpoint.step, into=into,
            )  # fmt: skip
        write_evaluated(into or made.results, made, checkpoint.step, checkpoint.passed_over)
        report = made.results / "report.html"
        if into is None and report.is_file():
            words = f"{report} shows the earlier results; metasiren report {made.path} -o FILE writes a page of these"
            (progress or Silent()).say(words)
    return numbers


def _folder(made: Run, into: Path | None) -> Path:
    """Where tables are written, made if need be; but a run that was deleted meanwhile is not begun anew."""
    results = into or made.results
    results.mkdir(parents=into is not None, exist_ok=True)
    return results


def _taken(dataset: Dataset) -> str:
    """How many signals are evaluated, and how they were cut."""
    count = dataset.splits.get("test", 0)
    counted = f"{count:,} {'signal' if count == 1 else 'signals'}"
    return "; ".join(filter(None, [counted, dataset.provenance.get("shape")]))


def evaluated_on(made: Run, data: str | Path) -> Path:
    """The folder of a run's tables about a person's own signals: `results/on-NAME`, after the file or folder."""
    return made.results / f"on-{Path(data).expanduser().resolve().stem}"


def write_evaluated(results: Path, made: Run, step: int, passed_over: tuple[str, ...] = ()) -> None:
    """Which weights the results in a folder are of."""
    record = {"step": step, "steps": made.environment["steps"], "passed_over": list(passed_over)}
    write_json(results / "evaluated.json", record)
