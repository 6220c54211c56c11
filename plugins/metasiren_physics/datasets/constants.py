"""Constants on a device, copied there once: a copy in every step would make a GPU wait for its host."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor


def constant(numbers: Sequence[float], like: Tensor) -> Tensor:
    """The numbers (n,) in the dtype and on the device of a tensor; shared, so never to be overwritten."""
    return _kept(tuple(numbers), like.dtype, like.device)


def constants(rows: Sequence[Sequence[float]], like: Tensor) -> Tensor:
    """Rows of numbers (rows, n), as `constant`."""
    return _kept(tuple(map(tuple, rows)), like.dtype, like.device)


@lru_cache(maxsize=256)
def _kept(numbers: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(numbers, dtype=dtype, device=device)
