"""Steps of an assembled recipe, for an optimiser that computes each from its whole problem."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch

from metasiren.assembly.experiment import Experiment
from metasiren.contracts.optimizer import Problem
from metasiren.engine.objective import Objective


def problems(made: Experiment, steps: int, device: str = "cpu") -> Iterator[Problem]:
    """The problem of each step: the first signal's batch in double precision, drawn from seed 0 on the device."""
    items, random = torch.arange(1, device=device), torch.Generator(device).manual_seed(0)
    objective = Objective(made.model, made.constraints)
    for _ in range(steps):
        batch = made.dataset.batch("train", items, generator=random).cast(torch.float64)
        yield Problem(made.model, made.constraints, batch, random, partial(objective, batch, random))


def flat_weights(made: Experiment) -> torch.Tensor:
    """All weights of the model as one vector, on the CPU."""
    return torch.cat([p.detach().flatten() for p in made.model.parameters()]).cpu()
