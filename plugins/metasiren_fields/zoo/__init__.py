"""Many signals fitted at once, and the file that holds their weights."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {"Fits": "fit", "fit_from": "fit", "fit_together": "fit", "Zoo": "file", "read_zoo": "file"}


def __getattr__(name: str) -> Any:
    # Imported when first used: the command line lists its commands without torch.
    if name in _HOMES:
        return getattr(import_module(f"metasiren_fields.zoo.{_HOMES[name]}"), name)
    raise AttributeError(name)
