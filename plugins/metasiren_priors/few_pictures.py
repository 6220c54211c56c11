"""A warning at the start of a training: few pictures make no prior."""

from __future__ import annotations

import warnings

from metasiren import Run, RunWarning

FEW = 100
"""Fewer pictures to train on are warned of."""
OWN = ("faces", "folder", "npz")
"""Data sets that read a person's pictures."""


class FewPicturesWarning(RunWarning):
    """A prior is trained on few pictures."""


def warn_of_few_pictures(run: Run) -> None:
    """Warn where a run is about to train on few of a person's pictures."""
    data, count = run.recipe.data, run.environment["dataset"]["splits"].get("train", 0)
    if data.name in OWN and data.options.get("path") is not None and count < FEW:
        words = f"{data.options['path']}: only {count:,} pictures to train on. A prior of so few can repeat them, "
        warnings.warn(FewPicturesWarning(words + "but not complete others: give more."), stacklevel=2)
