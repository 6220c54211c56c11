"""Residuals linearised in all the weights of a SIREN, with the Jacobian in memory.

Each point is given its own copy of the weights (the evaluator's instances), so that one backward pass through the
jets finds the rows of all points. It works for any architecture, and tests compare it with the method without a
Jacobian (`metasiren_basics.linearised`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from metasiren import Params, Siren
from metasiren_basics.linearised import Direction, ResidualBlock, symmetric


class DenseJacobian:
    """Residuals r and their Jacobian J; rows run over point sets, then components, then points.

    Args:
        siren: the architecture, whatever its input layer.
        params: (1, ...) weights.
        blocks: the residuals of each point set.

    Attributes:
        residual: r, (rows,).
        matrix: J, (rows, parameters), parameters in the order of `siren.shapes`.
    """

    def __init__(self, siren: Siren, params: Params, blocks: Sequence[ResidualBlock]) -> None:
        self.siren = siren
        found = [self._rows(params, block) for block in blocks]
        self.residual = torch.cat([r for r, _ in found])
        self.matrix = torch.cat([rows for _, rows in found])

    def _rows(self, params: Params, block: ResidualBlock) -> tuple[Tensor, Tensor]:
        points = len(block.coords)
        names = list(self.siren.shapes)
        with torch.enable_grad():
            copies = {
                n: params[n].detach().expand(points, *self.siren.shapes[n]).clone().requires_grad_() for n in names
            }
            jet = self.siren.jet(copies, block.coords.unsqueeze(1), block.order)
            together = replace(jet, **{k: v.transpose(0, 1) for k, v in vars(jet).items() if v is not None})
            residual = block.residuals(together).mT
            rows = []
            for component in residual:
                pulls = torch.autograd.grad(
                    component.sum(), list(copies.values()), retain_graph=True, materialize_grads=True
                )
                row = torch.cat([g.flatten(1) for g in pulls], 1)
                rows.append(row if len(component) == points else torch.stack(row.chunk(2)).sum(0))
        return residual.detach().flatten(), torch.cat(rows)

    def gram(self) -> Tensor:
        """J J^T, (rows, rows)."""
        return symmetric(self.matrix.mT)

    def rows(self) -> Tensor:
        """J, (rows, parameters)."""
        return self.matrix

    def norm_squared(self) -> Tensor:
        """The sum of the squares of all entries of J, a scalar."""
        return self.matrix.square().sum()

    def flat(self, direction: Mapping[str, Tensor]) -> Tensor:
        """The inverse of `named`."""
        return torch.cat([direction[name].flatten() for name in self.siren.shapes])

    def pull(self, weights: Tensor) -> Direction:
        """J^T w for w (rows,)."""
        return self.named(self.matrix.mT @ weights)

    def named(self, flat: Tensor) -> Direction:
        """A vector (parameters,) in the order of `rows` as changes of the parameters."""
        shapes = self.siren.shapes
        parts = torch.split(flat, [torch.Size(shape).numel() for shape in shapes.values()])
        return {name: part.view(shapes[name]) for name, part in zip(shapes, parts, strict=True)}

    def push(self, direction: Mapping[str, Tensor]) -> Tensor:
        """J v, (rows,)."""
        return self.matrix @ self.flat(direction)
