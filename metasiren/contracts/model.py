"""From a context to a field: encoder, decoder, and the field that they give."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from metasiren.contracts.data import Batch, Context, Dataset
from metasiren.contracts.perceptron import perceptron
from metasiren.nn.derivatives.jets import jet
from metasiren.nn.derivatives.orders import Jet, Order
from metasiren.nn.domain import Domain
from metasiren.nn.layers import Params
from metasiren.nn.siren import Siren


@dataclass(frozen=True)
class Field:
    """A Siren with its parameters bound: a function of coordinates.

    Attributes:
        siren: the architecture.
        params: (instances, ...) weights.
        single: whether this is the field of one signal, which drops the instance axis where coordinates have none.
    """

    siren: Siren
    params: Params
    single: bool = False

    def __call__(self, coords: Tensor) -> Tensor:
        """Values (batch, points, d_out) at coords (batch, points, d_in) or (points, d_in).

        A `single` field, such as `Run.field()` gives, has values (points, d_out) at coords (points, d_in).
        Coordinates in float64 are rounded to narrower weights with a warning; `double()` keeps them.

        Raises:
            TypeError: coordinates that are no tensor.
            ValueError: coordinates of another shape.
        """
        self._check(coords)
        values = self.siren(self.params, coords)
        return values[0] if self.single and coords.dim() == 2 else values

    def _check(self, coords: Tensor) -> None:
        some, d_in = next(iter(self.params.values())), self.siren.in_features
        if not isinstance(coords, Tensor):
            found = f"coords are {type(coords).__module__}.{type(coords).__qualname__}".replace("builtins.", "")
            raise TypeError(f"{found}; expected a tensor: torch.as_tensor(coords, dtype={some.dtype}) makes one")
        if coords.dim() not in (2, 3) or coords.shape[-1] != d_in:
            advice = "; coords[None] is one point" if coords.shape == (d_in,) else ""
            expected = f"expected (points, {d_in}) or (batch, points, {d_in})"
            raise ValueError(f"coords are {tuple(coords.shape)}; {expected}{advice}")
        if coords.dtype == torch.float64 != some.dtype:
            words = f"float64 coordinates are rounded to float32, as the weights are {some.dtype}; see Field.double()"
            warnings.warn(words, stacklevel=3)

    def jet(self, coords: Tensor, order: Order, **options: Any) -> Jet:
        """Values and derivatives in one pass; errors and warnings of coordinates as for values.

        Args:
            coords: (points, in), or (batch, points, in).
            order: such as `gradient` or `laplacian`; see `metasiren.jet`.
            options: `weights` and `chunk_points` of `metasiren.jet`.

        Returns:
            The jet, its tensors (batch, points, out, ...), also for (points, in).
        """
        self._check(coords)
        return jet(self.siren, self.params, coords, order, **options)

    def detach(self) -> Field:
        """The same function, whose weights are constants."""
        return Field(self.siren, {name: value.detach() for name, value in self.params.items()}, self.single)

    def requires_grad_(self, wanted: bool = True) -> Field:
        """Let the weights need gradients (or not), in place; returns the field."""
        for value in self.params.values():
            value.requires_grad_(wanted)
        return self

    def to(self, *args: Any, **options: Any) -> Field:
        """The field on another device or of another dtype, as `torch.Tensor.to` takes them."""
        moved = {name: value.to(*args, **options) for name, value in self.params.items()}
        return Field(self.siren, moved, self.single)

    def double(self) -> Field:
        """The field in float64."""
        return self.to(torch.float64)

    def float(self) -> Field:
        """The field in float32."""
        return self.to(torch.float32)

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """(name, weights) with names that `nn.ParameterDict` takes: `0_weight` for the checkpoint's `0.weight`."""
        return ((name.replace(".", "_"), value) for name, value in self.params.items())

    def parameters(self) -> Iterator[Tensor]:
        """The weights, as optimisers take them."""
        return iter(self.params.values())

    def state_dict(self) -> dict[str, Tensor]:
        """Detached weights by the names of `named_parameters`."""
        return {name: value.detach() for name, value in self.named_parameters()}

    def module(self) -> FieldModule:
        """A copy as an `nn.Module` with weights to train, for use inside one's own modules."""
        return FieldModule(self)

    def as_module(self, *, fold: bool = False, instance: int | None = None) -> nn.Sequential:
        """A copy without this library: an `nn.Sequential` of `nn.Linear`, (..., d_in) -> (..., d_out).

        `metasiren.from_module` is the way back.

        Args:
            fold: multiply every weight and bias by its layer's frequency, so that sines are plain sines. Otherwise
                frequencies stay in the sines, and the weights are those of `params`.
            instance: which one, of a field that holds several.

        Returns:
            linear layers named "0", "1", ... as in `params`, with a nonlinearity after each but the last.

        Raises:
            ValueError: several instances and no index, or an index out of range.
            RecipeError: a field that meets conditions exactly.
        """
        return perceptron(self.siren, self.params, fold=fold, instance=instance)

    def __repr__(self) -> str:
        """One line: architecture, instances, weights, dtype and device."""
        some = next(iter(self.params.values()))
        siren, count = self.siren, sum(value[0].numel() for value in self.params.values())
        return (
            f"Field({siren.in_features} -> {siren.out_features}, {siren.hidden_layers} hidden layers of "
            f"{siren.hidden_features}, {len(some)} x {count:,} weights, {some.dtype}, {some.device})"
        )

    def _repr_html_(self) -> str:
        """What notebooks show."""
        from metasiren.contracts.notebook import field_html

        return field_html(self.siren, self.params)


class FieldModule(nn.Module):
    """A field as a module of torch: it has parameters, moves, saves, exports, and lies inside other modules.

    Args:
        field: whose weights are copied.
    """

    def __init__(self, field: Field) -> None:
        super().__init__()
        self.siren = field.siren
        self.names = list(field.params)
        self.weights = nn.ParameterDict({k: nn.Parameter(v.detach().clone()) for k, v in field.named_parameters()})

    @property
    def field(self) -> Field:
        """The field of the present weights."""
        return Field(self.siren, {name: self.weights[name.replace(".", "_")] for name in self.names})

    def forward(self, coords: Tensor) -> Tensor:
        """Values at coords (points, d_in): (points, d_out) of a single field; else with the instances first.

        Raises:
            TypeError: coordinates of another dtype than the weights; they would be rounded silently.
        """
        params = self.field.params
        some = next(iter(params.values()))
        if coords.dtype != some.dtype:
            found = f"coordinates are {coords.dtype}, weights {some.dtype}"
            raise TypeError(f"{found}: cast one of them, with coords.to(...) or module.double().")
        values = self.siren(params, coords)
        return values[0] if coords.dim() == 2 and len(some) == 1 else values


class Encoder(nn.Module, ABC):
    """Context -> latent.

    A constructor takes the `Domain` first, then keyword options with types and defaults: those are what a
    recipe may set.

    Attributes:
        latent_dim: size of the latent.
        invariances: what contract checks test (`metasiren.testing`): with `permutation` the order of the observed
            pairs does not matter, with `padding` masked pairs at the end do not. A sequence model drops the first.
    """

    latent_dim: int
    invariances: ClassVar[frozenset[str]] = frozenset({"permutation", "padding"})

    def __init_subclass__(cls, **options: Any) -> None:
        """Encoders written for the former names `claims` and `rehearse` keep working."""
        super().__init_subclass__(**options)
        for former, name in (("claims", "invariances"), ("rehearse", "training_pair")):
            if former in vars(cls) and name not in vars(cls):
                setattr(cls, name, vars(cls)[former])

    @abstractmethod
    def forward(self, context: Context, decoder: Decoder) -> Tensor:
        """Latents (batch, latent_dim). `decoder` serves encoders that optimise a latent against it."""

    def fit(self, dataset: Dataset) -> None:
        """Compute the parameters that have a closed form; called once, before the first step."""
        return None

    def draws(self, context: Context, count: int, generator: torch.Generator | None = None) -> Tensor | None:
        """Latents (count, batch, latent_dim) of signals drawn from the posterior, given the context.

        None, the default, where the encoder has no distribution over latents.
        """
        return None

    def training_pair(
        self, batch: Batch, decoder: Decoder, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Batch]:
        """The latent and the targets of one training step; the default encodes the batch's context.

        Args:
            batch: as the data set drew it.
            decoder: for which the latent is meant.
            generator: source of what an encoder draws in training.

        Returns:
            The latent (batch, latent_dim) or (batch, tokens, latent_dim), and the batch for the constraints.
        """
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
