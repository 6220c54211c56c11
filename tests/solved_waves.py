"""Waves of small forms of presets that solve for an output layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from single_steps import problems

import metasiren as ms
from metasiren.assembly.experiment import assemble
from metasiren_basics.least_squares import LeastSquares
from metasiren_physics.protocols.wave import WaveProtocol


def worst_error(preset: str, changes: Mapping[str, Any], *, steps: int) -> float:
    """The worst relative L2 error over five times on 65 x 65 points, after some steps of the recipe `wave`, changed."""
    made = assemble(ms.load_recipe("wave", preset=preset, overrides=changes), ms.load_catalogue())
    made.model.double()
    solver = LeastSquares(made.model.parameters())
    for problem in problems(made, steps):
        solver.step_on(problem)
    worst = WaveProtocol(nodes=65).numbers(made.model, made.dataset)["worst_relative_l2"]
    assert worst is not None
    return worst
