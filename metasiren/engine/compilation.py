"""Compilation with torch.compile, where a compiler is installed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
T = TypeVar("T")


def compiled(function: Callable[P, T], enabled: bool = True, *, mode: str | None = None) -> Callable[P, T]:
    """`torch.compile(function, fullgraph=True)`, or `function` itself.

    Jets of the second order train with a single backward pass, so a whole step's loss compiles without a break.
    Where compilation fails (no C++ compiler, a shape that changes too often) the function runs as it is, from
    then on, after one warning.

    Args:
        function: takes and returns tensors and plain data; computes the same when called again.
        enabled: False returns the function untouched.
        mode: as `torch.compile` takes it, such as `reduce-overhead` for CUDA graphs.

    Returns:
        A function of the same signature.
    """
    if not enabled:
        return function
    fast: Callable[P, T] = torch.compile(function, fullgraph=True, mode=mode)
    working = True

    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        nonlocal working
        if not working:
            return function(*args, **kwargs)
        try:
            return fast(*args, **kwargs)
        except Exception as error:
            # An error of the function itself, or of its arguments, is raised again here.
            result = function(*args, **kwargs)
            working = False
            reason = str(error).strip().partition("\n")[0]
            advice = "Install a C++ compiler (on a GPU: Triton too), or leave compilation off."
            message = f"compile: {type(error).__name__}: {reason} Going on uncompiled. {advice}"
            warnings.warn(message, RuntimeWarning, stacklevel=2)
            return result

    return call
