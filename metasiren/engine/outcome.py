"""How training reports: logged steps to a watcher, and its end as an outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from metasiren.engine.objective import Objective as Objective
from metasiren.engine.schedule import Items as Items
from metasiren.engine.schedule import learning_rate as learning_rate


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
