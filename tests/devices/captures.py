"""CUDA graphs on an emulated GPU: what is dispatched during a capture, repeated on the same memory.

A capture computes nothing: what it overwrote gets its old values back at its end, random numbers too, and what it made
holds NaN until a replay fills it. Numbers of the host that went into an operation stay as they were at the capture.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from devices.ledger import DeviceRuleError, site
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves

Call = tuple[Callable[[Any, Any], Any], Any, Any, Any]


class Capture:
    """`torch.cuda.CUDAGraph`."""

    current: Capture | None = None

    def __init__(self, *_: Any, **__: Any) -> None:
        self.calls: list[Call] = []
        self.replays = 0
        self.stream: Any = None
        self._generators: list[torch.Generator] = []
        self._before: dict[int, tuple[Tensor, Tensor]] = {}
        self._made: dict[int, Tensor] = {}

    @classmethod
    def refuse(cls, what: str) -> None:
        """Raise where a graph is being captured."""
        if cls.current is not None:
            raise DeviceRuleError(f"{what} is not permitted while a graph is captured, at {site()}")

    def register_generator_state(self, generator: torch.Generator) -> None:
        """Draws of this generator go on from replay to replay."""
        self._generators.append(generator)

    def knows(self, generator: Any) -> bool:
        """Whether a generator is registered, or the device's own."""
        known = [*self._generators, torch.default_generator]
        return any(generator._cdata == each._cdata for each in known)

    def begin(self) -> None:
        """Start the capture."""
        self._random = [g.get_state() for g in (torch.default_generator, *self._generators)]
        Capture.current = self

    def prepare(self, func: Any, args: Any, kwargs: Any) -> None:
        """Keep the values of what an operation is about to overwrite."""
        for argument, value in zip(func._schema.arguments, args, strict=False):
            self._keep(argument, value)
        for argument in func._schema.arguments[len(args) :]:
            self._keep(argument, kwargs.get(argument.name))

    def _keep(self, argument: Any, value: Any) -> None:
        if argument.alias_info is None or not argument.alias_info.is_write:
            return
        for tensor in (t for t in tree_leaves(value) if isinstance(t, Tensor)):
            address = tensor.untyped_storage().data_ptr()
            if address not in self._before and address not in self._made:
                with _disable_current_modes():
                    whole = torch.empty(0, dtype=torch.uint8).set_(tensor.untyped_storage())
                    self._before[address] = (whole, whole.clone())

    def record(self, compute: Callable[[Any, Any], Any], args: Any, kwargs: Any, out: Any) -> None:
        """Add an operation, its arguments and its results, all of them tensors of the host."""
        given = {t.untyped_storage().data_ptr() for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        for tensor in (t for t in tree_leaves(out) if isinstance(t, Tensor)):
            if (address := tensor.untyped_storage().data_ptr()) not in given:
                self._made[address] = tensor
        self.calls.append((compute, args, kwargs, out))

    def end(self) -> None:
        """End the capture, of which nothing was computed."""
        Capture.current = None
        with _disable_current_modes():
            for whole, values in self._before.values():
                whole.copy_(values)
            for tensor in self._made.values():
                if tensor.is_floating_point():
                    tensor.detach().fill_(torch.nan)
        for generator, state in zip((torch.default_generator, *self._generators), self._random, strict=True):
            generator.set_state(state)
        self._before.clear()
        self._made.clear()

    def replay(self) -> None:
        """Compute everything that was captured, in the same memory."""
        self.replays += 1
        with _disable_current_modes(), torch.no_grad():
            for compute, args, kwargs, out in self.calls:
                again = compute(args, kwargs)
                for old, new in zip(tree_leaves(out), tree_leaves(again), strict=True):
                    if isinstance(old, Tensor) and old is not new and old.data_ptr() != new.data_ptr():
                        old.copy_(new)

    def reset(self) -> None:
        """Forget what was captured."""
        self.calls.clear()
