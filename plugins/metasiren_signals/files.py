"""Checks of sound and video files, and of numbers that must be positive."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from metasiren import RecipeError, why_no_file


def missing_file(path: Path | str | None, *, what: str, advice: str, module: str, title: str) -> str | None:
    """Why a file cannot be read here, for `Dataset.missing`; None where it can.

    Args:
        path: of the file; None where none is named.
        what: kind of file, for the message where none is named, such as `a sound file`.
        advice: what to give instead, for the message where the file does not exist.
        module: that reads it, of the extra `signals`.
        title: of the module's package.
    """
    if path is None:
        return f"{what} is not there.\n{advice}"
    if reason := why_no_file(path, advice):
        return reason
    if find_spec(module) is None:
        return f"{title} is not installed: python -m pip install 'metasiren[signals]'"
    return None


def demand_positive(**options: float | None) -> None:
    """Check options of a renderer: above 0, or None.

    Raises:
        RecipeError: a number that is not above 0.
    """
    for option, number in options.items():
        if number is not None and not number > 0:
            raise RecipeError(f"render: {option}", f"{number} is not positive.", "Leave it out for the own one.")
