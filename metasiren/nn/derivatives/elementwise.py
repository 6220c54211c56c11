"""The elementwise work of jets through sines, fused: one Triton kernel forward, one backward.

Off unless asked for by `fused`, and then only where the kernels can run: sines, float32 or float64, on a GPU (or on a
CPU with Triton's interpreter, TRITON_INTERPRET=1, which is for tests). Everything else takes the plain operations, and
so do compilers, function transforms and further derivatives, because the callers ask `plain_wanted` first.

The kernels are operations of torch (`torch.ops.metasiren`), which on `meta` tensors only make their results.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from metasiren.errors import RecipeError
from metasiren.nn.activations import Activation, Sine
from metasiren.nn.derivatives.columns import Columns

SIZE = 512
"""Numbers that one program of a kernel takes: four for each thread of four warps."""

_wanted: ContextVar[bool] = ContextVar("fused", default=False)


@contextmanager
def fused(wanted: bool = True) -> Iterator[None]:
    """Evaluate jets by the kernels, where they can run, for the time of a `with` block.

    Gradients of a jet take the way of the jet, wherever they are asked for.
    """
    before = _wanted.set(wanted)
    try:
        yield
    finally:
        _wanted.reset(before)


def demand_kernels(device: torch.device, activation: Activation, where: str) -> None:
    """Refuse what the kernels cannot do.

    Args:
        device: on which jets will be evaluated.
        activation: of the network.
        where: the setting, as errors name places.

    Raises:
        RecipeError: another activation than sine, no Triton, or no GPU.
    """
    plain = "Use plain, which gives the same numbers up to rounding."
    if type(activation) is not Sine:
        found = f"the kernels compute sines; the activation is {type(activation).__name__}."
    elif find_spec("triton") is None:
        found, plain = "the package 'triton' is not installed.", f"{plain} Torch's builds for CUDA on Linux bring it."
    elif device.type != "cuda" and not _interpreted():
        found = f"the kernels run on a GPU; the device is {str(device)!r}."
    else:
        return
    raise RecipeError(where, found, plain)


def serves(x: Tensor, activation: Activation) -> bool:
    """Whether the kernels are asked for, and can take jets of the dtype and device of x through this activation."""
    return (
        _wanted.get()
        and type(activation) is Sine
        and x.dtype in (torch.float32, torch.float64)
        and (x.device.type in ("cuda", "meta") or _interpreted())
    )


def sine_columns(z: Tensor, columns: Columns) -> Tensor:
    """Columns z (instances, columns, points, features) after a sine.

    Args:
        z: contiguous.
        columns: what travels.
    """
    h: Tensor = torch.ops.metasiren.sine_columns(z, *columns.terms)
    return h


def sine_columns_back(z: Tensor, grad: Tensor, columns: Columns) -> Tensor:
    """Turn the gradient of `sine_columns(z)` into that of z, in place; returns `sine_columns(z)`, made on the way."""
    h: Tensor = torch.ops.metasiren.sine_columns_back_(z, grad, *columns.terms)[1]
    return h


def _interpreted() -> bool:
    return os.environ.get("TRITON_INTERPRET") == "1"


# Operations of torch: counted, and replaced on `meta`, as its own are.

_ops = torch.library.Library("metasiren", "DEF")
_TERMS = "int tangents, int[] ends, int[] first, int[] second, float[] weights"
_ops.define(f"sine_columns(Tensor z, {_TERMS}) -> Tensor")
_ops.define(f"sine_columns_back_(Tensor z, Tensor(a!) grad, {_TERMS}) -> (Tensor(a!), Tensor)")


def _launch(kernel: str, z: Tensor, others: tuple[Tensor, ...], terms: tuple[Any, ...]) -> None:
    from metasiren.nn.derivatives import kernels  # imports triton

    tangents, *lists = terms
    numbers = z.shape[2] * z.shape[3]
    if programs := z.shape[0] * -(-numbers // SIZE):
        assert all(t.is_contiguous() and t.shape == z.shape for t in (z, *others))
        with torch.cuda.device_of(z):
            getattr(kernels, kernel)[(programs,)](z, *others, numbers, tangents, *map(tuple, lists), SIZE)


def _forward(z: Tensor, *terms: Any) -> Tensor:
    h = torch.empty_like(z)
    _launch("sine_columns", z, (h,), terms)
    return h


def _backward(z: Tensor, grad: Tensor, *terms: Any) -> tuple[Tensor, Tensor]:
    h = torch.empty_like(z)
    _launch("sine_columns_back", z, (grad, h), terms)
    return grad, h


for _device in ("CUDA", "CPU"):
    _ops.impl("sine_columns", _forward, _device)
    _ops.impl("sine_columns_back_", _backward, _device)
_ops.impl("sine_columns", lambda z, *terms: torch.empty_like(z), "Meta")
_ops.impl("sine_columns_back_", lambda z, grad, *terms: (grad, torch.empty_like(z)), "Meta")
