"""One trained field in the formats of other programs."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    # Imported when first used: the command line lists its commands without torch.
    if name == "read_folder":
        from metasiren_fields.export.hub import read_folder

        return read_folder
    raise AttributeError(name)
