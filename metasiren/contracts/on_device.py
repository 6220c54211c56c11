"""Tensors of one object that change device or dtype together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, Self

import torch
from torch import Tensor


class OnDevice:
    """Base of frozen dataclasses whose tensors change device or dtype together."""

    def to(self, device: torch.device | str) -> Self:
        """A copy whose tensors (in mappings too) lie on `device`."""
        return self._map(lambda tensor: tensor.to(device))

    def cast(self, dtype: torch.dtype) -> Self:
        """A copy whose floating-point tensors have `dtype`; indices and masks stay. Itself, where all have it."""
        if all(tensor.dtype == dtype or not tensor.is_floating_point() for tensor in self.tensors()):
            return self
        return self._map(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)

    def tensors(self) -> Iterator[Tensor]:
        """Every tensor, as often as it is held."""
        for value in vars(self).values():
            for each in value.values() if isinstance(value, Mapping) else (value,):
                if isinstance(each, OnDevice):
                    yield from each.tensors()
                elif isinstance(each, Tensor):
                    yield each

    def named_tensors(self) -> dict[str, Tensor]:
        """Every tensor by its dotted name, such as `points.interior.coords`."""
        found: dict[str, Tensor] = {}
        for name, value in vars(self).items():
            for key, each in value.items() if isinstance(value, Mapping) else [("", value)]:
                dotted = f"{name}.{key}" if key else name
                if isinstance(each, OnDevice):
                    found |= {f"{dotted}.{inner}": tensor for inner, tensor in each.named_tensors().items()}
                elif isinstance(each, Tensor):
                    found[dotted] = each
        return found

    def _map(self, change: Callable[[Tensor], Tensor]) -> Self:
        def over(value: Any) -> Any:
            if isinstance(value, OnDevice):
                return value._map(change)
            return change(value) if isinstance(value, Tensor) else value

        changed: dict[str, Any] = {}
        for f in fields(self):  # type: ignore[arg-type]
            value = getattr(self, f.name)
            changed[f.name] = {k: over(v) for k, v in value.items()} if isinstance(value, Mapping) else over(value)
        return replace(self, **changed)  # type: ignore[type-var]
