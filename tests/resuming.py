"""A resumed run equals an uninterrupted one, tensor by tensor."""

from __future__ import annotations

from pathlib import Path

import torch

import metasiren as ms
from metasiren.engine import running
from metasiren.registry.catalogue import Catalogue


def check_resumed_equals_uninterrupted(recipe: ms.Recipe, folder: Path, catalogue: Catalogue | None = None) -> ms.Run:
    """Train a recipe twice in a folder, and resume one of the runs without its newest checkpoint.

    Returns:
        The uninterrupted run.
    """
    whole = ms.run(recipe, out=folder / "whole", device="cpu", catalogue=catalogue)
    parts = ms.run(recipe, out=folder / "parts", device="cpu", catalogue=catalogue)
    max((parts.path / "checkpoints").glob("*.safetensors")).unlink()
    assert 0 < parts.checkpoint().step < whole.checkpoint().step, "the resumed run has steps left"
    resumed = running.resume(parts.path, device="cpu", catalogue=catalogue)
    a, b = whole.checkpoint(), resumed.checkpoint()
    assert a.step == b.step == recipe.train.steps
    assert a.tensors.keys() == b.tensors.keys()
    for key, tensor in a.tensors.items():
        torch.testing.assert_close(b.tensors[key], tensor, rtol=0, atol=0, msg=lambda text, key=key: f"{key}: {text}")
    assert a.metadata["optimizer"] == b.metadata["optimizer"]
    return whole
