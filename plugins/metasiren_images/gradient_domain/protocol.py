"""The base of protocols for fields fitted to derivatives: sampling the field at the pixels, and writing results."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from metasiren import (
    FULL_EVALUATION,
    Comparison,
    ComparisonRow,
    Dataset,
    EvaluationOptions,
    Field,
    Model,
    Protocol,
    grid,
    save_picture,
    write_metrics,
)
from metasiren_images.single.views import Views

Data = TypeVar("Data", bound=Dataset)


@dataclass(frozen=True, kw_only=True)
class ComparedProtocol(Protocol, Generic[Data]):
    """A field's values and exact derivatives at a data set's pixels, evaluated as the subclass says.

    Args:
        chunk_points: pixels evaluated at a time, which bounds memory.
    """

    chunk_points: int = 1 << 14

    @abstractmethod
    def of(self, dataset: Dataset) -> Data:
        """The data set; raises a DataError where this protocol cannot evaluate it."""

    @abstractmethod
    def measures(self, made: Views, data: Data) -> dict[str, float | None]:
        """The numbers of a field, from its views as they are."""

    @abstractmethod
    def pictures(self, made: Views, data: Data) -> Mapping[str, Image.Image]:
        """What the folder of results shows of a field, by file name without its ending."""

    @abstractmethod
    def figure(self, made: Views, data: Data, numbers: Mapping[str, float | None] | None = None) -> Image.Image:
        """One page of a field and what it should be, with the numbers where they are known."""

    @abstractmethod
    def others(self, data: Data) -> list[ComparisonRow]:
        """The rows beside the field's: exact solutions, and published numbers."""

    def numbers(self, model: Model, dataset: Dataset) -> dict[str, float | None]:
        """The metrics of a model, without writing anything.

        Raises:
            DataError: data that this protocol cannot evaluate.
        """
        data = self.of(dataset)
        return self.measures(self._views(model, data), data)

    def evaluate(
        self,
        model: Model,
        dataset: Dataset,
        results: Path,
        *,
        name: str,
        options: EvaluationOptions = FULL_EVALUATION,
        device: torch.device | str = "cpu",
    ) -> pd.DataFrame:
        """As `metasiren.Protocol.evaluate`; writes figure.png and the subclass's pictures too.

        Raises:
            DataError: data that this protocol cannot evaluate.
        """
        data = self.of(dataset)
        made = self._views(model, data)
        numbers = self.measures(made, data)
        pages = {**self.pictures(made, data), "figure": self.figure(made, data, numbers)}
        for stem, page in pages.items():
            page.save(results / f"{stem}.png")
        write_metrics(results, numbers)
        rows = [ComparisonRow(name=name, kind="model", metrics=numbers), *self.others(data)]
        comparison = Comparison(title=data.title, rows=rows)
        comparison.write(results)
        return comparison.frame()

    def check(self, dataset: Dataset) -> None:
        """As `metasiren.Protocol.check`.

        Raises:
            DataError: data that this protocol cannot evaluate.
        """
        self.of(dataset)

    def preview(self, model: Model, dataset: Dataset, path: Path, *, device: torch.device | str = "cpu") -> Tensor:
        """The page `figure` of a model in training."""
        data = self.of(dataset)
        page = self.figure(self._views(model, data), data)
        return save_picture(page, path)

    def _views(self, model: Model, data: Data) -> Views:
        return field_views(model.signal(data.domain), data, self.chunk_points)


def field_views(field: Field, data: Dataset, chunk_points: int) -> Views:
    """Values and exact derivatives per unit of the coordinates at the pixels of a data set."""
    shape = data.domain.grid
    assert shape is not None
    like = next(iter(field.params.values()))
    with torch.no_grad():
        jet = field.jet(grid(shape).to(like), "laplacian", chunk_points=chunk_points)
    parts = (jet.value, jet.gradient, jet.laplacian)
    arrays = [part[0].double().cpu().numpy() for part in parts if part is not None]
    return Views(*(array.reshape(*shape, *array.shape[1:]) for array in arrays))
