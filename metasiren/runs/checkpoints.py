"""Checkpoints: one safetensors file each, written atomically, read without executing code.

Each holds a SHA-256 of its own contents: a file that is cut short, or in which a bit changed, is not read.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from metasiren.errors import RunError, TrainingError
from metasiren.json_files import json_object
from metasiren.runs.lock import moved

_NAME = re.compile(r"step-(\d{8,})\.safetensors")
_ASIDE = ".partial"


@dataclass(frozen=True)
class Checkpoint:
    """The state of training after a step.

    Attributes:
        step: steps done.
        tensors: named by owner, such as `model.decoder...`, `ema...`, `optimizer.3.exp_avg`, `random.cpu`.
        metadata: plain data: optimiser groups, seconds trained, plugin versions.
        passed_over: the names and faults of newer files that could not be read.
    """

    step: int
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, Any]
    passed_over: tuple[str, ...] = ()

    def part(self, owner: str) -> dict[str, Tensor]:
        """The tensors of one owner, its prefix removed."""
        return {k[len(owner) + 1 :]: v for k, v in self.tensors.items() if k.startswith(f"{owner}.")}


def nonfinite(checkpoint: Checkpoint) -> list[str]:
    """The names of the tensors that hold an infinity or a NaN."""
    floats = ((name, value) for name, value in checkpoint.tensors.items() if value.is_floating_point())
    return [name for name, value in floats if not bool(torch.isfinite(value).all())]


def save(folder: Path, checkpoint: Checkpoint, *, keep: int = 2) -> Path:
    """Write a temporary file, fsync and rename it; then drop all but the newest `keep`.

    Raises:
        TrainingError: a tensor is not finite.
        RunError: the disk is full or not writable, or the directory of the run is gone. Earlier checkpoints stay.
    """
    if bad := nonfinite(checkpoint):
        more = f" and {len(bad) - 1} more tensors" if len(bad) > 1 else ""
        what = f"{bad[0]}{more} {'are' if more else 'is'} not finite; no checkpoint is written of such weights."
        raise TrainingError(f"step {checkpoint.step}", what, "Lower train.optimizer.lr, or set train.clip.")
    if not folder.parent.is_dir():
        raise moved(folder.parent)
    path = folder / f"step-{checkpoint.step:08d}.safetensors"
    # Tied or expanded tensors would be refused: each gets storage of its own.
    tensors = {k: v.detach().to("cpu").contiguous().clone() for k, v in checkpoint.tensors.items()}
    metadata = {"facts": json.dumps(dict(checkpoint.metadata)), "step": str(checkpoint.step)}
    metadata["sha256"] = _digest(tensors, metadata)
    aside = folder / _ASIDE
    try:
        aside.mkdir(parents=True, exist_ok=True)
        partial = aside / path.name
        save_file(tensors, partial, metadata=metadata)
        # safetensors makes files that only their owner can read; a checkpoint is as readable as its folder.
        partial.chmod(folder.stat().st_mode & 0o666)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
        _sync_folder(folder)
    except (OSError, SafetensorError) as error:
        clean(folder)
        left = found(folder)
        kept = f"The last good checkpoint is {left[-1].name}." if left else "There is no earlier checkpoint."
        size = sum(t.nbytes for t in tensors.values()) / 1e6
        advice = f"{kept}\nFree space (this needs {size:.3g} MB), then --resume."
        raise RunError(str(path), f"the checkpoint could not be written: {error}", advice) from error
    clean(folder)
    for old in found(folder)[:-keep]:
        old.unlink(missing_ok=True)
    return path


def clean(folder: Path) -> None:
    """Remove what a process that was killed in `save` left behind. Only the holder of the run's lock may call it."""
    shutil.rmtree(folder / _ASIDE, ignore_errors=True)


def _digest(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """SHA-256 of names, types, shapes and contents of the tensors, and of the metadata."""
    digest = hashlib.sha256(json.dumps([metadata["step"], metadata["facts"]]).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def found(folder: Path) -> list[Path]:
    """The checkpoints of a folder, oldest first."""
    named = [(int(match[1]), p) for p in folder.glob("step-*.safetensors") if (match := _NAME.fullmatch(p.name))]
    return [path for _, path in sorted(named)]


def load(path: Path) -> Checkpoint:
    """Read a checkpoint, and compare it with its checksum.

    Raises:
        RunError: the file is missing, cut short, changed or something else.
    """
    try:
        path.open("rb").close()  # safetensors reports a file that may not be read as one that is missing
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        step, own = int(metadata["step"]), json_object(metadata["facts"])
        # Files of metasiren before it kept checksums hold just these two.
        if set(metadata) != {"step", "facts"} and metadata["sha256"] != _digest(tensors, metadata):
            raise ValueError("its contents do not match its checksum")
        return Checkpoint(step, tensors, own)
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        reason = "it has no checksum" if isinstance(error, KeyError) else str(error)
        raise RunError(
            str(path), f"not a readable checkpoint: {reason}", "Use an earlier one, or train again."
        ) from None


def latest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that can be read; damaged ones are passed over, and named in `passed_over`."""
    problems: list[RunError] = []
    for path in reversed(found(folder)):
        try:
            return replace(load(path), passed_over=tuple(f"{Path(p.where).name}: {p.found}" for p in problems))
        except RunError as error:
            problems.append(error)
    if problems:
        raise problems[0]
    return None


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """An optimiser's state as named tensors and plain data.

    Files hold tensors row by row. A matrix product may round differently for another layout in memory, so the strides
    of tensors that are laid out otherwise (such as bases from a QR decomposition) are kept among the plain data.
    """
    state = optimizer.state_dict()
    tensors, plain = {}, {}
    for index, entries in state["state"].items():
        for name, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{name}"] = value
            elif isinstance(value, list) and any(isinstance(each, Tensor) for each in value):
                # Such as SOAP's preconditioners, one for each side of a matrix; empty where a side has none.
                plain[f"{index}.{name}"] = [None if isinstance(each, Tensor) else each for each in value]
                tensors |= {f"{index}.{name}.{k}": each for k, each in enumerate(value) if isinstance(each, Tensor)}
            else:
                plain[f"{index}.{name}"] = value
    strides = {name: list(tensor.stride()) for name, tensor in tensors.items() if not tensor.is_contiguous()}
    # A captured step reads its learning rate from a tensor; the schedule sets it anew in each step.
    groups = [
        {key: float(value) if isinstance(value, Tensor) else value for key, value in group.items()}
        for group in state["param_groups"]
    ]
    return tensors, {"groups": groups, "plain": plain, "strides": strides}


def demand_same_types(checkpoint: Checkpoint, state: Mapping[str, Tensor]) -> None:
    """Demand that the weights of a checkpoint have the types of a model's: reading them converts without a word.

    Raises:
        ValueError: a tensor of another type.
    """
    for name, stored in checkpoint.part("model").items():
        if name in state and state[name].dtype != stored.dtype:
            raise ValueError(f"{name} is of {state[name].dtype} in the first and of {stored.dtype} in the second")


def demand_state_for(steps: int, checkpoint: Checkpoint) -> None:
    """Demand that a training of so many steps can go on from a checkpoint.

    Raises:
        ValueError: the training was complete, and its optimiser then dropped what further steps need.
    """
    if checkpoint.metadata.get("dropped_state") and checkpoint.step < steps:
        raise ValueError(f"the training was complete, and its optimiser kept nothing for more steps, up to {steps}")


OF_THE_DEVICE = ("fused", "foreach", "capturable")
"""Settings of torch's optimisers that the device decides, not the run."""


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], settings: Mapping[str, Any]
) -> None:
    """The inverse of `optimizer_tensors`."""
    state: dict[int, dict[str, Any]] = {}
    for key, value in settings["plain"].items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = list(value) if isinstance(value, list) else value
    strides = settings.get("strides", {})
    for key, stored in tensors.items():
        # A fresh tensor, too, because a file's tensors lie at odd addresses, where products may round differently.
        value = torch.empty_strided(stored.shape, strides.get(key, stored.stride()), dtype=stored.dtype)
        value.copy_(stored)
        index, name, *place = key.split(".")
        if place:
            state[int(index)][name][int(place[0])] = value
        else:
            state.setdefault(int(index), {})[name] = value
    groups = [
        {k: tuple(v) if isinstance(now.get(k), tuple) else v for k, v in group.items()}
        | {k: now[k] for k in OF_THE_DEVICE if k in now}
        for group, now in zip(settings["groups"], optimizer.state_dict()["param_groups"], strict=True)
    ]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
