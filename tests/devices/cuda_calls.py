"""The calls of `torch.cuda` and their kin, as an emulated GPU answers them."""

from __future__ import annotations

import contextlib
import types
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch

# The compiler lists torch's functions when it is imported: imported later it would list those that are patched here.
import torch._dynamo.variables.torch
from devices.captures import Capture
from devices.emulated import CUDA, GENERATORS, EmulatedTensor, indexed, wait

CALLS: dict[str, Any] = {
    "is_available": True, "device_count": 1, "current_device": 0, "get_device_name": "Emulated GPU",
    "mem_get_info": (80 << 30, 80 << 30), "memory_allocated": 0, "is_initialized": True,
    "_lazy_init": None, "manual_seed": None, "manual_seed_all": None, "empty_cache": None, "set_rng_state": None,
    "get_device_capability": (9, 0), "is_bf16_supported": True,
}  # fmt: skip


class EmulatedGenerator(torch.Generator):
    """A generator of the CPU that says where it would draw."""

    def __new__(cls, device: Any = "cpu") -> EmulatedGenerator:
        return super().__new__(cls)

    def __init__(self, device: Any = "cpu") -> None:
        self._place = indexed(torch.device(device))
        GENERATORS[self._cdata] = self._place.type

    device = property(lambda self: self._place)  # type: ignore[assignment]


class Stream:
    """A stream; everything happens in order anyway."""

    def __init__(self, device: Any = CUDA, **__: Any) -> None:
        self.device = device

    def wait_stream(self, other: Any) -> None: ...

    def synchronize(self) -> None:
        wait("synchronize")


class Memory:
    """Peak memory: what `reset_peak_memory_stats` and `max_memory_allocated` say."""

    peak = 0

    @classmethod
    def reset(cls, *_: Any) -> None:
        cls.peak = 0

    @classmethod
    def most(cls, *_: Any) -> int:
        return cls.peak


@contextlib.contextmanager
def capture(graph: Capture, *_: Any, stream: Stream | None = None, **__: Any) -> Iterator[None]:
    """`torch.cuda.graph`; without a stream it takes one of the current device, which need not be the model's."""
    graph.stream = stream
    graph.begin()
    try:
        yield
    finally:
        graph.end()


def capturing() -> bool:
    """`torch.cuda.is_current_stream_capturing`."""
    return Capture.current is not None


@contextlib.contextmanager
def patched_cuda() -> Iterator[None]:
    """All of it, for the time of a `with` block."""
    autocast, enabled = torch.autocast, torch.is_autocast_enabled
    group = torch._C._group_tensors_by_device_and_dtype

    class Autocast(autocast):  # type: ignore[misc, valid-type]
        def __init__(self, device_type: str, *args: Any, **kwargs: Any) -> None:
            super().__init__("cpu" if device_type == "cuda" else device_type, *args, **kwargs)

    def grouped(lists: Any, *args: Any) -> Any:
        found = {}
        for (device, dtype), value in group(lists, *args).items():
            there = any(isinstance(t, EmulatedTensor) for tensors in value[0] for t in tensors)
            found[CUDA if there else device, dtype] = value
        return found

    with contextlib.ExitStack() as stack:

        def put(where: Any, name: str, value: Any) -> None:
            stack.enter_context(mock.patch.object(where, name, value))

        for name, answer in CALLS.items():
            put(torch.cuda, name, lambda *_, answer=answer, **__: answer)
        put(torch.cuda, "synchronize", lambda *_: wait("synchronize"))
        put(torch.cuda, "get_rng_state", lambda *_: torch.get_rng_state())
        put(torch.cuda, "reset_peak_memory_stats", Memory.reset)
        put(torch.cuda, "max_memory_allocated", Memory.most)
        put(torch.cuda, "is_current_stream_capturing", capturing)
        put(torch.cuda, "Stream", Stream)
        put(torch.cuda, "CUDAGraph", Capture)
        put(torch.cuda, "graph", capture)
        put(torch.cuda, "stream", lambda *_: contextlib.nullcontext())
        put(torch.cuda, "current_stream", lambda *_: Stream())
        put(torch, "Generator", EmulatedGenerator)
        put(torch, "autocast", Autocast)
        put(torch, "is_autocast_enabled", lambda device="cpu": enabled("cpu" if device == "cuda" else device))
        put(torch.accelerator, "current_accelerator", lambda *_, **__: torch.device("cuda"))
        put(torch.accelerator, "current_stream", lambda *_: types.SimpleNamespace(is_capturing=capturing))
        put(torch._C, "_group_tensors_by_device_and_dtype", grouped)
        supported = [torch.Tensor, torch.nn.Parameter, EmulatedTensor]
        stack.enter_context(mock.patch("torch.utils._foreach_utils._foreach_supported_types", supported))
        yield
