"""Where data sets lie, and where prepared arrays go."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "METASIREN_DATA"


def data_home() -> Path:
    """The folder named by METASIREN_DATA, or else ~/.cache/metasiren. It need not exist."""
    named = os.environ.get(VARIABLE)
    return Path(named).expanduser() if named else Path.home() / ".cache" / "metasiren"


def roots(path: str | Path | None) -> list[Path]:
    """Where to look, in order: `path` alone where one is given, else METASIREN_DATA, then ~/.cache/metasiren."""
    if path is not None:
        return [Path(path).expanduser()]
    return list(dict.fromkeys([data_home(), Path.home() / ".cache" / "metasiren"]))
