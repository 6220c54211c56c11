"""A zoo as a data set: the signals that its fields hold, and their weights."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from metasiren import Batch, Context, DataError, Dataset, Domain, Field, Params, Points, RecipeError, grid
from metasiren_fields.zoo.file import read_zoo


class Weights(Dataset):
    """The fields of a file that `metasiren zoo` wrote; `params` gives their weights.

    Args:
        path: the file.
        grid: samples along each axis; by default the grid on which the fields were fitted.
        val: fields at the end that form the split `val`.
    """

    def __init__(self, *, path: Path, grid: tuple[int, ...] | None = None, val: int = 0) -> None:
        zoo = read_zoo(path)
        shape = grid or zoo.description.get("grid")
        if shape is None:
            raise DataError(str(path), "the fields were not fitted on a grid.", "Set data.grid, such as [32, 32].")
        if len(shape) != zoo.siren.in_features:
            found = f"grid has {len(shape)} axes; the fields have {zoo.siren.in_features} coordinates."
            raise RecipeError("data: weights: grid", found, "Give one number for each axis.")
        if not 0 <= val < len(zoo):
            raise RecipeError("data: weights: val", f"{val}; the file has {len(zoo)} fields.", "Leave some to train.")
        self.zoo, train = zoo, len(zoo) - val
        self.title = f"fields of {zoo.description.get('title', 'signals')}"
        self.splits = {"train": train, "val": val} if val else {"train": train}
        self.domain = Domain(zoo.siren.in_features, zoo.siren.out_features, tuple(shape), train)
        self.coords = _grid(tuple(shape))

    def params(self, split: str, items: Tensor) -> Params:
        """Weights (batch, ...) of these items, in the order of the layers."""
        rows = items + (self.splits["train"] if split == "val" else 0)
        return self.zoo.only(rows.to(self.zoo.item.device)).params

    @torch.no_grad()
    def batch(
        self,
        split: str,
        items: Tensor,
        *,
        context: tuple[int, int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Batch:
        """The fields' values on the whole grid, `pixels`; a context of random points (all, where None)."""
        values = Field(self.zoo.siren, self.params(split, items))(self.coords)
        count, size = values.shape[:2]
        least, most = (min(n, size) for n in context or (size, size))
        cells = torch.rand(count, size, generator=generator, device=values.device).argsort(1)[:, :most]
        number = torch.randint(least, most + 1, (count, 1), generator=generator, device=values.device)
        mask = torch.arange(most, device=values.device) < number
        seen = mask.unsqueeze(-1)
        shown = values.gather(1, cells.unsqueeze(-1).expand(-1, -1, values.shape[-1])) * seen
        observed = Context(items, self.coords[cells] * seen, shown, mask, self.domain.grid, cells * mask)
        return Batch(observed, {"pixels": Points(self.coords[None], {"values": values})})

    def to(self, device: torch.device | str) -> Weights:
        """Move weights and coordinates."""
        self.zoo, self.coords = self.zoo.to(device), self.coords.to(device)
        return self


_grid = grid
