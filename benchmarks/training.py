"""Training of a recipe in parts, as several benchmarks have it."""

from __future__ import annotations

from collections.abc import Callable

import torch

from metasiren import Recipe
from metasiren.assembly.experiment import assemble
from metasiren.engine.distributed import Ranks
from metasiren.engine.running import make_trainer
from metasiren.engine.trainer import Trainer
from metasiren.registry.catalogue import Catalogue


def trainer_of(recipe: Recipe, catalogue: Catalogue, device: torch.device) -> Trainer:
    """The trainer that `metasiren run` would have."""
    return make_trainer(assemble(recipe, catalogue), catalogue, device, Ranks())


def advance(trainer: Trainer, pause: Callable[[], bool]) -> None:
    """Train from where the trainer is until `pause` holds after a step, or to the end; nothing is written."""
    trainer.train(watch=lambda *_: None, save=lambda _: None, stop=lambda: "a pause" if pause() else None)
