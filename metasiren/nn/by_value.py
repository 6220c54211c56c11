"""Objects that are equal if they are of one class and have equal attributes."""

from __future__ import annotations

import torch


class ByValue:
    """Compared by class and attributes; tensors are equal if their shapes, types and entries are."""

    def __eq__(self, other: object) -> bool:
        mine, theirs = vars(self), vars(other) if type(self) is type(other) else {}
        return (
            type(self) is type(other)
            and mine.keys() == theirs.keys()
            and all(map(_equal, mine.values(), theirs.values()))
        )

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


def _equal(a: object, b: object) -> bool:
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    tensors = isinstance(a, torch.Tensor) or isinstance(b, torch.Tensor)
    return not tensors and bool(a == b)
