"""Data types of signals: domain, points, an encoder's context, batches and data sets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from metasiren.contracts.on_device import OnDevice
from metasiren.errors import DataError
from metasiren.nn.derivatives.exact import ExactConditions
from metasiren.nn.domain import Domain
from metasiren.nn.grids import grid


@dataclass(frozen=True)
class Points(OnDevice):
    """Coordinates and the targets known there.

    Attributes:
        coords: (batch, points, d_in), or (1, points, d_in) where all items share them.
        targets: named tensors (batch, points, ...), such as `values` or `normals`.
    """

    coords: Tensor
    targets: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def values(self) -> Tensor:
        """The signal's values (batch, points, d_out), where they are known."""
        return self.targets["values"]

    def on_grid(self, domain: Domain) -> bool:
        """Whether the points of every item are those of the domain's grid over [-1, 1], in its order."""
        if domain.grid is None or self.coords.shape[1:] != (torch.Size(domain.grid).numel(), domain.d_in):
            return False
        whole = grid(domain.grid, dtype=self.coords.dtype, device=self.coords.device)
        return torch.allclose(self.coords, whole, atol=1e-6)

    @property
    def known(self) -> Mapping[str, Tensor]:
        """The former name of `targets`."""
        return self.targets


@dataclass(frozen=True)
class Context(OnDevice):
    """The encoder's input: observed (coordinate, value) pairs, without the targets.

    Items may have different numbers of pairs: rows are padded with zeros at the end, and `mask` says which are real.

    Attributes:
        items: (batch,) index of each item in its split.
        coords: (batch, pairs, d_in).
        values: (batch, pairs, d_out).
        mask: (batch, pairs) bool; True where a pair was observed.
        grid: the grid that the pairs were taken from, or None.
        cells: (batch, pairs) row-major index of each pair in the grid, or None.
    """

    items: Tensor
    coords: Tensor
    values: Tensor
    mask: Tensor
    grid: tuple[int, ...] | None = None
    cells: Tensor | None = None

    def image(self) -> tuple[Tensor, Tensor]:
        """The observations laid out on their grid.

        Returns:
            values (batch, d_out, *grid), zero where not observed, and the mask (batch, 1, *grid) of observed ones.

        Raises:
            ValueError: the pairs do not come from a grid.
        """
        if self.grid is None or self.cells is None:
            raise ValueError("these observations do not lie on a grid; use coords, values and mask")
        size = torch.Size(self.grid).numel()
        seen = self.mask.to(self.values.dtype)
        stacked = torch.cat([self.values * seen.unsqueeze(-1), seen.unsqueeze(-1)], dim=-1)
        # Padding has cell 0, as a real pair may: adding zeros keeps that pair's value, writing would replace it.
        flat = stacked.new_zeros(stacked.shape[0], size, stacked.shape[-1])
        flat = flat.scatter_add(1, self.cells.unsqueeze(-1).expand_as(stacked), stacked)
        dense = flat.transpose(1, 2).reshape(stacked.shape[0], -1, *self.grid)
        return dense[:, :-1], dense[:, -1:]

    @classmethod
    def empty(cls, items: Tensor, domain: Domain, dtype: torch.dtype = torch.float32) -> Context:
        """The context of a single signal: the indices of its items (batch,), and no observed pair."""
        batch, device = items.shape[0], items.device
        return cls(
            items=items,
            coords=torch.zeros(batch, 0, domain.d_in, dtype=dtype, device=device),
            values=torch.zeros(batch, 0, domain.d_out, dtype=dtype, device=device),
            mask=torch.zeros(batch, 0, dtype=torch.bool, device=device),
        )


@dataclass(frozen=True)
class Batch(OnDevice):
    """The data of one training step: the encoder's context, and named point sets where constraints are evaluated.

    Attributes:
        context: the encoder's input.
        points: sets such as `pixels`, `interior`, `boundary`, `surface`.
    """

    context: Context
    points: Mapping[str, Points]


class Dataset(ABC):
    """A set of signals in named splits.

    Attributes:
        title: the true name, as tables print it.
        splits: number of items by split, such as {"train": 7952, "val": 1066}.
        domain: input and output dimensions of the signals, and their grid.
        provenance: where the data comes from, as tables print it, such as {"filter": "bilinear"}. Its
            `shape`, the length of signals or how they were cut or resized, is printed when training starts.
        metadata: plain data that converts a field's values and coordinates to physical units without the data:
            a sampling rate, a shape's centre and scale. They are kept with the run.
        renderer: name of the renderer that `metasiren render` takes for such fields, or None.
        instead_of: pairs of options of which the data set takes one, such as {"path": "source"}: what a person sets
            takes the place of what a preset sets. Both set by a person are an error.
        points_of: options that only fill a point set, and its name, such as {"interface": "interface"}: one that a
            person sets is an error where no constraint is evaluated there.
    """

    title: str
    splits: Mapping[str, int]
    domain: Domain
    provenance: Mapping[str, str] = {}
    metadata: Mapping[str, Any] = {}
    renderer: str | None = None
    instead_of: ClassVar[Mapping[str, str]] = {}
    points_of: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        """Data sets written for the former name `facts` of `metadata` keep working."""
        super().__init_subclass__(**options)
        if "facts" in vars(cls) and "metadata" not in vars(cls):
            cls.metadata = vars(cls)["facts"]

    @property
    def facts(self) -> Mapping[str, Any]:
        """The former name of `metadata`."""
        return self.metadata

    @facts.setter
    def facts(self, metadata: Mapping[str, Any]) -> None:
        self.metadata = metadata

    @abstractmethod
    def batch(
        self,
        split: str,
        items: Tensor,
        *,
        context: tuple[int, int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Batch:
        """The items' signals, with a freshly drawn context.

        Args:
            split: a key of `splits`.
            items: (batch,) indices within the split, on the dataset's device.
            context: least and most number of observed points, both included; None for all or none, as suits the set.
            generator: source of randomness, on the dataset's device.
        """

    def at_progress(self, progress: float) -> Dataset:
        """The data set at this point of the training: a curriculum, as a pure function of progress.

        Args:
            progress: the share of training that is done, from 0 to (below) 1.

        Returns:
            a set of the same domain and splits; the default is the set itself, always.
        """
        return self

    @property
    def has_curriculum(self) -> bool:
        """Whether `at_progress` changes the set at either end of the training."""
        return any(self.at_progress(progress) is not self for progress in (0.0, 1.0))

    def at_errors(self, errors: Callable[[str, Points], Tensor]) -> Dataset:
        """The set for a training step with the current model: points may be drawn where residuals are large.

        Args:
            errors: (point set, points) -> (batch, points), the magnitude of the constraints' residuals there, without
                gradients. It is valid for this step only.

        Returns:
            a set of the same domain and splits; the default is the set itself, and never calls `errors`.
        """
        return self

    @property
    def draws_alike(self) -> bool:
        """Whether each step draws by the same operations on the device, so that `train.graph` may capture the draw.

        By default where a class overrides neither `at_progress` nor `at_errors`; override it where that is wrong.
        """
        return (type(self).at_progress, type(self).at_errors) == (Dataset.at_progress, Dataset.at_errors)

    def state(self) -> dict[str, Tensor]:
        """What training has changed in the data, such as weights of points: tensors by name, kept in checkpoints.

        The default is nothing: most data sets are the same at every step.
        """
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:  # noqa: B027 (nothing to do by default)
        """Go back to a `state`, also to that of before the first step, which may be empty; the default does nothing."""

    def to(self, device: torch.device | str) -> Dataset:
        """Move tensors to the device where they fit, and return the dataset. The default moves nothing."""
        return self

    def tested_on(self, path: Path) -> Dataset:
        """The set with a person's own signals in place of those that a model is evaluated on.

        Args:
            path: a file or folder of signals.

        Returns:
            a set of the same domain, with this set's training split and the title of the person's signals.

        Raises:
            DataError: such data cannot be replaced (the default), or the files cannot be read.
        """
        found = f"{self.title} is not evaluated on other signals."
        raise DataError(str(path), found, "Name a run that trained a prior on images, such as celeba_cnn.")

    @classmethod
    def exact_conditions(cls, **options: Any) -> ExactConditions | None:
        """Conditions that fields of this data meet whatever their weights; None, the default, for none.

        It is called where a recipe gives the option `exact`, and reads no data: a run is opened without any.

        Args:
            options: those of the recipe.
        """
        return None

    @classmethod
    def unused(cls, **options: Any) -> Mapping[str, str]:
        """Options without effect beside the given ones, and the option that is the reason. Cheap: reads no data.

        Such as {"size": "path"} where a file has its own size. A person who sets such an option gets an error. That
        of a preset becomes null where a person sets the reason.

        Args:
            options: those of the recipe, which may be wrong in type.
        """
        return {}

    @classmethod
    def missing(cls, **options: Any) -> str | None:
        """Why this data cannot be used here, with the way to get it; None where it can. Cheap: reads no data."""
        return None
