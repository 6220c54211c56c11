"""The training signals in two parts, one of which is held out, for measurements on unseen signals."""

from __future__ import annotations

import torch
from torch import Tensor

PARTS = 9
"""One of so many parts is kept apart."""
RUN = 64
"""Neighbours in the data set that stay together: they may show the same person, or the same scene."""


def kept_apart(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Indices below `count` of the signals that are used, and of those that are kept apart, in random order.

    Signals come in runs of up to 64 neighbours, of which every ninth is kept apart.
    """
    run = min(RUN, max(1, count // (2 * PARTS)))
    apart = torch.arange(count) // run % PARTS == PARTS - 1
    kept = apart.nonzero().squeeze(1)
    return (~apart).nonzero().squeeze(1), kept[torch.randperm(len(kept), generator=generator)]
