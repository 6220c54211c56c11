"""Checkpoints: one safetensors file each, written atomically, read without executing code."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from metasiren.errors import RunError

_NAME = re.compile(r"step-(\d{8})\.safetensors")


@dataclass(frozen=True)
class Checkpoint:
    """A moment of training.

    Attributes:
        step: steps done.
        tensors: named by owner, such as `model.decoder...`, `ema...`, `optimizer.3.exp_avg`, `random.cpu`.
        metadata: plain data: optimiser groups, seconds trained, plugin versions.
    """

    step: int
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, Any]

    def part(self, owner: str) -> dict[str, Tensor]:
        """The tensors of one owner, its prefix removed."""
        return {k[len(owner) + 1 :]: v for k, v in self.tensors.items() if k.startswith(f"{owner}.")}


def save(folder: Path, checkpoint: Checkpoint, *, keep: int = 2) -> Path:
    """Write, fsync, rename; then drop all but the newest `keep`.

    Raises:
        RunError: the disk is full or not writable. Earlier checkpoints stay as they were.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{checkpoint.step:08d}.safetensors"
    partial = path.with_suffix(".partial")
    # Tied or expanded tensors would be refused: each gets storage of its own.
    tensors = {k: v.detach().to("cpu").contiguous().clone() for k, v in checkpoint.tensors.items()}
    metadata = {"facts": json.dumps(dict(checkpoint.metadata)), "step": str(checkpoint.step)}
    try:
        save_file(tensors, partial, metadata=metadata)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
        _sync_folder(folder)
    except (OSError, SafetensorError) as error:
        partial.unlink(missing_ok=True)
        left = found(folder)
        kept = f"The last good checkpoint is {left[-1].name}." if left else "There is no earlier checkpoint."
        advice = (
            f"{kept}\nFree space (this needs {sum(t.nbytes for t in tensors.values()) / 1e6:.0f} MB), then --resume."
        )
        raise RunError(str(path), f"the checkpoint could not be written: {error}", advice) from error
    for old in found(folder)[:-keep]:
        old.unlink(missing_ok=True)
    return path


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def found(folder: Path) -> list[Path]:
    """The complete checkpoints of a folder, oldest first."""
    return sorted(p for p in folder.glob("step-*.safetensors") if _NAME.fullmatch(p.name))


def load(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        RunError: the file is missing, cut short or something else.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        return Checkpoint(int(metadata["step"]), tensors, json.loads(metadata["facts"]))
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise RunError(
            str(path), f"not a readable checkpoint: {error}", "Use an earlier one, or train again."
        ) from None


def latest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that can be read; a damaged one is passed over for the one before it."""
    problem = None
    for path in reversed(found(folder)):
        try:
            return load(path)
        except RunError as error:
            problem = problem or error
    if problem:
        raise problem
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
    return tensors, {"groups": state["param_groups"], "plain": plain, "strides": strides}


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
        for group, now in zip(settings["groups"], optimizer.state_dict()["param_groups"], strict=True)
    ]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
