"""Constants on a device, copied there once: a copy in every step would make a GPU wait for its host."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor


def constant(numbers: Sequence[float], like: Tensor) -> Tensor:
    """The numbers (n,) in the dtype and on the device of a tensor; shared, so never to be overwritten."""
    return _once(tuple(numbers), like)


def constants(rows: Sequence[Sequence[float]], like: Tensor) -> Tensor:
    """Rows of numbers (rows, n), as `constant`."""
    return _once(tuple(map(tuple, rows)), like)


def _once(numbers: Any, like: Tensor) -> Tensor:
    if torch.compiler.is_compiling() or isinstance(like, FakeTensor):
        # Not to be kept: it belongs to the compiler's graph, or has no numbers.
        return torch.tensor(numbers, dtype=like.dtype, device=like.device)
    return _kept(numbers, like.dtype, like.device)


@lru_cache(maxsize=256)
def _kept(numbers: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(numbers, dtype=dtype, device=device)
