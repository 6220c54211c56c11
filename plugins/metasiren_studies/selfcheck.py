"""A check of this machine's results: `metasiren selfcheck`. One report, as a file that can be sent.

The first steps of each shipped recipe (its preset `quick`, few items) are taken twice from the same weights and
batches: on a GPU beside the CPU, or on the CPU in float32 beside float64. Then a step is timed, and on a GPU captured.

A recipe that is computed and not trained is compared by its loss alone; so is, on a CPU, one that trains in float64.
What an encoder draws for itself in a step differs between devices: its loss is that of the batch's own contexts.
"""

from __future__ import annotations

import copy
import math
import platform
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import metadata
from statistics import median
from types import MethodType
from typing import Any

import torch

from metasiren import Batch, Encoder, MetasirenError, Recipe, RecipeError
from metasiren.assembly.experiment import Experiment, assemble
from metasiren.engine.captured import WARM_UP
from metasiren.engine.compilation import compiled
from metasiren.engine.devices import demand_kernels, peak_memory, precision, reset_peak_memory
from metasiren.engine.distributed import Ranks
from metasiren.engine.running import make_trainer
from metasiren.engine.trainer import Trainer
from metasiren.recipe import load_recipe, presets_of, shipped_recipes
from metasiren.registry.catalogue import Catalogue

STEPS, TIMED = 3, 5
ITEMS = 16
"""Most items of a batch."""
SLOW = 3.0
"""Seconds after which no further step of a recipe is taken."""
LOOSE, TIGHT = 1e-3, 1e-8
"""Relative difference of a first loss that counts as agreement: with float32 on either side, and in float64."""
FACES = {"data.train": 256, "data.val": 8, "data.test": 8}
"""How many faces are drawn where a recipe draws them: enough for a step."""


def selfcheck(
    device: torch.device,
    catalogue: Catalogue,
    *,
    names: Sequence[str] | None = None,
    seconds: float = 270.0,
    say: Callable[[str], object] = lambda message: None,
) -> dict[str, Any]:
    """Compare and time the recipes on a device.

    Args:
        device: `cpu` or a GPU.
        catalogue: the plugins.
        names: shipped recipes; all of them by default.
        seconds: no recipe is begun after so many seconds; those are listed as not reached.
        say: receives a line for each recipe.

    Returns:
        plain data: the machine, versions and settings; for each recipe its losses, their relative differences, the
        time of a step and, on a GPU, the peak of memory; and the number of those that agree, differ or failed.
    """
    began, rows = time.monotonic(), []
    for name in names if names is not None else [path.stem for path in shipped_recipes()]:
        if time.monotonic() - began > seconds:
            rows.append({"recipe": name, "state": "not reached"})
            continue
        try:
            rows.append(_row(name, device, catalogue))
        except (MetasirenError, RuntimeError, ValueError) as error:
            rows.append({"recipe": name, "state": "failed", "error": f"{type(error).__name__}: {error}"})
        say(line_of(rows[-1]))
    states = [row["state"] for row in rows]
    return {
        **_machine(device),
        "recipes": rows,
        "counts": {state: states.count(state) for state in sorted(set(states))},
        "compile": _compile_times(device, catalogue) if device.type == "cuda" else None,
        "kernels": _kernel_times(device, catalogue) if device.type == "cuda" else None,
        "seconds": round(time.monotonic() - began, 1),
    }


def line_of(row: dict[str, Any]) -> str:
    """One recipe's row in words."""
    words = [row["state"]]
    if "differences" in row:
        words.append(f"first losses differ by {row['differences'][0]:.1e}")
    if "step_seconds" in row:
        words.append(f"{1e3 * row['step_seconds']:.3g} ms a step")
    if "graph" in row:
        graph = row["graph"]
        words.append(f"{1e3 * graph['step_seconds']:.3g} ms captured" if "step_seconds" in graph else "not captured")
    return f"{row['recipe']}: {', '.join(words)}{': ' + row['error'] if 'error' in row else ''}"


def _row(name: str, device: torch.device, catalogue: Catalogue) -> dict[str, Any]:
    recipe = _recipe(name)
    experiment = assemble(recipe, catalogue)
    experiment.model.encoder.fit(experiment.dataset)
    generator = torch.Generator().manual_seed(recipe.train.seed)
    items = torch.arange(min(recipe.train.batch, ITEMS, experiment.dataset.splits["train"]))
    batches = [
        experiment.dataset.batch("train", items, context=recipe.train.context, generator=generator)
        for _ in range(STEPS)
    ]
    own, cpu = recipe.train.dtype, device.type == "cpu"
    found, exact = ("float32", "float64") if cpu else (own, own)
    here = _trainer(experiment, catalogue, torch.device("cpu"), exact)
    there = _trainer(experiment, catalogue, device, found)
    row: dict[str, Any] = {"recipe": name, "preset": recipe.preset, "dtypes": [found, exact]}
    row["own_draws"] = draws = _draws(here, batches[0])
    trained, alone = recipe.train.steps != 0, recipe.train.steps == 0 or (cpu and own == "float64") or draws
    if draws:
        for trainer in (here, there):
            _encode_contexts(trainer)
    reset_peak_memory(device)
    times: list[float] = []
    with precision(tf32=False):
        if alone:
            ours, theirs = _first_loss(there, batches[0]), _first_loss(here, batches[0])
            there = _trainer(experiment, catalogue, device, own)
        else:
            theirs, _ = _steps(here, batches, timed=0)
        if trained:
            taken, times = _steps(there, batches)
            ours = ours if alone else taken
            row["step_seconds"], row["first_step_seconds"] = median(times[1:] or times), times[0]
        row["peak_memory_bytes"] = peak_memory(device)
        if trained and not cpu:
            row["graph"] = _captured(experiment, catalogue, device)
    gaps = [abs(a - b) / max(abs(b), 1e-30) for a, b in zip(ours, theirs, strict=False)]
    tolerance = LOOSE if "float32" in (found, exact) else TIGHT
    agrees = gaps[0] <= tolerance and row.get("graph", {}).get("difference", 0.0) <= LOOSE
    row |= {"losses": ours, "reference": theirs, "differences": gaps, "tolerance": tolerance}
    return row | {"state": "agrees" if agrees else "differs"}


def _draws(trainer: Trainer, batch: Batch) -> bool:
    """Whether the encoder draws random numbers of its own in a step."""
    model, dtype = trainer.experiment.model, getattr(torch, trainer.experiment.recipe.train.dtype)
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    if type(model.encoder).training_pair is not Encoder.training_pair:
        model.encoder.training_pair(batch.cast(dtype), model.decoder, generator)
    return not torch.equal(before, generator.get_state())


def _encode_contexts(trainer: Trainer) -> None:
    """Let the encoder of a trainer's model encode the batch's contexts, in place of what it draws."""
    encoder = trainer.experiment.model.encoder
    encoder.training_pair = MethodType(Encoder.training_pair, encoder)  # type: ignore[method-assign]


def _recipe(name: str) -> Recipe:
    preset = "quick" if "quick" in presets_of(name) else None
    recipe = load_recipe(name, preset=preset)
    return load_recipe(name, preset=preset, overrides=FACES) if recipe.data.name == "sketch_faces" else recipe


def _trainer(
    experiment: Experiment, catalogue: Catalogue, device: torch.device, dtype: str, *, graph: bool = False
) -> Trainer:
    """A trainer of a copy of the model, in its own dtype; the data stays where it is."""
    recipe = experiment.recipe
    train = recipe.train.model_copy(update={"dtype": dtype, "graph": graph})
    model = copy.deepcopy(experiment.model).to(getattr(torch, dtype))
    own = replace(experiment, recipe=recipe.model_copy(update={"train": train}), model=model)
    trainer = make_trainer(replace(own, dataset=copy.copy(experiment.dataset)), catalogue, device, Ranks())
    model.train()
    return trainer


def _cast(trainer: Trainer, batch: Batch) -> Batch:
    """A batch on the trainer's device, in its dtype."""
    return batch.to(trainer.device).cast(getattr(torch, trainer.experiment.recipe.train.dtype))


def _first_loss(trainer: Trainer, batch: Batch) -> list[float]:
    """The loss of a batch, as a list of one; no step is taken."""
    return [float(trainer.objective(_cast(trainer, batch), trainer.generator)["loss"].detach())]


def _steps(trainer: Trainer, batches: Sequence[Batch], timed: int = TIMED) -> tuple[list[float], list[float]]:
    """The losses of a step on each batch, and the seconds of the first step and of so many more.

    Where steps are slow there are fewer of both: at least one.
    """
    cast, losses, times = [_cast(trainer, batch) for batch in batches], list[float](), list[float]()
    for number in range(len(cast) + timed):
        began = time.perf_counter()
        loss = trainer._update(cast[number % len(cast)], check=False)["loss"].detach()
        if trainer.device.type == "cuda":
            torch.cuda.synchronize(trainer.device)
        times.append(time.perf_counter() - began)
        if number < len(cast):
            losses.append(float(loss))
        if sum(times) > SLOW:
            break
    return losses, [times[0], *times[len(cast) :]]


def _captured(experiment: Experiment, catalogue: Catalogue, device: torch.device) -> dict[str, Any]:
    """A step as a CUDA graph beside the same steps launched one by one: the largest difference of a loss, and times."""
    recipe, losses, times = experiment.recipe, list[list[float]](), list[list[float]]()
    items = torch.arange(min(recipe.train.batch, experiment.dataset.splits["train"]), device=device)
    try:
        for graph in (True, False):
            trainer = _trainer(experiment, catalogue, device, recipe.train.dtype, graph=graph)
            captured = trainer._captured()
            losses.append([])
            times.append([])
            for _ in range(WARM_UP + 1 + TIMED):
                began = time.perf_counter()
                trainer._set_rates()
                found = captured(items)[1] if captured else trainer._update(trainer._draw(items), check=False)
                torch.cuda.synchronize(device)
                times[-1].append(time.perf_counter() - began)
                losses[-1].append(float(found["loss"].detach()))
                trainer.step += 1
    except RecipeError as error:
        return {"captured": False, "reason": error.found}
    except RuntimeError as error:  # of the driver: it is what the report is for
        return {"captured": False, "reason": f"{type(error).__name__}: {error}"}
    ours, plain = losses
    gaps = [abs(a - b) / max(abs(a), 1e-30) for a, b in zip(plain, ours, strict=True)]
    gap = max(gaps) if all(map(math.isfinite, gaps)) else math.inf  # max() alone passes over NaN
    seconds = [median(each[WARM_UP + 1 :]) for each in times]
    return {"captured": True, "difference": gap, "plain_step_seconds": seconds[1], "step_seconds": seconds[0]}


def _compile_times(device: torch.device, catalogue: Catalogue) -> dict[str, Any]:
    """Seconds of the first and of a later loss of `image`, compiled; or why it is not compiled here."""
    experiment = assemble(_recipe("image"), catalogue)
    trainer = _trainer(experiment, catalogue, device, "float32")
    batch = experiment.dataset.batch("train", torch.arange(1))
    trainer.objective._losses = compiled(trainer.objective.losses)
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        _, times = _steps(trainer, [batch])
    if reasons := [str(w.message) for w in noted if str(w.message).startswith("compile:")]:
        return {"available": False, "reason": reasons[0]}
    return {"available": True, "first_step_seconds": times[0], "step_seconds": median(times[1:] or times)}


def _kernel_times(device: torch.device, catalogue: Catalogue) -> list[dict[str, Any]]:
    """Losses and seconds of a step by plain operations and by Triton's kernels: forward jets, and the reverse route."""
    rows = []
    for name in ("poisson_laplacian", "poisson_gradient"):
        experiment = assemble(_recipe(name), catalogue)
        batch = experiment.dataset.batch("train", torch.arange(1))
        row: dict[str, Any] = {"recipe": name}
        try:
            for kernels in ("triton", "plain"):  # in this order nothing is trained where there are no kernels
                train = experiment.recipe.train.model_copy(update={"kernels": kernels})
                changed = replace(experiment, recipe=experiment.recipe.model_copy(update={"train": train}))
                demand_kernels(changed.recipe, changed.model, device)
                reset_peak_memory(device)
                with precision(tf32=False):
                    trainer = _trainer(changed, catalogue, device, train.dtype)
                    row[f"{kernels}_losses"], times = _steps(trainer, [batch.to(device)] * STEPS, TIMED)
                row[f"{kernels}_step_seconds"] = median(times[1:] or times)
                row[f"{kernels}_peak_memory_bytes"] = peak_memory(device)
        except Exception as error:  # of a compiler, or of a driver: it is what the report is for
            row["reason"] = f"{type(error).__name__}: {error}"
        rows.append(row)
    return rows


def _machine(device: torch.device) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "versions": {name: metadata.version(name) for name in ("metasiren", "torch", "numpy")},
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": platform.machine(),
        "threads": torch.get_num_threads(),
        "device": str(device),
        "tf32": {
            "matmul_precision": torch.get_float32_matmul_precision(),
            "cudnn": torch.backends.cudnn.allow_tf32,
            "here": False,
        },
    }
    if device.type == "cuda":
        properties["gpu"] = {
            "name": torch.cuda.get_device_name(device),
            "capability": list(torch.cuda.get_device_capability(device)),
            "memory_bytes": torch.cuda.mem_get_info(device)[1],
            "cuda": torch.version.cuda,
        }
    return properties
