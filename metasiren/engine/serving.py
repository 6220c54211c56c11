"""Which settings of training an optimiser and a device can serve; others are refused before the first step."""

from __future__ import annotations

import torch

from metasiren.contracts.optimizer import BatchOptimizer
from metasiren.engine.distributed import Ranks
from metasiren.errors import RecipeError
from metasiren.recipe.model import Train

GRADIENTS = "Use an optimiser of gradients such as adam"


def demand_served(
    train: Train, name: str, optimizer: torch.optim.Optimizer, device: torch.device, ranks: Ranks
) -> None:
    """Refuse settings that cannot be carried out.

    Args:
        train: the recipe's settings.
        name: of the optimiser.
        optimizer: of the stage that begins.
        device: where it trains.
        ranks: the processes that train together.

    Raises:
        RecipeError: naming the setting and what would work.
    """
    if isinstance(optimizer, BatchOptimizer):
        _demand_gradients(train, name, ranks)
    if train.graph:
        _demand_capturable(train, name, optimizer, device, ranks)


def _demand_gradients(train: Train, name: str, ranks: Ranks) -> None:
    """An optimiser that receives the whole problem of a step cannot take it in parts."""
    if train.accumulate > 1 or ranks.count > 1:
        where = "torchrun" if ranks.count > 1 else "train.accumulate"
        found = f"{name} needs the whole batch of a step in one process."
        raise RecipeError(where, found, f"{GRADIENTS}, or one process without accumulate.")
    if train.clip is not None:
        found = f"{name} chooses its steps itself; there is no gradient to clip."
        raise RecipeError("train.clip", found, "Leave clip out.")
    if train.on_nonfinite == "skip":
        found = f"{name} has changed the weights by the time its losses are known."
        raise RecipeError("train.on_nonfinite: skip", found, "Use rollback or stop.")


def _demand_capturable(
    train: Train, name: str, optimizer: torch.optim.Optimizer, device: torch.device, ranks: Ranks
) -> None:
    """A CUDA graph holds a whole step: nothing in it may read from the device, or change between steps on the host."""
    where, without = "train.graph", "leave graph out"
    if device.type != "cuda":
        found = f"steps are captured as CUDA graphs, and this run is on the {device.type.upper()}."
        raise RecipeError(where, found, "Choose a GPU by --device cuda, or leave it out: --set train.graph=false")
    if ranks.count > 1:
        raise RecipeError(where, "the processes of torchrun are not captured.", f"Use one process, or {without}.")
    if isinstance(optimizer, BatchOptimizer):
        found = f"{name} reads losses or residuals within its steps to choose the next one."
        raise RecipeError(where, found, f"{GRADIENTS}, or {without}.")
    if not all(group.get("capturable") for group in optimizer.param_groups):
        found = f"{name} counts its steps or reads its learning rate on the host."
        raise RecipeError(where, found, f"Use adam, adamw, muon or sgd, or {without}.")
    if train.on_nonfinite != "stop":
        found = f"on_nonfinite: {train.on_nonfinite} reads the loss of each step before the weights change."
        raise RecipeError(where, found, f"Use on_nonfinite: stop, or {without}.")
    if train.compile:
        raise RecipeError(where, "compile: true is not captured.", "Leave compile or graph out.")
