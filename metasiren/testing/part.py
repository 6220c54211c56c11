"""A part under test: what makes it, from which options, and which checks it is known to fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import nn

from metasiren.contracts import Dataset, Decoder
from metasiren.nn.siren import Siren
from metasiren.registry.catalogue import load_catalogue, options_model
from metasiren.testing.signals import LastLayer, Ripples, small_siren


@dataclass(frozen=True)
class Part:
    """A part to check.

    Args:
        kind: `encoder`, `decoder`, `activation`, `input_encoding`, `dataset`, `constraint` or `metric`.
        factory: the class or callable that a plugin offers, or the name of an installed part.
        options: as a recipe would give them. Keep parts small here: every check builds one.
        dataset: the signals that the part is checked on; by default eight smooth 32x32 images of three channels.
        latent_dim: for decoders, and for the latents of constraints and metrics.
        expected_failures: check name -> why this part is expected to fail it. If the check passes all the same, that is
            a failure.
    """

    kind: str
    factory: Callable[..., Any] | str
    options: Mapping[str, Any] = field(default_factory=dict)
    dataset: Dataset = field(default_factory=Ripples)
    latent_dim: int = 8
    expected_failures: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The installed part's name, or the factory's."""
        return self.factory if isinstance(self.factory, str) else getattr(self.factory, "__name__", repr(self.factory))

    @property
    def label(self) -> str:
        """Kind and name, such as `encoder cnn`."""
        return f"{self.kind} {self.name}"

    @cached_property
    def loaded(self) -> Callable[..., Any]:
        """The factory itself.

        Raises:
            RecipeError, PluginError: no installed part has that name, or it cannot be imported.
        """
        if isinstance(self.factory, str):
            return load_catalogue().factory(self.kind, self.factory, f"check {self.kind}")
        return self.factory

    @property
    def siren(self) -> Siren:
        """The architecture that decoders are checked with."""
        return small_siren(self.dataset.domain)

    def make(self, *, seed: int = 0, options: Mapping[str, Any] | None = None) -> Any:
        """Build the part as a recipe would, its weights drawn under `seed`; encoders are fitted to the data set."""
        given = self.given(options)
        with seeded(seed):
            made = self.loaded(*self._supplied(), **given)
            if self.kind == "encoder":
                made.fit(self.dataset)
        return made

    def given(self, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The options (the part's own, if none are given), converted to the types of the signature."""
        checked = options_model(self.kind, self.loaded).model_validate(
            dict(self.options if options is None else options)
        )
        return {key: getattr(checked, key) for key in checked.model_fields_set}

    def _supplied(self) -> tuple[Any, ...]:
        if self.kind in ("encoder", "input_encoding"):
            return (self.dataset.domain,)
        return (self.siren, self.latent_dim) if self.kind == "decoder" else ()

    def companion(self, latent_dim: int) -> Decoder:
        """A small decoder for an encoder of that latent size."""
        with seeded(1):
            return LastLayer(self.siren, latent_dim)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's global generator starts from `seed`, and is left as it was found."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def trainable(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that an optimiser would be given."""
    return {name: p for name, p in module.named_parameters() if p.requires_grad}
