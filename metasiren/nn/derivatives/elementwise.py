"""The elementwise work of jets through sines, fused: a Triton kernel forward, and one for each pass backward.

Off unless asked for by `fused`, and then only where the kernels can run: sines, float32 or float64, on a GPU (or on a
CPU with Triton's interpreter, TRITON_INTERPRET=1, which is for tests). Everything else takes the plain operations, and
so do compilers, function transforms and further derivatives, because the callers ask `plain_wanted` first.

The kernels are operations of torch (`torch.ops.metasiren`), which on `meta` tensors only make their results.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
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

    Gradients of a jet are computed by the same kernels as the jet, also outside of the block.
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


def run_on(device: torch.device) -> bool:
    """Whether Triton is installed, and its kernels run on a device."""
    return find_spec("triton") is not None and (device.type == "cuda" or _interpreted())


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
        columns: their derivatives.
    """
    h: Tensor = torch.ops.metasiren.sine_columns(z, *columns.terms)
    return h


def sine_columns_back(z: Tensor, grad: Tensor, columns: Columns) -> Tensor:
    """Turn the gradient of `sine_columns(z)` into that of z, in place; returns `sine_columns(z)`, made on the way."""
    h: Tensor = torch.ops.metasiren.sine_columns_back_(z, grad, *columns.terms)[1]
    return h


def sine_adjoint(z: Tensor, adjoint: Tensor) -> Tensor:
    """The adjoint of pre-activations: a cos z.

    Args:
        z: pre-activations (instances, points, features), contiguous.
        adjoint: of activations (instances, outputs, points, features), or with one point for all.

    Returns:
        (instances, outputs, points, features)
    """
    p: Tensor = torch.ops.metasiren.sine_adjoint(z, adjoint.contiguous())
    return p


def sine_adjoint_back(z: Tensor, adjoint: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    """Turn the gradient of `sine_adjoint(z, adjoint)` into that of the adjoint, in place.

    Returns:
        `sine_adjoint(z, adjoint)`, made on the way, and the gradient of z.
    """
    p: Tensor
    bend: Tensor
    _, p, bend = torch.ops.metasiren.sine_adjoint_back_(z, adjoint.contiguous(), grad)
    return p, bend


def sine_back(z: Tensor, bend: Tensor, grad: Tensor) -> Tensor:
    """Add what the gradient of sin z gives z to `bend`, in place; returns sin z, made on the way."""
    h: Tensor = torch.ops.metasiren.sine_back_(z, bend, grad.contiguous())[1]
    return h


def _interpreted() -> bool:
    return os.environ.get("TRITON_INTERPRET") == "1"


# Operations of torch: counted, and replaced on `meta`, as its own are.

_ops = torch.library.Library("metasiren", "DEF")
_TERMS = "int tangents, int[] ends, int[] first, int[] second, float[] weights"


def _operation(schema: str, run: Callable[..., Any], shape: Callable[..., Any]) -> None:
    name = schema.partition("(")[0]
    _ops.define(schema)
    _ops.impl(name, run, "CUDA")
    _ops.impl(name, run, "CPU")  # for the interpreter
    _ops.impl(name, shape, "Meta")


def _launch(kernel: str, tensors: tuple[Tensor, ...], instances: int, numbers: int, *rest: Any) -> None:
    from metasiren.nn.derivatives import kernels  # imports triton

    if programs := instances * -(-numbers // SIZE):
        assert all(t.is_contiguous() for t in tensors), f"{kernel}: strides {[t.stride() for t in tensors]}"
        with torch.cuda.device_of(tensors[0]):
            getattr(kernels, kernel)[(programs,)](*tensors, numbers, *rest, SIZE)


def _columns(z: Tensor, tangents: int, *terms: Any) -> Tensor:
    h = torch.empty_like(z)
    _launch("sine_columns", (z, h), len(z), z.shape[2:].numel(), tangents, *map(tuple, terms))
    return h


def _columns_back(z: Tensor, grad: Tensor, tangents: int, *terms: Any) -> tuple[Tensor, Tensor]:
    h = torch.empty_like(z)
    _launch("sine_columns_back", (z, grad, h), len(z), z.shape[2:].numel(), tangents, *map(tuple, terms))
    return grad, h


def _of_outputs(z: Tensor, adjoint: Tensor) -> Tensor:
    return z.new_empty(len(z), adjoint.shape[1], *z.shape[1:])


def _adjoint(z: Tensor, adjoint: Tensor) -> Tensor:
    p, row = _of_outputs(z, adjoint), adjoint.shape[2] != z.shape[1]
    _launch("sine_adjoint", (z, adjoint, p), len(z), z.shape[1:].numel(), z.shape[2], adjoint.shape[1], row)
    return p


def _adjoint_back(z: Tensor, adjoint: Tensor, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    p, bend, row = torch.empty_like(grad), torch.empty_like(z), adjoint.shape[2] != z.shape[1]
    tensors = (z, adjoint, grad, p, bend)
    _launch("sine_adjoint_back", tensors, len(z), z.shape[1:].numel(), z.shape[2], adjoint.shape[1], row)
    return grad, p, bend


def _back(z: Tensor, bend: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    h = torch.empty_like(z)
    _launch("sine_back", (z, bend, grad, h), 1, z.numel())
    return bend, h


_operation(f"sine_columns(Tensor z, {_TERMS}) -> Tensor", _columns, lambda z, *_: torch.empty_like(z))
_operation(
    f"sine_columns_back_(Tensor z, Tensor(a!) grad, {_TERMS}) -> (Tensor(a!), Tensor)",
    _columns_back,
    lambda z, grad, *_: (grad, torch.empty_like(z)),
)
_operation("sine_adjoint(Tensor z, Tensor adjoint) -> Tensor", _adjoint, _of_outputs)
_operation(
    "sine_adjoint_back_(Tensor z, Tensor adjoint, Tensor(a!) grad) -> (Tensor(a!), Tensor, Tensor)",
    _adjoint_back,
    lambda z, adjoint, grad: (grad, torch.empty_like(grad), torch.empty_like(z)),
)
_operation(
    "sine_back_(Tensor z, Tensor(a!) bend, Tensor grad) -> (Tensor(a!), Tensor)",
    _back,
    lambda z, bend, grad: (bend, torch.empty_like(z)),
)
