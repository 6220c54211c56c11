"""Count the operations that run: how many, the bytes that they move, and the memory that new tensors take."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def size_of(tensor: Tensor) -> int:
    """Bytes of a tensor's elements."""
    return tensor.numel() * tensor.element_size()


# Operations that make a view, or memory without contents: nothing is computed.
_FREE = {
    "alias", "as_strided", "detach", "diagonal", "empty", "empty_like", "empty_strided", "expand", "lift_fresh",
    "new_empty", "new_empty_strided", "permute", "select", "slice", "split", "split_with_sizes", "squeeze", "t",
    "transpose", "unbind", "unfold", "unsqueeze", "view", "_reshape_alias", "_unsafe_view", "_local_scalar_dense",
}  # fmt: skip


class OperationCount(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts operations, the bytes that they read and write, and the memory that new tensors take at once."""

    def __init__(self, place: torch.device) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.place, self.kernels, self.traffic, self.live, self.peak = place, 0, 0, 0, 0
        self._known: dict[int, weakref.finalize[Any, Any]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        for tensor in before:
            self._note(tensor, new=False)
        if kwargs and "out" in kwargs:  # written, not read
            before = [t for t in before if t is not kwargs["out"]]
        out = func(*args, **(kwargs or {}))
        after = [t for t in tree_leaves(out) if isinstance(t, Tensor)]
        for tensor in after:
            self._note(tensor, new=True)
        touched = [t for t in (*before, *after) if t.device.type == self.place.type]
        if func.overloadpacket.__name__ not in _FREE and touched:
            self.kernels += 1
            self.traffic += sum(map(size_of, touched))
        return out

    def _note(self, tensor: Tensor, *, new: bool) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._known or tensor.device.type != self.place.type:
            return
        size = storage.nbytes() if new else 0
        self.live += size
        self.peak = max(self.peak, self.live)
        self._known[key] = weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self.live -= size
        self._known.pop(key, None)

    def __exit__(self, *rest: Any) -> None:
        super().__exit__(*rest)  # type: ignore[no-untyped-call]
        for each in self._known.values():
            each.detach()
