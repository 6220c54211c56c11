"""The nouns that plugins and core share, and the interfaces that plugins fill.

batch -> encoder(context) -> latent -> decoder(latent) -> field -> constraints -> backward. One path for all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from torch import Tensor, nn

from metasiren.siren import Params, Siren

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from metasiren.jets import Jet


class _OnDevice:
    """Frozen dataclasses of tensors that move together."""

    def to(self, device: torch.device | str) -> Self:
        """A copy whose tensors (in mappings too) lie on `device`."""
        return self._map(lambda tensor: tensor.to(device))

    def cast(self, dtype: torch.dtype) -> Self:
        """A copy whose floating-point tensors have `dtype`; indices and masks stay."""
        return self._map(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)

    def _map(self, change: Callable[[Tensor], Tensor]) -> Self:
        def over(value: Any) -> Any:
            if isinstance(value, _OnDevice):
                return value._map(change)
            return change(value) if isinstance(value, Tensor) else value

        changed: dict[str, Any] = {}
        for f in fields(self):  # type: ignore[arg-type]
            value = getattr(self, f.name)
            changed[f.name] = {k: over(v) for k, v in value.items()} if isinstance(value, Mapping) else over(value)
        return replace(self, **changed)  # type: ignore[type-var]


@dataclass(frozen=True)
class Domain:
    """What a signal maps from and to: all that encoders and decoders may know of a dataset when they are built.

    Attributes:
        d_in: dimension of the coordinates.
        d_out: number of channels.
        grid: the sampling grid, such as (32, 32), where signals live on one; its first axis is coordinate 0.
        items: number of training signals (an auto-decoder keeps a latent for each).
    """

    d_in: int
    d_out: int
    grid: tuple[int, ...] | None = None
    items: int = 1


@dataclass(frozen=True)
class Points(_OnDevice):
    """Coordinates and what is known there.

    Attributes:
        coords: (batch, points, d_in), or (1, points, d_in) where all items share them.
        known: named tensors (batch, points, ...), such as `values` or `normals`.
    """

    coords: Tensor
    known: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def values(self) -> Tensor:
        """The signal's values (batch, points, d_out), where the set knows them."""
        return self.known["values"]


@dataclass(frozen=True)
class Context(_OnDevice):
    """All that an encoder may see: observed (coordinate, value) pairs. The answers are absent.

    Items of a batch may have observed different numbers of points: rows are padded at the end, and `mask`
    says which pairs are real. Padding is zero.

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
            values (batch, d_out, *grid), zero where nothing was observed, and
            the observation mask (batch, 1, *grid), 1 where a value was observed.

        Raises:
            ValueError: the pairs do not come from a grid.
        """
        if self.grid is None or self.cells is None:
            raise ValueError("these observations do not lie on a grid; use coords, values and mask")
        size = torch.Size(self.grid).numel()
        seen = self.mask.to(self.values.dtype)
        stacked = torch.cat([self.values * seen.unsqueeze(-1), seen.unsqueeze(-1)], dim=-1)
        # Padding shares cell 0 with a possible real pair: adding zeros leaves it alone, writing would not.
        flat = stacked.new_zeros(stacked.shape[0], size, stacked.shape[-1])
        flat = flat.scatter_add(1, self.cells.unsqueeze(-1).expand_as(stacked), stacked)
        dense = flat.transpose(1, 2).reshape(stacked.shape[0], -1, *self.grid)
        return dense[:, :-1], dense[:, -1:]

    @classmethod
    def empty(cls, items: Tensor, domain: Domain, dtype: torch.dtype = torch.float32) -> Context:
        """The context of a single signal: nothing but the item's index."""
        batch, device = items.shape[0], items.device
        return cls(
            items=items,
            coords=torch.zeros(batch, 0, domain.d_in, dtype=dtype, device=device),
            values=torch.zeros(batch, 0, domain.d_out, dtype=dtype, device=device),
            mask=torch.zeros(batch, 0, dtype=torch.bool, device=device),
        )


@dataclass(frozen=True)
class Batch(_OnDevice):
    """What one training step sees: the encoder's context, and named point sets that constraints question.

    Attributes:
        context: the encoder's input.
        points: sets such as `pixels`, `interior`, `boundary`, `surface`.
    """

    context: Context
    points: Mapping[str, Points]


@dataclass(frozen=True)
class Field:
    """A Siren with its parameters bound: a function of coordinates.

    Attributes:
        siren: the architecture.
        params: (instances, ...) weights.
    """

    siren: Siren
    params: Params

    def __call__(self, coords: Tensor) -> Tensor:
        """Values (batch, points, d_out) at coords (batch, points, d_in) or (points, d_in)."""
        return self.siren(self.params, coords)

    def jet(self, coords: Tensor, order: str, **options: Any) -> Jet:
        """Values and derivatives in one pass; see `metasiren.jets.jet`."""
        from metasiren.jets import jet

        return jet(self.siren, self.params, coords, order, **options)


@dataclass(frozen=True)
class Fit:
    """A field beside what it should be: what constraints and metrics question.

    Attributes:
        batch: the context and the point sets.
        latent: (batch, latent_dim), or (batch, tokens, latent_dim).
        field: the decoded field.
        jets: for each point set, values and derivatives there, evaluated once at the highest order asked for.
    """

    batch: Batch
    latent: Tensor
    field: Field
    jets: Mapping[str, Jet]


class Dataset(ABC):
    """A set of signals in named splits.

    Attributes:
        title: the true name, as tables print it.
        splits: number of items by split, such as {"train": 7952, "val": 1066}.
        domain: what the signals map from and to.
        provenance: facts that a table must carry, such as {"filter": "bilinear"}.
        facts: plain data that turns a field's values and coordinates back into a person's units without the data:
            a sampling rate, a shape's centre and scale. They are kept with the run.
        renderer: name of the renderer that `metasiren render` takes for such fields, or None.
    """

    title: str
    splits: Mapping[str, int]
    domain: Domain
    provenance: Mapping[str, str] = {}
    facts: Mapping[str, Any] = {}
    renderer: str | None = None

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
            context: least (included) and most (included) number of observed points; None for all or none,
                as befits the dataset.
            generator: source of randomness, on the dataset's device.
        """

    def at_progress(self, progress: float) -> Dataset:
        """The set as training shall see it at this point: a curriculum, as a pure function of progress.

        Args:
            progress: the share of training that is done, from 0 to (below) 1.

        Returns:
            a set of the same domain and splits; the default is the set itself, always.
        """
        return self

    def to(self, device: torch.device | str) -> Dataset:
        """Move what fits to the device, and return the dataset. The default moves nothing."""
        return self

    @classmethod
    def missing(cls, **options: Any) -> str | None:
        """Why this data cannot be used here, with the way to get it; None where it can. Cheap: reads no data."""
        return None


class Encoder(nn.Module, ABC):
    """Context -> latent.

    A constructor takes the `Domain` first, then keyword options with types and defaults: those are what a
    recipe may set.

    Attributes:
        latent_dim: size of the latent.
        claims: what contract checks hold it to (`metasiren.testing`): with `permutation` the order of the observed
            pairs does not matter, with `padding` masked pairs at the end do not. A sequence model drops the first.
    """

    latent_dim: int
    claims: ClassVar[frozenset[str]] = frozenset({"permutation", "padding"})

    @abstractmethod
    def forward(self, context: Context, decoder: Decoder) -> Tensor:
        """Latents (batch, latent_dim). `decoder` serves encoders that optimise a latent against it."""

    def fit(self, dataset: Dataset) -> None:
        """Compute in closed form what need not be trained; called once, before the first step."""
        return None

    def rehearse(
        self, batch: Batch, decoder: Decoder, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Batch]:
        """The latent and the targets of one training step; the default encodes the batch's context."""
        return self(batch.context, decoder), batch


class Decoder(nn.Module, ABC):
    """Latent -> SIREN parameters.

    A constructor takes the `Siren` and the latent's size first, then keyword options.
    """

    def __init__(self, siren: Siren, latent_dim: int) -> None:
        super().__init__()
        self.siren, self.latent_dim = siren, latent_dim

    @abstractmethod
    def forward(self, latent: Tensor) -> Params:
        """Parameters of leading size `batch`, or 1 where all items share them."""

    def field(self, latent: Tensor) -> Field:
        """The decoded field."""
        return Field(self.siren, self(latent))


class Constraint(ABC):
    """Fit -> scalar. Its weight lives in the recipe.

    Attributes:
        at: the point set that it questions, or None (a prior on latents or weights).
        order: the derivatives that it needs there: `value`, `gradient`, `laplacian`, `hessian_diagonal`
            or `hessian`.
    """

    at: str | None = None
    order: str = "value"

    @abstractmethod
    def __call__(self, fit: Fit) -> Tensor:
        """The unweighted loss, a scalar."""

    def residuals(self, fit: Fit) -> Tensor | None:
        """What the loss sums the squares of, for optimisers of least squares such as `gauss_newton`.

        Returns:
            (batch, points, components), where the loss is the mean over batch and points of the sum of the squared
            components, and each point's components depend on the field at that point alone; None (the default)
            where the loss is no such sum.
        """
        return None


class Model(nn.Module):
    """An encoder and a decoder: Context -> Field."""

    def __init__(self, encoder: Encoder, decoder: Decoder) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, context: Context) -> Field:
        """The field of every item of the context, in the dtype of the weights."""
        dtype = next((p.dtype for p in self.parameters()), torch.float32)
        context = context.cast(dtype)
        return self.decoder.field(self.encoder(context, self.decoder))

    def signal(self, domain: Domain, item: int = 0) -> Field:
        """The field of a single signal: of item `item`, with nothing observed."""
        place = next((p.device for p in self.parameters()), torch.device("cpu"))
        field: Field = self(Context.empty(torch.tensor([item], device=place), domain))
        return field


class Protocol(ABC):
    """How a trained model is judged, and what is written about it."""

    @abstractmethod
    def evaluate(
        self,
        model: Model,
        dataset: Dataset,
        results: Path,
        *,
        name: str,
        limit: int | None = None,
        refine: int = 0,
        device: torch.device | str = "cpu",
    ) -> pd.DataFrame:
        """Judge the model, write files into the folder `results`, and return the table that they hold.

        Args:
            model: in evaluation mode, on `device`.
            dataset: on `device`.
            results: an existing folder.
            name: the model's row in the table.
            limit: judge only the first so many items.
            refine: steps of test-time optimisation of each latent against its context.
            device: where model and data lie.
        """

    def preview(
        self, model: Model, dataset: Dataset, path: Path, *, device: torch.device | str = "cpu"
    ) -> Tensor | None:
        """Draw a picture of a model in training into the file `path`, without touching global random state.

        Returns:
            The picture, uint8 (3, rows, columns), for TensorBoard; None where there is nothing to draw.
        """
        return None


class Metric(ABC):
    """Fit -> one number per item.

    Attributes:
        unit: such as `dB`; empty for a plain number.
        at: the point set that it questions, or None.
        order: the derivatives that it needs there, as for a constraint.
    """

    unit: ClassVar[str] = ""
    at: str | None = None
    order: str = "value"

    @abstractmethod
    def __call__(self, fit: Fit) -> Tensor:
        """(batch,) numbers."""


class Renderer(ABC):
    """Field -> file, at any resolution: a picture, a sound, a clip, a mesh.

    A constructor takes keyword options: what `metasiren render --size`, `--resolution` and `--set` give.

    Attributes:
        suffixes: of the files that it writes, such as (".png", ".jpg").
    """

    suffixes: ClassVar[tuple[str, ...]]

    @abstractmethod
    def render(self, field: Field, domain: Domain, facts: Mapping[str, Any], path: Path) -> None:
        """Sample the field and write it, in a person's units.

        Args:
            field: of a single signal; no gradients are kept.
            domain: of the data that it was fitted to.
            facts: `Dataset.facts` of that data.
            path: the file to write; its suffix is one of `suffixes`.
        """
