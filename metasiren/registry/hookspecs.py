"""The hooks that a plugin may implement.

A hook returns data: `{name: factory}`. A factory is a class, a callable, or a string `"module:attribute"` that is
imported only when a recipe names the part, so that listing plugins stays fast. Its keyword options, with their
annotations and defaults, are what a recipe may set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import click

    from metasiren.runs.directory import Run

API_VERSION = 1
"""The version of this interface. A plugin may declare `METASIREN_API = 1`; another number is refused with a reason."""

PROJECT = "metasiren"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function of a plugin as the implementation of the hook of its name: `@hookimpl`."""

Factory = Callable[..., Any] | str
Parts = Mapping[str, Factory]


@hookspec
def metasiren_datasets() -> Parts:
    """Sets of signals: `factory(**options) -> Dataset`."""


@hookspec
def metasiren_encoders() -> Parts:
    """Context to latent: `factory(domain, **options) -> Encoder`."""


@hookspec
def metasiren_decoders() -> Parts:
    """Latent to SIREN parameters: `factory(siren, latent_dim, **options) -> Decoder`."""


@hookspec
def metasiren_activations() -> Parts:
    """Nonlinearities of a SIREN: `factory(**options) -> Activation`; a recipe names one at `siren.nonlinearity`."""


@hookspec
def metasiren_input_encodings() -> Parts:
    """Features of coordinates: `factory(domain, **options) -> InputLayer`; named at `siren.input_layer`."""


@hookspec
def metasiren_constraints() -> Parts:
    """Prediction to scalar: `factory(**options) -> Constraint`."""


@hookspec
def metasiren_optimizers() -> Parts:
    """`factory(parameters, *, lr, **options) -> torch.optim.Optimizer`."""


@hookspec
def metasiren_metrics() -> Parts:
    """Prediction to one number per item: `factory(**options) -> Metric`."""


@hookspec
def metasiren_protocols() -> Parts:
    """How a trained model is evaluated: `factory(**options) -> Protocol` (`metasiren.contracts.Protocol`)."""


@hookspec
def metasiren_renderers() -> Parts:
    """Field to file, for `metasiren render`: `factory(**options) -> Renderer` (`metasiren.contracts.Renderer`)."""


@hookspec
def metasiren_commands(cli: click.Group) -> None:
    """Add commands to the command line."""


@hookspec
def metasiren_run_started(run: Run) -> None:
    """A run directory has been made and its parts assembled. For observation: it must not change the run."""


@hookspec
def metasiren_step_ended(run: Run, step: int, losses: Mapping[str, float]) -> None:
    """A logged step has ended; losses by name. For observation: it must not change the run."""


@hookspec
def metasiren_run_ended(run: Run) -> None:
    """Training and evaluation have ended. For observation: it must not change the run."""
