"""Fields as programs: torch.export (.pt2) and ONNX."""

from __future__ import annotations

import io
import warnings
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from metasiren import ExactConditions, Field, as_module, load_extra

POINTS = "points"


class WithConditions(nn.Module):
    """A network whose values meet conditions exactly.

    Args:
        layers: the network, coords (points, in) -> values (points, out).
        exact: the conditions.
    """

    def __init__(self, layers: nn.Module, exact: ExactConditions) -> None:
        super().__init__()
        self.layers, self.exact = layers, exact

    def forward(self, coords: Tensor) -> Tensor:
        """Values (points, out) at coords (points, in)."""
        return self.exact.values(coords, self.layers(coords))


def trace(field: Field) -> torch.export.ExportedProgram:
    """The field as a `torch.export` program: coords (points, in) -> values (points, out), for any number of points."""
    exact = field.siren.exact
    layers = as_module(Field(replace(field.siren, exact=None), field.params), fold=True)
    module = (layers if exact is None else WithConditions(layers, exact)).eval().requires_grad_(False)
    weight = field.params["0.weight"]
    example = torch.zeros(5, field.siren.in_features, dtype=weight.dtype, device=weight.device)
    return torch.export.export(module, (example,), dynamic_shapes=({0: torch.export.Dim(POINTS)},))


def onnx_model(field: Field) -> Any:
    """The field as an `onnx.ModelProto` with input `coords` (points, in) and output `values` (points, out).

    Frequencies are multiplied into the weights; dtypes are those of the weights.

    Raises:
        PluginError: onnx or onnxscript is not installed.
    """
    load_extra("onnx", extra="export", where="export to ONNX")
    load_extra("onnxscript", extra="export", where="export to ONNX")
    # The exporter prints its progress and warns of its own internals.
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        made = torch.onnx.export(trace(field), dynamo=True, input_names=["coords"], output_names=["values"])
    assert made is not None
    model = made.model_proto
    # torch calls the number of points s31 or the like.
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for size in value.type.tensor_type.shape.dim:
            if size.dim_param:
                size.dim_param = POINTS
    return model


def save(field: Field, path: Path) -> None:
    """Write the field to `path`, by its suffix .onnx or .pt2."""
    if path.suffix.lower() == ".onnx":
        path.write_bytes(onnx_model(field).SerializeToString())
    else:
        torch.export.save(trace(field), path)
