"""metasiren: implicit neural representations, and priors over them.

Names are imported when first used, so that `import metasiren` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metasiren.contracts import (
        Batch,
        Constraint,
        Context,
        Dataset,
        Decoder,
        Domain,
        Encoder,
        Field,
        Fit,
        Metric,
        Model,
        Points,
        Protocol,
    )
    from metasiren.errors import (
        DataError,
        MetasirenError,
        PluginError,
        RecipeError,
        RunError,
        TrainingError,
        did_you_mean,
    )
    from metasiren.experiment import run
    from metasiren.grids import grid
    from metasiren.hookspecs import hookimpl
    from metasiren.jets import Jet, jet
    from metasiren.recipe import Recipe, load_recipe
    from metasiren.runs import Run, open_run
    from metasiren.siren import Params, Siren

_HOMES = {
    "contracts": "Batch Constraint Context Dataset Decoder Domain Encoder Field Fit Metric Model Points Protocol",
    "errors": "DataError MetasirenError PluginError RecipeError RunError TrainingError did_you_mean",
    "experiment": "run",
    "grids": "grid",
    "hookspecs": "hookimpl",
    "jets": "Jet jet",
    "recipe": "Recipe load_recipe",
    "runs": "Run open_run",
    "siren": "Params Siren",
}
_HOME = {name: f"metasiren.{module}" for module, names in _HOMES.items() for name in names.split()}

__all__ = [
    "Batch",
    "Constraint",
    "Context",
    "DataError",
    "Dataset",
    "Decoder",
    "Domain",
    "Encoder",
    "Field",
    "Fit",
    "Jet",
    "MetasirenError",
    "Metric",
    "Model",
    "Params",
    "PluginError",
    "Points",
    "Protocol",
    "Recipe",
    "RecipeError",
    "Run",
    "RunError",
    "Siren",
    "TrainingError",
    "did_you_mean",
    "grid",
    "hookimpl",
    "jet",
    "load_recipe",
    "open_run",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'metasiren' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
