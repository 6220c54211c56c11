"""Constants on a device, made once: a copy in every step would make a GPU wait for its host."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor


def constant(numbers: float | Sequence[float], like: Tensor) -> Tensor:
    """A number () or numbers (n,) in the dtype and on the device of a tensor; shared, so never to be overwritten."""
    return kept(_tensor, tuple(numbers) if isinstance(numbers, Sequence) else numbers, like=like)


def constants(rows: Sequence[Sequence[float]], like: Tensor) -> Tensor:
    """Rows of numbers (rows, n), as `constant`."""
    return kept(_tensor, tuple(map(tuple, rows)), like=like)


def kept(make: Callable[..., Tensor], *arguments: Hashable, like: Tensor) -> Tensor:
    """`make(*arguments)` in the dtype and on the device of a tensor, as `constant`.

    Args:
        make: a function of a module, which returns the same each time: a seeded draw, for example.
        arguments: what it takes.
        like: the tensor.
    """
    active = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
    if active or isinstance(like, FakeTensor):
        # Not to be kept: it belongs to a graph or a transform, or has no numbers.
        return _made(make, arguments, like.dtype, like.device)
    found = _once(make, arguments, like.dtype, like.device)
    if (held := _held.get()) is not None:
        held.append(found)
    return found


_held: ContextVar[list[Tensor] | None] = ContextVar("held", default=None)


@contextmanager
def constants_held() -> Iterator[list[Tensor]]:
    """The constants that are used within a `with` block, to keep them after the cache has dropped them."""
    held: list[Tensor] = []
    token = _held.set(held)
    try:
        yield held
    finally:
        _held.reset(token)


def _made(
    make: Callable[..., Tensor], arguments: tuple[Hashable, ...], dtype: torch.dtype, device: torch.device
) -> Tensor:
    return make(*arguments).to(dtype).to(device)


_once = lru_cache(maxsize=256)(_made)


def _tensor(numbers: float | Sequence[float] | Sequence[Sequence[float]]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)
