"""How training reports: logged steps to a watcher, and its end as an outcome."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

import torch

from metasiren.contracts.optimizer import Losses


class Watcher(Protocol):
    """A callback for logged steps."""

    def __call__(self, step: int, losses: dict[str, float], seconds: float, images_per_second: float) -> None:
        """A logged step: losses by name, seconds trained so far, items per second since the last."""


@dataclass
class Outcome:
    """How training ended: `steps` done, why it stopped early if it did, and the seconds it took in all."""

    step: int
    seconds: float
    stopped: str | None = None


class Stopwatch:
    """Measures training: the seconds so far, and the items per second since it was last read."""

    def __init__(self, seconds: float = 0.0) -> None:
        """Start, after `seconds` of earlier training."""
        self._mark, self._items = time.perf_counter(), 0
        self._began = self._mark - seconds

    def count(self, items: int) -> None:
        """Add the items of a step."""
        self._items += items

    def seconds(self) -> float:
        """Seconds trained so far."""
        return time.perf_counter() - self._began

    def read(self) -> tuple[float, float]:
        """Seconds trained so far, and items per second since the last reading."""
        now = time.perf_counter()
        rate = self._items / max(now - self._mark, 1e-9)
        self._mark, self._items = now, 0
        return now - self._began, rate


def read_losses(losses: Losses) -> dict[str, float]:
    """The losses as numbers, copied from the device at once."""
    return dict(zip(losses, torch.stack([v.detach().double() for v in losses.values()]).tolist(), strict=True))
