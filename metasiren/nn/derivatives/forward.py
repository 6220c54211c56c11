"""Forward jets: the value, its tangents and its second-order columns pass through the layers together.

A linear layer multiplies every column by the same weight (the bias enters the value alone). An activation f at
pre-activation z gives u = f(z), u_i = f'(z) z_i, u_ij = f'(z) z_ij + f''(z) z_i z_j. A collapsed column carries
the sum of w_ij u_ij for constant weights: a Laplacian costs one column, not d. No output chain is followed, so
the cost does not depend on the number of outputs, and training needs a single backward pass.

`plain_columns` is ordinary torch, for compilers, function transforms and further derivatives. `pass_columns` does
the same by hand: block by block in the cache, large products, elementwise work in place. It keeps the hidden
layers' pre-activations and nothing else; sine and cosine are computed again, together, on the way back.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from metasiren.nn.activations import Activation
from metasiren.nn.derivatives.blocks import (
    Block,
    Gradients,
    Layers,
    accumulate,
    blocks,
    differentiate,
    product,
)
from metasiren.nn.derivatives.columns import Columns, activate, deactivate, quadratics
from metasiren.nn.derivatives.elementwise import serves, sine_columns, sine_columns_back
from metasiren.nn.derivatives.taylor import AxisColumns
from metasiren.nn.layers import exact_affine, plain_wanted


def pass_columns(features: Tensor, layers: Layers, activation: Activation, columns: Columns) -> Tensor:
    """Push columns through the layers.

    Args:
        features: (instances, 1, points, in): coordinates, whose tangents are unit vectors; or
            (instances, columns, points, in): the columns of an input layer.
        layers: the affine layers.
        activation: the nonlinearity between them.
        columns: which derivatives.

    Returns:
        (instances, columns, points, out)
    """
    if plain_wanted():
        return plain_columns(features, layers, activation, columns)
    tensors, kernels = (features, *layers.tensors), serves(features, activation)
    if torch.is_grad_enabled() and any(t.requires_grad for t in tensors):
        out: Tensor = _Pass.apply(activation, columns, kernels, *tensors)
        return out
    cuts = blocks(features, layers.width, columns.count)
    return _forward(features, layers, activation, columns, cuts, None, kernels)


def plain_columns(features: Tensor, layers: Layers, activation: Activation, columns: Columns | AxisColumns) -> Tensor:
    """`pass_columns` in ordinary torch."""
    weight, bias = layers.weights[0], layers.biases[0]
    if features.shape[1] == 1 and columns.count > 1 and isinstance(columns, Columns):
        z = exact_affine(features[:, 0], weight, bias).unsqueeze(1)
        tangents = weight.mT.unsqueeze(2).expand(-1, -1, z.shape[2], -1)
        z = torch.cat([z, tangents, torch.zeros_like(z).expand(-1, len(columns.second), -1, -1)], 1)
    else:
        z = _biased(exact_columns(features, weight), bias)
    for weight, bias in zip(layers.weights[1:], layers.biases[1:], strict=True):
        z = affine_columns(activate_columns(z, activation, columns), weight, bias)
    return z


def affine_columns(h: Tensor, weight: Tensor, bias: Tensor, omega: float = 1.0) -> Tensor:
    """Columns h (instances, columns, points, in) through omega * (W h + b); the bias enters the value alone."""
    z = product(h, weight)
    return _biased(z, bias) if omega == 1 else _biased(omega * z, omega * bias)


def activate_columns(z: Tensor, activation: Activation, columns: Columns | AxisColumns) -> Tensor:
    """Columns z (instances, columns, points, features) after the nonlinearity: f, f' z_i, f' z_ij + f'' z_i z_j."""
    if isinstance(columns, AxisColumns):
        return torch.stack(columns.activated(z.unbind(1), activation), 1)
    if columns.count == 1:
        return activation.value(z)
    f, forms = activation.derivatives(z[:, 0], 2 if columns.second else 1), quadratics(z, columns)
    first, second = z[:, 1 : 1 + columns.tangents], z[:, 1 + columns.tangents :]
    h = [f[0].unsqueeze(1), f[1].unsqueeze(1) * first]
    if forms:
        h.append(f[1].unsqueeze(1) * second + f[2].unsqueeze(1) * torch.stack(forms, 1))
    return torch.cat(h, 1)


def with_tangents(x: Tensor, columns: Columns) -> Tensor:
    """Coordinates x (instances, points, d) with unit tangents and no second derivatives, (instances, columns, ...)."""
    if columns.count == 1:
        return x.unsqueeze(1)
    d = x.shape[-1]
    tangents = torch.eye(d, dtype=x.dtype, device=x.device).view(1, d, 1, d).expand(x.shape[0], d, x.shape[1], d)
    return torch.cat([x.unsqueeze(1), tangents, x.new_zeros(x.shape[0], len(columns.second), x.shape[1], d)], 1)


def feature_columns(features: Tensor, layers: Layers, activation: Activation, columns: Columns | AxisColumns) -> Tensor:
    """What leaves the last activation when every layer has one, (instances, columns, points, width)."""
    return activate_columns(plain_columns(features, layers, activation, columns), activation, columns)


def exact_columns(features: Tensor, weight: Tensor) -> Tensor:
    """The first layer's product, in full precision, without its bias."""
    instances, columns, points, size = features.shape
    rows = features.reshape(instances, columns * points, size)
    return exact_affine(rows, weight, weight.new_zeros(weight.shape[:2])).view(instances, columns, points, -1)


def _biased(z: Tensor, bias: Tensor) -> Tensor:
    return z + torch.nn.functional.pad(bias.unsqueeze(1), (0, 0, 0, z.shape[1] - 1)).unsqueeze(2)


# By hand, without a graph.


def _enter(features: Tensor, layers: Layers, columns: Columns) -> Tensor:
    """Pre-activations of the first layer, (instances, columns, points, width)."""
    weight, bias = layers.weights[0], layers.biases[0]
    if features.shape[1] == columns.count:
        z = exact_columns(features, weight)
        z[:, 0].add_(bias.unsqueeze(1))
        return z
    z = weight.new_empty(features.shape[0], columns.count, features.shape[2], weight.shape[1])
    z[:, 0] = exact_affine(features[:, 0], weight, bias)
    z[:, 1 : 1 + columns.tangents] = weight.mT.unsqueeze(2)
    z[:, 1 + columns.tangents :] = 0
    return z


def _forward(
    features: Tensor,
    layers: Layers,
    activation: Activation,
    columns: Columns,
    cuts: list[Block],
    kept: list[Tensor] | None,
    kernels: bool,
) -> Tensor:
    order = 2 if columns.second else 1
    out = features.new_empty(features.shape[0], columns.count, features.shape[2], layers.weights[-1].shape[1])
    for block in cuts:
        part = layers.of(block.instances)
        z = _enter(features[block.instances, :, block.points], part, columns)
        for weight, bias in zip(part.weights[1:], part.biases[1:], strict=True):
            if kernels:
                h = sine_columns(z, columns)
            else:
                h = activate(z, activation.derivatives(z[:, 0], order), quadratics(z, columns))
            z = product(h, weight)
            z[:, 0] += bias.unsqueeze(1)
            if kept is not None:
                kept.append(z)
        if kept is not None:
            kept.pop()  # the last layer has no activation
        out[block.instances, :, block.points] = z
    return out


class _Pass(Function):
    @staticmethod
    def forward(
        ctx: Any, activation: Activation, columns: Columns, kernels: bool, features: Tensor, *tensors: Tensor
    ) -> Tensor:
        layers, kept = Layers.from_tensors(tensors), list[Tensor]()
        ctx.activation, ctx.columns, ctx.kernels, ctx.inputs = activation, columns, kernels, 1 + len(tensors)
        ctx.cuts = blocks(features, layers.width, columns.count)
        out = _forward(features, layers, activation, columns, ctx.cuts, kept, kernels)
        ctx.save_for_backward(features, *tensors, *kept)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        saved = ctx.saved_tensors
        inputs, kept = saved[: ctx.inputs], iter(saved[ctx.inputs :])
        with torch.autocast(grads[0].device.type, enabled=False):
            if torch.is_grad_enabled():
                found = differentiate(
                    lambda x, *t: (plain_columns(x, Layers.from_tensors(t), ctx.activation, ctx.columns),),
                    inputs,
                    grads,
                )
            else:
                found = _backward(ctx, inputs[0], Layers.from_tensors(inputs[1:]), kept, grads[0])
        return None, None, None, *found


def _backward(ctx: Any, features: Tensor, layers: Layers, kept: Any, grad: Tensor) -> Gradients:
    columns: Columns = ctx.columns
    order = 3 if columns.second else 2
    total = layers.zeros()
    total_x = torch.zeros_like(features) if ctx.needs_input_grad[3] else None
    for block in ctx.cuts:
        part, sums = layers.of(block.instances), total.of(block.instances)
        x = features[block.instances, :, block.points]
        pre = [_enter(x, part, columns), *(next(kept) for _ in range(len(layers) - 2))]
        g = grad[block.instances, :, block.points]
        for k in range(len(layers) - 1, 0, -1):
            z = pre.pop()
            sums.biases[k].add_(g[:, 0].sum(1))
            if ctx.kernels:
                into = product(g, part.weights[k].mT)
                accumulate(sums.weights[k], g, sine_columns_back(z, into, columns))
                g = into
            else:
                f, forms = ctx.activation.derivatives(z[:, 0], order), quadratics(z, columns)
                accumulate(sums.weights[k], g, activate(z, f, forms))
                g = deactivate(z, f, forms, columns, product(g, part.weights[k].mT))
        sums.biases[0].add_(g[:, 0].sum(1))
        if x.shape[1] == columns.count:
            accumulate(sums.weights[0], g, x)
        else:
            accumulate(sums.weights[0], g[:, :1], x)
            sums.weights[0].add_(g[:, 1 : 1 + columns.tangents].sum(2).mT)
            g = g[:, :1]
        if total_x is not None:
            total_x[block.instances, :, block.points] = product(g, part.weights[0].mT)
    return [total_x, *total.tensors]
