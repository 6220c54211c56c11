"""The output of a trained model: tables by protocols, files by renderers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from metasiren.contracts.data import Dataset
from metasiren.contracts.field import Field
from metasiren.contracts.model import Model
from metasiren.nn.domain import Domain

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class EvaluationOptions:
    """Options of an evaluation that are not part of the recipe.

    Attributes:
        limit: evaluate only the first so many items; None for all.
        refine: steps of test-time optimisation for each item, against its context.
    """

    limit: int | None = None
    refine: int = 0


FULL_EVALUATION = EvaluationOptions()
"""All items, without refinement."""


class Protocol(ABC):
    """How a trained model is evaluated, and what is written about it.

    Attributes:
        takes: the fields of `EvaluationOptions` that this protocol uses. Others are refused before it is called.
        captions: what the pictures, sounds and clips that it writes show: file name -> one or two sentences. They are
            written to results/captions.json, and a report prints them below the files.
    """

    takes: ClassVar[frozenset[str]] = frozenset()
    captions: ClassVar[Mapping[str, str]] = {}

    @abstractmethod
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
        """Evaluate the model, write files into the folder `results`, and return the table that they hold.

        Args:
            model: in evaluation mode, on `device`.
            dataset: on `device`.
            results: an existing folder.
            name: the model's row in the table.
            options: how much to evaluate; only what `takes` names differs from the defaults.
            device: where model and data lie.
        """

    def check(self, dataset: Dataset) -> None:  # noqa: B027 (nothing to check by default)
        """Refuse data that this protocol cannot evaluate; called before training, and before each evaluation.

        Evaluation may come after days of training: what is certain before them should be found here. The default
        accepts any data.

        Args:
            dataset: on the CPU; draw few items of it at most.

        Raises:
            RecipeError, DataError: saying what the data lacks, and what it has, such as the names of its point sets.
        """

    def preview(
        self, model: Model, dataset: Dataset, path: Path, *, device: torch.device | str = "cpu"
    ) -> Tensor | None:
        """Draw a picture of a model in training into the file `path`, without touching global random state.

        Returns:
            The picture, uint8 (3, rows, columns), for TensorBoard; None where there is nothing to draw.
        """
        return None


class Renderer(ABC):
    """Field -> file, at any resolution: a picture, a sound, a clip, a mesh.

    A constructor takes keyword options: what `metasiren render --size`, `--resolution` and `--set` give.

    Attributes:
        suffixes: of the files that it writes, such as (".png", ".jpg").
    """

    suffixes: ClassVar[tuple[str, ...]]

    @abstractmethod
    def render(self, field: Field, domain: Domain, metadata: Mapping[str, Any], path: Path) -> None:
        """Sample the field and write it, in physical units.

        Args:
            field: of a single signal; no gradients are kept.
            domain: of the data that it was fitted to.
            metadata: `Dataset.metadata` of that data.
            path: the file to write; its suffix is one of `suffixes`.
        """
