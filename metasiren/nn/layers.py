"""Affine layers of a SIREN, batched over instances: omega * (W x + b)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Params = Mapping[str, Tensor]
"""Named weights of one or many SIRENs: `"0.weight"` (instances, out, in), `"0.bias"` (instances, out), ..."""


@dataclass(frozen=True)
class Layer:
    """One affine layer: y = omega * (W x + b), then the activation unless it is the last."""

    name: str
    in_features: int
    out_features: int
    omega: float
    last: bool

    @property
    def first(self) -> bool:
        """Whether its input are the coordinates (or the features of an input layer)."""
        return self.name == "0"

    @property
    def weight(self) -> str:
        """The weight's name among parameters."""
        return f"{self.name}.weight"

    @property
    def bias(self) -> str:
        """The bias's name among parameters."""
        return f"{self.name}.bias"


def full_precision(x: Tensor) -> AbstractContextManager[Any]:
    """No automatic lower precision on the device of x, for the time of a `with` block."""
    if torch.is_autocast_enabled(x.device.type):
        return torch.autocast(x.device.type, enabled=False)
    return nullcontext()  # entering torch.autocast takes as long as a small kernel


def plain_wanted() -> bool:
    """Whether a compiler or a function transform is active; both need plain torch operations."""
    return torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()


def affine(x: Tensor, weight: Tensor, bias: Tensor, layer: Layer) -> Tensor:
    """One layer, omega * (W x + b), for all instances at once; of one instance also (points, in) -> (points, out)."""
    if layer.first and x.is_cuda:
        z = exact_affine(x, weight, bias)
        return z * layer.omega if layer.omega != 1 else z
    if layer.omega != 1:
        # Scaling the weights, not the products: there are fewer of them, forward and backward.
        weight, bias = weight * layer.omega, bias * layer.omega
    if x.dim() == 2 or x.shape[0] == 1:
        # Views of one instance: an index would copy its gradient into zeros on the way back.
        rows = torch.addmm(bias.squeeze(0), x if x.dim() == 2 else x.squeeze(0), weight.squeeze(0).T)
        return rows if x.dim() == 2 else rows.unsqueeze(0)
    return torch.baddbmm(bias.unsqueeze(1), x, weight.mT)


def exact_affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The first layer's W x + b, in full float32 on a GPU even where TF32 is allowed.

    A rounded coordinate is multiplied by omega inside the sine, and the error would be that of another signal.

    Args:
        x: (instances, points, in).
        weight: (instances, out, in).
        bias: (instances, out).

    Returns:
        (instances, points, out)
    """
    if not x.is_cuda or x.dtype != torch.float32:
        return torch.baddbmm(bias.unsqueeze(1), x, weight.mT)
    if x.shape[-1] > 4:
        return torch.baddbmm(bias.double().unsqueeze(1), x.double(), weight.double().mT).float()
    z = bias.unsqueeze(1).expand(-1, x.shape[1], -1)
    for i in range(x.shape[-1]):
        z = torch.addcmul(z, x[..., i : i + 1], weight[:, None, :, i])
    return z
