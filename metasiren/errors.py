"""Errors that say where, what was found, and what would work."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path
from typing import Any

LONGEST = 1200
"""Characters of a message's line; of more, the middle is left out."""


class MetasirenError(Exception):
    """Base of every error that a person can act on.

    Args:
        where: the file, recipe key or object in question.
        found: what was there.
        advice: what would work (may span lines).
    """

    def __init__(self, where: str, found: str, advice: str = "") -> None:
        self.where, self.found, self.advice = where, found, advice
        lines = [f"{shortened(where)}: {shortened(found)}", *(f"  {shortened(line)}" for line in advice.splitlines())]
        super().__init__("\n".join(lines))


def shortened(text: str) -> str:
    """A long text without its middle: an untrusted file may put any text into a message."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 4 :]}"


class RecipeError(MetasirenError):
    """A recipe that cannot be read, or whose keys, types or names are wrong.

    Attributes:
        tree: the recipe as plain data, where its keys could be read but not all of them are right.
    """

    tree: Mapping[str, Any] | None = None


class DataError(MetasirenError):
    """Data that is missing, incomplete, corrupt or of an unusable kind."""


class PluginError(MetasirenError):
    """A plugin that is missing, broken, ambiguous or made for another interface."""


class TrainingError(MetasirenError):
    """Training that cannot go on, such as a loss that is not finite."""


class RunError(MetasirenError):
    """A run directory or checkpoint that is missing, damaged or unusable."""


class InterruptedRunError(RunError):
    """A person or the system asked training to stop; a checkpoint was written."""


class RunWarning(UserWarning):
    """A warning about a run, or about a file given to it. The command line prints the message only."""


def all_of(errors: Sequence[RecipeError]) -> RecipeError:
    """Several errors in one message, the first at its head."""
    first, *others = errors
    return RecipeError(first.where, first.found, "\n".join(filter(None, [first.advice, *map(str, others)])))


LEAST_BEGUN, MOST_MEANT = 4, 3
"""Letters of a word that may be the beginning of another, and words named in one question."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence naming the closest known word, or those equally close, whatever their case; or an empty string.

    Words that begin as `word`, such as `first_omega` for `first`, come before others.
    """
    names = list(dict.fromkeys(known))
    begun = [name for name in names if len(word) >= LEAST_BEGUN and name.lower().startswith(word.lower())]
    names = begun or names
    nearest = get_close_matches(word.lower(), [name.lower() for name in names], n=1, cutoff=0.5)
    if not nearest:
        return ""
    close = [name for name in names if _likeness(name, word) >= _likeness(nearest[0], word)]
    return f"Did you mean {' or '.join(repr(str(name)) for name in close[:MOST_MEANT])}?"


def _likeness(name: str, word: str) -> float:
    return SequenceMatcher(None, name.lower(), word.lower()).ratio()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory, of the machine or of a GPU, is used up. Imports no torch."""
    if isinstance(error, MemoryError):
        return True
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and ("can't allocate memory" in text or "not enough memory" in text)


def demand_new(*paths: Path, where: str, overwrite: bool = False) -> None:
    """Refuse to write files that exist, unless `overwrite` is set.

    Args:
        paths: the files that will be written.
        where: the command, as its error names it.
        overwrite: replace files that exist; a folder is never replaced.

    Raises:
        RunError: a file exists already, or a path is a folder.
    """
    for path in paths:
        if path.is_dir():
            raise RunError(where, f"{path} is a folder.", "Name a file.")
        if path.exists() and not overwrite:
            raise RunError(where, f"{path} exists already.", "Name another file, or replace it with --overwrite.")
