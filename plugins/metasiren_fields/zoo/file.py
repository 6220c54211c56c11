"""The file of a zoo: ordered weight and bias pairs of many fields of one architecture.

One safetensors file. For N fields it holds, layer by layer, `0.weight` (N, out, in), `0.bias` (N, out), `1.weight`,
...; then `item` (N,) int64, `mse` (N,) and `steps` (N,) int64. Its metadata `metasiren_zoo` is JSON: the architecture,
the data set, the grid. Slicing one index gives a `state_dict` of plain linear layers: frequencies are not folded in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from metasiren import DataError, Field, Siren, json_object
from metasiren_fields.architecture import describe, reason, stored

KEY = "metasiren_zoo"
VERSION = 1
COLUMNS = {"item": "integers", "mse": "numbers", "steps": "integers"}


@dataclass(frozen=True)
class Zoo:
    """Many fields of one architecture.

    Attributes:
        siren: the architecture.
        params: (N, ...) weights, in the order of the layers.
        item: (N,) index of each field's signal in its data set.
        mse: (N,) mean squared error of each field, in the range of the signals.
        steps: (N,) steps that each took.
        description: plain data: `title` of the data set, `split`, `grid`, and how the fields were made.
    """

    siren: Siren
    params: dict[str, Tensor]
    item: Tensor
    mse: Tensor
    steps: Tensor
    description: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.item)

    @property
    def field(self) -> Field:
        """All fields as one, batched: values (N, points, out)."""
        return Field(self.siren, self.params)

    def pairs(self) -> list[tuple[Tensor, Tensor]]:
        """(weight (N, out, in), bias (N, out)) of each layer in order."""
        return [(self.params[layer.weight], self.params[layer.bias]) for layer in self.siren.layers]

    def only(self, rows: Tensor) -> Zoo:
        """The fields of these rows."""
        params = {name: p[rows] for name, p in self.params.items()}
        return Zoo(self.siren, params, self.item[rows], self.mse[rows], self.steps[rows], self.description)

    def to(self, device: torch.device | str) -> Zoo:
        """The same fields on a device."""
        params = {name: p.to(device) for name, p in self.params.items()}
        return replace(self, params=params, **{n: getattr(self, n).to(device) for n in ("item", "mse", "steps")})


def join(zoos: list[Zoo]) -> Zoo:
    """Zoos of one architecture as one; the description is the first's."""
    first = zoos[0]
    params = {name: torch.cat([z.params[name] for z in zoos]) for name in first.params}
    item, mse, steps = (torch.cat([getattr(z, name) for z in zoos]) for name in ("item", "mse", "steps"))
    return Zoo(first.siren, params, item, mse, steps, first.description)


def write_zoo(zoo: Zoo, path: Path) -> None:
    """Write the file, whole or not at all.

    Raises:
        DataError: it cannot be written.
    """
    about = json.dumps({"version": VERSION, "siren": describe(zoo.siren), **zoo.description})
    tensors = {**zoo.params, "item": zoo.item, "mse": zoo.mse, "steps": zoo.steps}
    partial = path.with_suffix(".partial")
    try:
        # Written by Python: safetensors makes files that only their owner can read.
        partial.write_bytes(save({k: v.cpu().contiguous() for k, v in tensors.items()}, metadata={KEY: about}))
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        partial.unlink(missing_ok=True)
        raise DataError(str(path), f"cannot be written: {error}.", "Name another -o.") from None


def read_zoo(path: str | Path) -> Zoo:
    """Read a file of `metasiren zoo`. Nothing from it is executed.

    Raises:
        DataError: there is no such file, it is no zoo, or its weights do not fit its architecture or
            are not finite.
    """
    where, advice = str(path), "metasiren zoo RECIPE -o FILE.safetensors writes one."
    try:
        with safe_open(path, framework="pt") as file:
            about = json_object((file.metadata() or {})[KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        version, plain = about.pop("version"), about.pop("siren")
        if version != VERSION:
            raise DataError(where, f"version {version!r} of the layout.", f"This metasiren reads version {VERSION}.")
        columns = {name: _column(name, tensors.pop(name), kind) for name, kind in COLUMNS.items()}
        if len({len(column) for column in columns.values()}) > 1:
            raise ValueError(f"{', '.join(columns)} differ in length")
        siren, params = stored(plain, tensors, len(columns["item"]))
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise DataError(where, f"not a zoo of fields: {reason(error)}.", advice) from None
    return Zoo(siren, params, **columns, description=about)


def _column(name: str, column: Tensor, kind: str) -> Tensor:
    if column.dim() != 1 or column.is_floating_point() != (kind == "numbers"):
        raise ValueError(f"{name} is {tuple(column.shape)} of {column.dtype}, expected (fields,) {kind}")
    return column
