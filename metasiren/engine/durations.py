"""Durations as people type and read them."""

from __future__ import annotations

import re

from metasiren.errors import RecipeError


def seconds_of(text: str, where: str = "--max-time") -> float:
    """The seconds of a duration such as "90", "90s", "5m", "5 min" or "1h30m".

    Args:
        text: the duration.
        where: the option that errors name.

    Raises:
        RecipeError: anything else, or nothing positive.
    """
    number = r"(\d+(?:\.\d+)?)\s*"
    words = rf"\s*(?:{number}h\s*)?(?:{number}m(?:in)?\s*)?(?:{number}(?:s|sec)?\s*)?"
    match = re.fullmatch(words, text)
    total = sum(float(n or 0) * unit for n, unit in zip(match.groups(), (3600, 60, 1), strict=True)) if match else 0.0
    if total <= 0:
        advice = "Write 90s, 5m or 1h30m; a number alone is seconds."
        raise RecipeError(where, f"{text!r} is no duration above zero.", advice)
    return total


def duration(seconds: float) -> str:
    """A duration in words: 0.35 s, 5 min, 1 min 30 s, 2 h 5 min."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if not hours and not minutes:
        return f"{seconds:.2g} s"
    parts = [(hours, "h"), (minutes, "min")] if hours else [(minutes, "min"), (rest, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number)
