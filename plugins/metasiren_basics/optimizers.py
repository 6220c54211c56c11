"""Optimisers, in the variants that make one pass over the parameters where PyTorch has them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

Parameters = Iterable[nn.Parameter]


def _fused(parameters: list[nn.Parameter]) -> bool:
    """Whether PyTorch has a fused step for all of them: a third of the memory traffic of separate passes."""
    return all(p.device.type in ("cpu", "cuda") and p.is_floating_point() for p in parameters)


def adam(
    parameters: Parameters, *, lr: float, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
) -> torch.optim.Optimizer:
    """Adam (Kingma and Ba 2015), what the paper trains everything with.

    Args:
        parameters: on their device already.
        lr: learning rate; the schedule multiplies it.
        betas: decay of the first and the second moment.
        eps: added to the root of the second moment.
    """
    return adamw(parameters, lr=lr, betas=betas, eps=eps, weight_decay=0.0)


def adamw(
    parameters: Parameters,
    *,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.01,
) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019).

    Args:
        parameters: on their device already.
        lr: learning rate; the schedule multiplies it.
        betas: decay of the first and the second moment.
        eps: added to the root of the second moment.
        weight_decay: fraction, times `lr`, by which a step shrinks every parameter.
    """
    chosen = list(parameters)
    fused = _fused(chosen)
    # Capturable steps keep their count on the GPU, so that a step may be part of a CUDA graph.
    graphs = fused and all(p.device.type == "cuda" for p in chosen)
    return torch.optim.AdamW(
        chosen, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=fused, capturable=graphs
    )


def sgd(parameters: Parameters, *, lr: float, momentum: float = 0.0, nesterov: bool = False) -> torch.optim.Optimizer:
    """Gradient descent, with or without momentum.

    Args:
        parameters: on their device already.
        lr: learning rate; the schedule multiplies it.
        momentum: fraction of the last update that goes on.
        nesterov: look ahead along it.
    """
    chosen = list(parameters)
    return torch.optim.SGD(chosen, lr=lr, momentum=momentum, nesterov=nesterov, fused=_fused(chosen))
