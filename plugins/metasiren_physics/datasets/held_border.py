"""A fixed border of a wave, met exactly by the form of the field."""

from __future__ import annotations

import torch
from torch import Tensor

from metasiren import ExactConditions, RecipeError
from metasiren_physics.problems import Border

WHERE = "data: wave: exact"


class HeldBorder(ExactConditions):
    """Fields u(t, x, y) = (1 - x²) (1 - y²) N(t, x, y), which vanish on the border whatever the network N.

    (Lagaris, Likas and Fotiadis 1998.)

    Args:
        border: of the problem, which is `dirichlet`.

    Raises:
        RecipeError: another border.
    """

    def __init__(self, border: Border) -> None:
        if border != "dirichlet":
            advice = "Set data.border=dirichlet, or leave exact out; a free border takes the constraint neumann."
            raise RecipeError(WHERE, f"[border], and the border is {border}.", advice)

    def lift(self, x: Tensor) -> Tensor:
        """See `ExactConditions.lift`."""
        return torch.zeros_like(x[..., :1])

    def factor(self, x: Tensor) -> Tensor:
        """See `ExactConditions.factor`."""
        return (1 - x[..., 1:2].square()) * (1 - x[..., 2:].square())
