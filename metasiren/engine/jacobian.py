"""The memory of optimisers that linearise residuals, before anything is allocated."""

from __future__ import annotations

import torch

from metasiren.contracts import Batch
from metasiren.contracts.optimizer import BatchOptimizer
from metasiren.contracts.residual import Residual
from metasiren.engine.objective import Objective
from metasiren.nn.derivatives import Order, highest, jet_columns, order_for


def jacobian_bytes(solver: torch.optim.Optimizer, objective: Objective, batch: Batch, weights: int) -> int:
    """The dense Jacobian of the residuals by the weights in float64, and the matrix that is factored, twice.

    By the output layer's weights alone, where the optimiser solves for them. The rows of all points are then joined
    (twice), after the derivatives of the features at one point set, their pulls and a working copy (three times). The
    equations are kept for later steps (three times).
    """
    if not isinstance(solver, BatchOptimizer):
        return 0
    rows, siren = 0, objective.model.decoder.siren
    orders: dict[str, list[Order]] = {}
    for each in objective.constraints:
        c = each.constraint
        if isinstance(c, Residual) and c.norm == "l2":
            rows += batch.points[c.at].coords.shape[1] // (2 if c.pairs else 1) * siren.out_features
            orders.setdefault(c.at, []).append(c.order)
    if not solver.output_alone:
        return 8 * (rows * weights + 2 * min(rows, weights) ** 2)
    width, ones = siren.layers[-1].in_features + 1, (1.0,) * siren.in_features
    weights = siren.out_features * width
    columns = {at: jet_columns(order_for(siren, highest(each)), ones).count for at, each in orders.items()}
    largest = max((batch.points[at].coords.shape[1] * count for at, count in columns.items()), default=0)
    return 8 * (2 * rows * weights + 3 * largest * width + 3 * weights**2)
