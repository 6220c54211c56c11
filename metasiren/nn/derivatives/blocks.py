"""Code that both derivative routes share: their layers, matrix products over instances, and blocks of points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Gradients = list[Tensor | None]

BLOCK = 2**19
"""Numbers in one block of columns (2 MiB in float32) for each thread, which the caches hold.

On a CPU a pass over memory costs more than the matrix product of 256 features that it accompanies.
"""


@dataclass(frozen=True)
class Layers:
    """The affine layers of one or many SIRENs, frequencies folded in: z = weight x + bias.

    Attributes:
        weights: (instances, out, in) each.
        biases: (instances, out) each.
    """

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def width(self) -> int:
        """The greatest number of features between layers."""
        return max(w.shape[1] for w in self.weights)

    def of(self, instances: slice) -> Layers:
        """The same layers for some of the instances."""
        return Layers(tuple(w[instances] for w in self.weights), tuple(b[instances] for b in self.biases))

    def matrices(self) -> Layers:
        """The same layers of a single instance, without the dimension of instances."""
        return Layers(tuple(w.squeeze(0) for w in self.weights), tuple(b.squeeze(0) for b in self.biases))

    def zeros(self) -> Layers:
        """Layers of the same shapes, all zero."""
        return Layers(tuple(map(torch.zeros_like, self.weights)), tuple(map(torch.zeros_like, self.biases)))

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All weights, then all biases."""
        return (*self.weights, *self.biases)

    @classmethod
    def from_tensors(cls, tensors: tuple[Tensor, ...]) -> Layers:
        """The inverse of `tensors`."""
        half = len(tensors) // 2
        return cls(tensors[:half], tensors[half:])


@dataclass(frozen=True)
class Block:
    """Some points of some instances."""

    instances: slice
    points: slice


def blocks(x: Tensor, width: int, columns: int) -> list[Block]:
    """Cut x (instances, ..., points, features) into blocks that fit the cache; on a GPU one block holds all."""
    instances, points = x.shape[0], x.shape[-2]
    if x.device.type != "cpu" or points == 0:
        return [Block(slice(0, instances), slice(0, points))]
    budget = max(BLOCK * torch.get_num_threads() // (width * columns), 64)
    together = min(max(budget // points, 1), instances)
    step = -(-points // max(round(points / budget), 1))
    return [
        Block(slice(i, min(i + together, instances)), slice(p, min(p + step, points)))
        for i in range(0, instances, together)
        for p in range(0, points, step)
    ]


def product(x: Tensor, weight: Tensor) -> Tensor:
    """Columns x (instances, columns, points, in) by weight^T (instances, in, out), in one product; or two matrices."""
    if x.dim() == 2:
        return x @ weight.T
    instances, columns, points, features = x.shape
    rows = x.reshape(instances, columns * points, features)
    out = (rows.squeeze(0) @ weight.squeeze(0).T).unsqueeze(0) if instances == 1 else torch.bmm(rows, weight.mT)
    return out.view(instances, columns, points, weight.shape[1])


def accumulate(total: Tensor, grad: Tensor, x: Tensor, sign: int = 1) -> None:
    """Add to a weight's gradient (instances, out, in) the sum over rows of sign grad (..., out) times x (..., in).

    Of one instance, all three may be matrices.
    """
    if total.dim() == 2:
        total.addmm_(grad.T, x, alpha=sign)
        return
    g, x = grad.reshape(grad.shape[0], -1, grad.shape[-1]), x.reshape(x.shape[0], -1, x.shape[-1])
    if g.shape[0] == 1:
        total[0].addmm_(g[0].T, x[0], alpha=sign)
    else:
        total.baddbmm_(g.mT, x, alpha=sign)


def differentiate(
    function: Callable[..., tuple[Tensor, ...]], inputs: tuple[Tensor, ...], grads: tuple[Tensor, ...]
) -> Gradients:
    """Gradients that can be differentiated again: `function`, evaluated anew, by ordinary autograd."""
    wanted = [x for x in inputs if x.requires_grad]
    found = iter(torch.autograd.grad(function(*inputs), wanted, grads, create_graph=True, allow_unused=True))
    return [next(found) if x.requires_grad else None for x in inputs]
