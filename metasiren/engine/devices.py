"""What training sets on a device, and reads from it."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from metasiren.contracts import Model
from metasiren.engine.distributed import local_rank
from metasiren.errors import RecipeError
from metasiren.nn import derivatives
from metasiren.recipe import Recipe

_NO_ALGORITHM = re.compile(r"(\S+) does not have a deterministic implementation")


@contextmanager
def precision(tf32: bool) -> Iterator[None]:
    """Allow or forbid TF32 for the time of a `with` block: in matrix products, and in cuDNN's convolutions too.

    TF32 keeps ten bits of each factor (relative error 5e-4). The evaluator computes first layers in full precision
    even where it is allowed. On a CPU nothing changes.
    """
    products, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = convolutions


@contextmanager
def deterministic(wanted: bool) -> Iterator[list[str]]:
    """Let torch choose algorithms that repeat their results, for the time of a `with` block.

    Sets torch's deterministic algorithms and cuDNN's, and cuBLAS's workspace variable. Operations that have no such
    algorithm run all the same, and their names are gathered in the list.
    """
    missing: list[str] = []
    if not wanted:
        yield missing
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS is first used
    cudnn = torch.backends.cudnn
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    chosen, shown = (cudnn.deterministic, cudnn.benchmark), warnings.showwarning

    def note(message: Warning | str, *rest: Any) -> None:
        if found := _NO_ALGORITHM.match(str(message)):
            if found[1] not in missing:
                missing.append(found[1])
        else:
            shown(message, *rest)

    torch.use_deterministic_algorithms(True, warn_only=True)
    cudnn.deterministic, cudnn.benchmark = True, False
    with warnings.catch_warnings():
        warnings.filterwarnings("always", _NO_ALGORITHM.pattern)
        warnings.showwarning = note  # type: ignore[assignment]
        try:
            yield missing
        finally:
            torch.use_deterministic_algorithms(before[0], warn_only=before[1])
            cudnn.deterministic, cudnn.benchmark = chosen


def demand_kernels(recipe: Recipe, model: Model, device: torch.device) -> None:
    """Refuse a recipe that asks for Triton's kernels where they cannot run.

    Raises:
        RecipeError: another activation than sine, no Triton, or no GPU.
    """
    if recipe.train.kernels == "triton":
        derivatives.demand_kernels(device, model.decoder.siren.activation, "train.kernels: triton")


def resumable(recipe: Recipe, device: torch.device) -> tuple[Recipe, str]:
    """A run's recipe, to go on with on a device; it may have begun on another.

    Returns:
        the recipe without a graph or kernels that cannot be used there, and a line that says so; else itself, "".
    """
    train, instead = recipe.train, dict[str, object]()
    if train.graph and device.type != "cuda":
        instead["graph"] = False
    if train.kernels == "triton" and not derivatives.kernels_run_on(device):
        instead["kernels"] = "plain"
    if not instead:
        return recipe, ""
    names = " and ".join(f"train.{name}" for name in instead)
    words = f"{names} cannot be used on this {device.type.upper()}: the run goes on without, with the same numbers"
    words += " up to rounding"
    return recipe.model_copy(update={"train": train.model_copy(update=instead)}), words


def reset_peak_memory(device: torch.device) -> None:
    """Measure the peak of a GPU's memory from here on; without it, earlier runs of the process would count."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> int | None:
    """The most bytes of a GPU's memory that tensors took since `reset_peak_memory`; None for other devices."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None


def pick_device(word: str, where: str = "--device") -> torch.device:
    """The device that a word means: `auto`, `cpu`, `cuda` or `cuda:1`.

    Under torchrun, `auto` and `cuda` are the GPU of this process's number on its machine.

    Args:
        word: the device.
        where: the option that errors name.

    Raises:
        RecipeError: no such device here.
    """
    if word == "auto":
        word = "cuda" if torch.cuda.is_available() else "cpu"
    if word == "cuda" and (place := local_rank()) is not None:
        word = f"cuda:{place}"
    try:
        device = torch.device(word)
    except RuntimeError:
        raise RecipeError(where, f"{word!r} is no device.", "Use auto, cpu, cuda or cuda:1.") from None
    if device.type not in ("cpu", "cuda"):
        raise RecipeError(where, f"{word!r} cannot be trained on.", "Use auto, cpu, cuda or cuda:1.")
    if device.type == "cuda" and not (torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()):
        raise RecipeError(where, f"{word!r} is not here; torch finds {torch.cuda.device_count()} GPUs.", "Use cpu.")
    return device


def pick_devices(words: str) -> tuple[str, ...]:
    """The devices of a queue of processes, one process for each word.

    Args:
        words: such as `cuda:0,cuda:1`, or `cpu,cpu` for two processes on the CPU. `all` stands for every GPU that torch
            finds, or for the CPU where it finds none; a device named twice runs two processes.

    Raises:
        RecipeError: no word, a device that is not here, or more processes on the CPU than it has cores.
    """
    where, listed = "--devices", [word.strip() for word in words.split(",") if word.strip()]
    if not listed:
        raise RecipeError(where, "no device.", "Give cuda:0,cuda:1, or cpu,cpu, or all.")
    if "all" in listed:
        if len(listed) > 1:
            raise RecipeError(where, f"{words!r} names all and others.", "Give all alone, or name the devices.")
        gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        return tuple(f"cuda:{number}" for number in range(gpus)) or ("cpu",)
    if sum(word == "cuda" or (word == "auto" and torch.cuda.is_available()) for word in listed) > 1:
        raise RecipeError(where, f"{words!r} does not say which GPU.", "Give cuda:0,cuda:1, or all.")
    found = tuple(str(pick_device(word, where)) for word in listed)
    if found.count("cpu") > cores():
        advice = f"Name cpu {cores()} times at most; more processes would only slow one another."
        raise RecipeError(where, f"{found.count('cpu')} processes on a CPU of {cores()} cores.", advice)
    return found


def cores() -> int:
    """Number of the processor's cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
