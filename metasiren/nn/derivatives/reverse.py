"""The reverse route: gradients of few outputs, as an explicit pass back through the layers.

With z_k the pre-activations, the adjoint of an output starts as its row of the last weight and meets, layer by
layer, p_k = a_k f'(z_k) and a_{k-1} = W_k^T p_k; behind the first layer it is the gradient. Because the pass back
is written as ordinary evaluation, training needs a single backward pass through both, by hand in `pass_adjoint`,
by autograd in `plain_adjoint`. One pass serves each output: cheaper than forward tangents while outputs are fewer
than coordinates.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from metasiren.nn.activations import Activation, Sine
from metasiren.nn.derivatives.blocks import (
    Block,
    Gradients,
    Layers,
    accumulate,
    blocks,
    differentiate,
    product,
)
from metasiren.nn.derivatives.elementwise import serves, sine_adjoint, sine_adjoint_back, sine_back
from metasiren.nn.layers import exact_affine, plain_wanted

Pair = tuple[Tensor, Tensor]


def pass_adjoint(features: Tensor, layers: Layers, activation: Activation) -> Pair:
    """Values, and the gradient of every output with respect to the features.

    Args:
        features: (instances, points, in).
        layers: the affine layers.
        activation: the nonlinearity between them.

    Returns:
        values (instances, points, out) and gradients (instances, out, points, in).
    """
    if plain_wanted():
        return plain_adjoint(features, layers, activation)
    tensors, kernels = (features, *layers.tensors), serves(features, activation)
    if torch.is_grad_enabled() and any(t.requires_grad for t in tensors):
        pair: Pair = _Adjoint.apply(activation, kernels, *tensors)
        return pair
    return _forward(features, layers, activation, _cuts(features, layers), None, kernels)


def plain_adjoint(features: Tensor, layers: Layers, activation: Activation) -> Pair:
    """`pass_adjoint` in ordinary torch."""
    z = exact_affine(features, layers.weights[0], layers.biases[0])
    slopes = []
    for weight, bias in zip(layers.weights[1:], layers.biases[1:], strict=True):
        h, slope = activation.derivatives(z, 1)
        slopes.append(slope)
        z = _affine(h, weight, bias)
    a = layers.weights[-1].unsqueeze(2)
    for k in reversed(range(len(slopes))):
        p = a * slopes[k].unsqueeze(1)
        a = product(p, layers.weights[k].mT) if k else _exact_last(p, layers.weights[0])
    return z, a


def _affine(h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    if h.dim() == 2:
        return torch.addmm(bias, h, weight.T)
    if h.shape[0] == 1:
        return torch.addmm(bias[0], h[0], weight[0].T).unsqueeze(0)
    return torch.baddbmm(bias.unsqueeze(1), h, weight.mT)


def _exact_last(p: Tensor, weight: Tensor) -> Tensor:
    """W^T p of the first layer in full float32 on a GPU, as `exact_affine` is."""
    if not p.is_cuda or p.dtype != torch.float32:
        return product(p, weight.mT)
    if weight.shape[2] > 4:
        return product(p.double(), weight.double().mT).float()
    return torch.stack([(p * weight[:, None, None, :, i]).sum(-1) for i in range(weight.shape[2])], -1)


def _cuts(features: Tensor, layers: Layers) -> list[Block]:
    return blocks(features.unsqueeze(1), layers.width, 1 + layers.weights[-1].shape[1])


def _forward(
    features: Tensor,
    layers: Layers,
    activation: Activation,
    cuts: list[Block],
    kept: list[Tensor] | None,
    kernels: bool,
) -> Pair:
    instances, points, size = features.shape
    outputs = layers.weights[-1].shape[1]
    values = features.new_empty(instances, points, outputs)
    gradients = features.new_empty(instances, outputs, points, size)
    sine, flat = _keeps_slopes(activation, kernels), _flat(layers, kernels)
    for block in cuts:
        part = layers.of(block.instances)
        z = exact_affine(features[block.instances, block.points], part.weights[0], part.biases[0])
        first = part.weights[0]
        if flat:
            part, z = part.matrices(), z.squeeze(0)
        slopes = []  # of kernels the pre-activations, from which they compute them
        for k, (weight, bias) in enumerate(zip(part.weights[1:], part.biases[1:], strict=True)):
            h, slope = (torch.sin(z), z) if kernels else activation.derivatives(z, 1)
            if kept is not None:
                # The first pre-activations are cheaper to compute again than to keep.
                kept += [h, slope] if sine else [z] if k else []
            slopes.append(slope)
            z = _affine(h, weight, bias)
        values[block.instances, block.points] = z
        a = part.weights[-1] if flat else part.weights[-1].unsqueeze(2)
        for k in range(len(slopes) - 1, 0, -1):
            a = product(_sloped(a, slopes[k], kernels), part.weights[k].mT)
            if kept is not None:
                kept.append(a)
        p = _sloped(a, slopes[0], kernels)
        gradients[block.instances, :, block.points] = _exact_last(p[None, None] if flat else p, first)
    return values, gradients


def _flat(layers: Layers, kernels: bool) -> bool:
    """Whether all tensors are matrices: one instance with one output, for which views of more dimensions cost time."""
    return not kernels and layers.weights[-1].shape[:2] == (1, 1)


def _keeps_slopes(activation: Activation, kernels: bool) -> bool:
    """Whether the backward pass reads sines and cosines, since sin'' = -sin; otherwise it computes them from z."""
    return not kernels and type(activation) is Sine


def _sloped(a: Tensor, slope: Tensor, kernels: bool) -> Tensor:
    return sine_adjoint(slope, a) if kernels else a * (slope if a.dim() == 2 else slope.unsqueeze(1))


class _Adjoint(Function):
    @staticmethod
    def forward(ctx: Any, activation: Activation, kernels: bool, features: Tensor, *tensors: Tensor) -> Pair:
        layers, kept = Layers.from_tensors(tensors), list[Tensor]()
        ctx.activation, ctx.kernels, ctx.inputs = activation, kernels, 1 + len(tensors)
        ctx.cuts = _cuts(features, layers)
        pair = _forward(features, layers, activation, ctx.cuts, kept, kernels)
        ctx.save_for_backward(features, *tensors, *kept)
        return pair

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        inputs, kept = ctx.saved_tensors[: ctx.inputs], iter(ctx.saved_tensors[ctx.inputs :])

        def again(x: Tensor, *tensors: Tensor) -> Pair:
            return plain_adjoint(x, Layers.from_tensors(tensors), ctx.activation)

        with torch.autocast(grads[0].device.type, enabled=False):
            if torch.is_grad_enabled():
                return None, None, *differentiate(again, inputs, grads)
            return None, None, *_backward(ctx, inputs[0], Layers.from_tensors(inputs[1:]), kept, *grads)


def _backward(
    ctx: Any, features: Tensor, layers: Layers, kept: Iterator[Tensor], grad_values: Tensor, grad_gradients: Tensor
) -> Gradients:
    depth, flat = len(layers) - 1, _flat(layers, ctx.kernels)
    kept_slopes = _keeps_slopes(ctx.activation, ctx.kernels)
    total = layers.zeros()
    total_x = torch.zeros_like(features) if ctx.needs_input_grad[2] else None
    for block in ctx.cuts:
        part, sums = layers.of(block.instances), total.of(block.instances)
        x = features[block.instances, block.points]
        gv, g = grad_values[block.instances, block.points], grad_gradients[block.instances, :, block.points]
        pre: list[Tensor] = []
        f: list[tuple[Tensor, ...]] = []
        if kept_slopes:
            f = [(next(kept), next(kept)) for _ in range(depth)]
        else:
            pre = [exact_affine(x, part.weights[0], part.biases[0]), *(next(kept) for _ in range(depth - 1))]
            pre = [z.squeeze(0) if flat else z for z in pre]
            f = [] if ctx.kernels else [ctx.activation.derivatives(z, 2) for z in pre]
        if flat:
            part, sums, x, gv, g = part.matrices(), sums.matrices(), x[0], gv[0], g[0, 0]
        last = part.weights[-1] if flat else part.weights[-1].unsqueeze(2)
        adjoints = [*reversed([next(kept) for _ in range(depth - 1)]), last]

        # The adjoint pass ran from the last layer to the first, so its gradient runs from the first to the last.
        bends = []
        for k in range(depth):
            if ctx.kernels:
                into = product(g, part.weights[k])
                p, bend = sine_adjoint_back(pre[k], adjoints[k], into)
                accumulate(sums.weights[k], p, g)
                g = into
            else:
                slope = f[k][1] if flat else f[k][1].unsqueeze(1)
                accumulate(sums.weights[k], adjoints[k] * slope, g)
                g = product(g, part.weights[k])
                both = g * adjoints[k]
                bend = both if flat else both.sum(1) if both.shape[1] > 1 else both[:, 0]
                bend.mul_(f[k][0] if kept_slopes else f[k][2])
                g *= slope
            bends.append(bend)
        sums.weights[-1].add_(g.sum(-2))

        # Then the gradient of the values' pass, which adds at every layer the gradient of the slopes. As f'' of a sine
        # is -f, `bends` hold its negative, and so does g, instead of a pass that only changes signs.
        sign = -1 if kept_slopes else 1
        g = gv * sign if kept_slopes else gv
        for k in range(depth, 0, -1):
            sums.biases[k].add_(g.sum(-2), alpha=sign)
            if ctx.kernels:
                into = g @ part.weights[k]
                accumulate(sums.weights[k], g, sine_back(pre[k - 1], bends[k - 1], into))
                g = bends[k - 1]
            else:
                accumulate(sums.weights[k], g, f[k - 1][0], sign)
                g = bends[k - 1].addcmul_(g @ part.weights[k], f[k - 1][1])
        accumulate(sums.weights[0], g, x, sign)
        sums.biases[0].add_(g.sum(-2), alpha=sign)
        if total_x is not None:
            total_x[block.instances, block.points] = sign * (g @ part.weights[0])
    return [total_x, *total.tensors]
