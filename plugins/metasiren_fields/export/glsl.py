"""A small field as a GLSL function, for shaders: GLSL 3.30, or GLSL ES 3.00 as WebGL 2 has it."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import pad

from metasiren import Field, RecipeError, as_module

LARGEST = 2**15
"""Weights at most: drivers take long over larger constants, and many refuse them."""

EXPRESSIONS: Mapping[str, str] = {
    "sine": "sin({z})",
    "relu": "max({z}, 0.0)",
    "tanh": "tanh({z})",
    "sigmoid": "1.0 / (1.0 + exp(-({z})))",
    "softplus": "max({z}, 0.0) + log(1.0 + exp(-abs({z})))",
}

VECTORS = ("float", "vec2", "vec3", "vec4")


def source(field: Field, name: str = "field") -> str:
    """The text of a function `values name(coordinates)`; its types are float, vec2, vec3 or vec4.

    Hidden features are carried four at a time. Frequencies are multiplied into the weights.

    Args:
        field: of one instance, with at most four coordinates and channels, without an input layer.
        name: of the function.

    Raises:
        RecipeError: a field that GLSL vectors cannot carry, an unknown nonlinearity, weights beyond `LARGEST`, or a
            name that is no identifier.
    """
    siren = field.siren
    _check(field, name)
    linears = [m for m in as_module(field, fold=True) if isinstance(m, torch.nn.Linear)]
    lines = [
        f"// {siren.in_features} -> {siren.hidden_layers + 1} x {siren.hidden_features} {siren.nonlinearity}"
        f" -> {siren.out_features}; made by metasiren export.",
        "// p: coordinates in [-1, 1] in the order of training, such as (row, column) of a picture, rows downwards.",
        f"{VECTORS[siren.out_features - 1]} {name}({VECTORS[siren.in_features - 1]} p) {{",
    ]
    inputs = ["p"] if siren.in_features > 1 else ["vec2(p, 0.0)"]
    for number, linear in enumerate(linears):
        last = linear is linears[-1]
        outputs = []
        for k, rows in enumerate(range(0, linear.out_features, 4)):
            z = _affine(linear.weight.detach()[rows : rows + 4], linear.bias.detach()[rows : rows + 4], inputs)
            value = z if last else EXPRESSIONS[str(siren.nonlinearity)].format(z=z)
            lines.append(f"  vec4 h{number}_{k} = {value};")
            outputs.append(f"h{number}_{k}")
        inputs = outputs
    lines += [f"  return {inputs[0]}.{'xyzw'[: siren.out_features]};", "}", ""]
    return "\n".join(lines)


def _check(field: Field, name: str) -> None:
    siren, where = field.siren, "export to GLSL"
    siren.demand_plain(where)
    if not re.fullmatch(r"(?!gl_)[A-Za-z_]\w*", name, re.ASCII) or "__" in name:
        raise RecipeError(where, f"{name!r} is no name of a function.", "Letters, digits and single underscores.")
    if siren.in_features > 4 or siren.out_features > 4:
        found = f"the field has {siren.in_features} coordinates and {siren.out_features} channels."
        raise RecipeError(where, found, "GLSL vectors hold at most four.")
    if siren.encoding is not None:
        raise RecipeError(
            where, "the field has an input layer.", "Fields that start with a linear layer can be written."
        )
    if siren.nonlinearity not in EXPRESSIONS:
        raise RecipeError(where, f"the nonlinearity is {siren.nonlinearity!r}.", f"Known: {', '.join(EXPRESSIONS)}.")
    if siren.parameter_count > LARGEST:
        found = f"the field has {siren.parameter_count:,} weights; a shader takes {LARGEST:,} at most."
        raise RecipeError(where, found, "Train one with siren.hidden_features of 64 or fewer, or export to ONNX.")


def _affine(weight: Tensor, bias: Tensor, inputs: list[str]) -> str:
    """W x + b for four rows; x is one vector of coordinates, or vec4s of features."""
    rows, columns = weight.shape
    first = not inputs[0].startswith("h")
    width = max(columns, 2) if first else 4
    weight = pad(weight, (0, width * len(inputs) - columns, 0, 4 - rows))
    terms = [f"vec4({_numbers(pad(bias, (0, 4 - rows)))})"]
    for k, name in enumerate(inputs):
        # GLSL matrices are written column by column; matCxR has C columns.
        block = weight[:, k * width : (k + 1) * width].T.flatten()
        terms.append(f"mat{width}x4({_numbers(block)}) * {name}")
    return " + ".join(terms)


def _numbers(values: Tensor) -> str:
    return ", ".join(_number(float(v)) for v in values.float())


def _number(value: float) -> str:
    text = f"{value:.9g}"
    return text if "." in text or "e" in text else f"{text}.0"
