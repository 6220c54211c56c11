"""metasiren: implicit neural representations, and priors over them.

Names are imported when first used, so that `import metasiren` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metasiren.comparison import Comparison, ComparisonRow, write_metrics
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
        Renderer,
    )
    from metasiren.damped import damped_cholesky
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
    from metasiren.extras import load_extra
    from metasiren.grids import grid
    from metasiren.hookspecs import hookimpl
    from metasiren.jets import Jet, feature_jet, jet
    from metasiren.optimization import BatchOptimizer, Problem
    from metasiren.recipe import Recipe, load_recipe, read_overrides
    from metasiren.runs import Run, open_run
    from metasiren.siren import Params, Siren

_HOMES = {
    "comparison": "Comparison ComparisonRow write_metrics",
    "contracts": "Batch Constraint Context Dataset Decoder Domain Encoder Field Fit Metric Model Points Protocol "
    "Renderer",
    "damped": "damped_cholesky",
    "errors": "DataError MetasirenError PluginError RecipeError RunError TrainingError did_you_mean",
    "experiment": "run",
    "extras": "load_extra",
    "grids": "grid",
    "hookspecs": "hookimpl",
    "jets": "Jet feature_jet jet",
    "optimization": "BatchOptimizer Problem",
    "recipe": "Recipe load_recipe read_overrides",
    "runs": "Run open_run",
    "siren": "Params Siren",
}
_HOME = {name: f"metasiren.{module}" for module, names in _HOMES.items() for name in names.split()}

__all__ = [
    "Batch",
    "BatchOptimizer",
    "Comparison",
    "ComparisonRow",
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
    "Problem",
    "Protocol",
    "Recipe",
    "RecipeError",
    "Renderer",
    "Run",
    "RunError",
    "Siren",
    "TrainingError",
    "damped_cholesky",
    "did_you_mean",
    "feature_jet",
    "grid",
    "hookimpl",
    "jet",
    "load_extra",
    "load_recipe",
    "open_run",
    "read_overrides",
    "run",
    "write_metrics",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'metasiren' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
