"""metasiren: implicit neural representations, and priors over them.

Names are imported when first used, so that `import metasiren` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metasiren.contracts import (
        FULL_EVALUATION,
        Batch,
        BatchOptimizer,
        Constraint,
        Context,
        Dataset,
        Decoder,
        Domain,
        Encoder,
        EvaluationOptions,
        Field,
        Metric,
        Model,
        Points,
        Prediction,
        Problem,
        Protocol,
        Renderer,
        Residual,
    )
    from metasiren.contracts.files import (
        demand_black_and_white,
        demand_file,
        is_web_page,
        npz_sizes,
        opened_picture,
        picture_formats,
        why_no_file,
    )
    from metasiren.contracts.memory import available_bytes, demand_memory
    from metasiren.contracts.modules import as_module, from_module
    from metasiren.contracts.pictures import is_transparent, plain_picture
    from metasiren.contracts.proportions import same_proportions, width_by_height
    from metasiren.contracts.quality import psnr
    from metasiren.engine.bar import progress_bar
    from metasiren.engine.choosing import load_recipe
    from metasiren.engine.devices import pick_device
    from metasiren.engine.running import run
    from metasiren.errors import (
        DataError,
        InterruptedRunError,
        MetasirenError,
        PluginError,
        RecipeError,
        RunError,
        RunWarning,
        TrainingError,
        demand_new,
        did_you_mean,
    )
    from metasiren.json_files import json_object, read_json
    from metasiren.nn.activations import Activation, Sine
    from metasiren.nn.cholesky import damped_cholesky
    from metasiren.nn.derivatives.exact import ExactConditions
    from metasiren.nn.derivatives.jets import feature_jet, jet
    from metasiren.nn.derivatives.orders import Jet, SecondSums, UpTo
    from metasiren.nn.encodings import Expansion, InputLayer
    from metasiren.nn.grids import grid
    from metasiren.nn.initial import Distribution, Normal, Uniform
    from metasiren.nn.layers import Layer, Params
    from metasiren.nn.siren import Siren
    from metasiren.recipe import Recipe, read_overrides
    from metasiren.registry.catalogue import Catalogue, load_catalogue
    from metasiren.registry.extras import load_extra
    from metasiren.registry.hookspecs import hookimpl
    from metasiren.results.comparison import Comparison, ComparisonRow, write_metrics
    from metasiren.results.sheet import picture_boxes, picture_sheet, save_picture
    from metasiren.results.table import (
        Table,
        TableRow,
        join_tables,
        read_table,
        render_table,
        table_frame,
        write_table,
    )
    from metasiren.results.text import least_within_errors
    from metasiren.runs.directory import Run, open_run

_HOMES = {
    "contracts": "Batch BatchOptimizer Constraint Context Dataset Decoder Domain Encoder EvaluationOptions "
    "FULL_EVALUATION Field Fit Metric Model Points Prediction Problem Protocol Renderer Residual",
    "contracts.files": "demand_black_and_white demand_file is_web_page npz_sizes opened_picture picture_formats "
    "why_no_file",
    "json_files": "json_object read_json",
    "contracts.pictures": "is_transparent plain_picture",
    "contracts.proportions": "same_proportions width_by_height",
    "contracts.memory": "available_bytes demand_memory",
    "contracts.quality": "psnr",
    "engine.bar": "progress_bar",
    "engine.choosing": "load_recipe",
    "contracts.modules": "as_module from_module",
    "engine.devices": "pick_device",
    "engine.running": "run",
    "errors": "DataError InterruptedRunError MetasirenError PluginError RecipeError RunError RunWarning TrainingError "
    "demand_new did_you_mean",
    "nn.activations": "Activation Sine",
    "nn.cholesky": "damped_cholesky",
    "nn.derivatives.exact": "ExactConditions",
    "nn.derivatives.jets": "feature_jet jet",
    "nn.derivatives.orders": "Jet SecondSums UpTo",
    "nn.encodings": "Expansion InputLayer",
    "nn.grids": "grid",
    "nn.initial": "Distribution Normal Uniform",
    "nn.layers": "Layer Params",
    "nn.siren": "Siren",
    "recipe": "Recipe read_overrides",
    "registry.catalogue": "Catalogue load_catalogue",
    "registry.extras": "load_extra",
    "registry.hookspecs": "hookimpl",
    "results.comparison": "Comparison ComparisonRow write_metrics",
    "results.sheet": "picture_boxes picture_sheet save_picture",
    "results.table": "Table TableRow join_tables read_table render_table table_frame write_table",
    "results.text": "least_within_errors",
    "runs.directory": "Run open_run",
}
_HOME = {name: f"metasiren.{module}" for module, names in _HOMES.items() for name in names.split()}

__all__ = [
    "FULL_EVALUATION",
    "Activation",
    "Batch",
    "BatchOptimizer",
    "Catalogue",
    "Comparison",
    "ComparisonRow",
    "Constraint",
    "Context",
    "DataError",
    "Dataset",
    "Decoder",
    "Distribution",
    "Domain",
    "Encoder",
    "EvaluationOptions",
    "ExactConditions",
    "Expansion",
    "Field",
    "InputLayer",
    "InterruptedRunError",
    "Jet",
    "Layer",
    "MetasirenError",
    "Metric",
    "Model",
    "Normal",
    "Params",
    "PluginError",
    "Points",
    "Prediction",
    "Problem",
    "Protocol",
    "Recipe",
    "RecipeError",
    "Renderer",
    "Residual",
    "Run",
    "RunError",
    "RunWarning",
    "SecondSums",
    "Sine",
    "Siren",
    "Table",
    "TableRow",
    "TrainingError",
    "Uniform",
    "UpTo",
    "as_module",
    "available_bytes",
    "damped_cholesky",
    "demand_black_and_white",
    "demand_file",
    "demand_memory",
    "demand_new",
    "did_you_mean",
    "feature_jet",
    "from_module",
    "grid",
    "hookimpl",
    "is_transparent",
    "is_web_page",
    "jet",
    "join_tables",
    "json_object",
    "least_within_errors",
    "load_catalogue",
    "load_extra",
    "load_recipe",
    "npz_sizes",
    "open_run",
    "opened_picture",
    "pick_device",
    "picture_boxes",
    "picture_formats",
    "picture_sheet",
    "plain_picture",
    "progress_bar",
    "psnr",
    "read_json",
    "read_overrides",
    "read_table",
    "render_table",
    "run",
    "same_proportions",
    "save_picture",
    "table_frame",
    "why_no_file",
    "width_by_height",
    "write_metrics",
    "write_table",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'metasiren' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
