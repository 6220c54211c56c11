"""Curricula: numbers that move from one value to another while training goes on, then stay."""

from __future__ import annotations

from metasiren import RecipeError


def share(progress: float, begin: float, end: float) -> float:
    """The share of the curriculum that is done after a share of the training: 0 until `begin`, 1 from `end` on."""
    if progress >= end:
        return 1.0
    return (progress - begin) / (end - begin) if progress > begin else 0.0


def geometric(progress: float, begin: float, end: float, first: float | None, last: float) -> float:
    """From `first` to `last` in equal ratios; `last` throughout where there is no `first`."""
    if first is None:
        return last
    done = share(progress, begin, end)
    return last if done == 1 else first ** (1 - done) * last**done


def vanishing(progress: float, begin: float, end: float, first: float) -> float:
    """From `first` to exactly zero in equal steps."""
    return first * (1 - share(progress, begin, end))


def check_curriculum(where: str, begin: float, end: float) -> None:
    """Check two shares of the training.

    Raises:
        RecipeError: not 0 <= begin <= end <= 1.
    """
    if not 0 <= begin <= end <= 1:
        found = f"from {begin} until {end}."
        raise RecipeError(where, found, "Give shares of the training, 0 <= from <= until <= 1.")
