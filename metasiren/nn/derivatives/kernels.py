"""Triton kernels of jets through sines: each tensor is read once and written once. Imports triton.

Forward jets: columns z (instances, columns, numbers) hold the value, `tangents` first derivatives, then second-order
columns; the terms t of column k are `ends[k]` to `ends[k + 1]`, each w_ij = weights[t] at i = first[t], j = second[t].
The reverse route: z (instances, numbers), and adjoints a (instances, outputs, numbers); where `row`, those are the last
layer's weights (instances, outputs, features), the same for all points.

Loops over terms run over all and pick those of a column: Triton 3.5 takes no entry of a tuple as a loop's bound.

A program takes `size` of the numbers (points times features) of one instance. Places are 64-bit: tensors may have more
than 2**31 elements. `tl.sin` and `tl.cos` compile to CUDA's accurate functions, with a full reduction of the argument.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def part(numbers, size: tl.constexpr):
    """The instance of this program, the numbers that it takes, and how many there are, as 64-bit integers."""
    blocks = (numbers + size - 1) // size
    instance = tl.cast(tl.program_id(0) // blocks, tl.int64)
    number = tl.cast(tl.program_id(0) % blocks, tl.int64) * size + tl.arange(0, size)
    return instance, number, tl.cast(numbers, tl.int64)


@triton.jit
def sine_columns(
    z_at,
    h_at,
    numbers,
    tangents: tl.constexpr,
    ends: tl.constexpr,
    first: tl.constexpr,
    second: tl.constexpr,
    weights: tl.constexpr,
    size: tl.constexpr,
):
    """H = sin z;  h_i = z_i cos z;  h_k = z_k cos z - sin z * (sum of w_ij z_i z_j)."""
    instance, number, numbers = part(numbers, size)
    inside = number < numbers
    at = instance * (tangents + len(ends)) * numbers + number

    z = tl.load(z_at + at, inside)
    s, c = tl.sin(z), tl.cos(z)
    tl.store(h_at + at, s, inside)
    slopes = ()
    for i in tl.static_range(tangents):
        z_i = tl.load(z_at + at + (1 + i) * numbers, inside)
        slopes = slopes + (z_i,)
        tl.store(h_at + at + (1 + i) * numbers, c * z_i, inside)
    for k in tl.static_range(len(ends) - 1):
        form = tl.zeros_like(z)
        for t in tl.static_range(len(weights)):
            if ends[k] <= t and t < ends[k + 1]:
                form += weights[t] * slopes[first[t]] * slopes[second[t]]
        z_k = tl.load(z_at + at + (1 + tangents + k) * numbers, inside)
        tl.store(h_at + at + (1 + tangents + k) * numbers, c * z_k - s * form, inside)


@triton.jit
def sine_columns_back(
    z_at,
    g_at,
    h_at,
    numbers,
    tangents: tl.constexpr,
    ends: tl.constexpr,
    first: tl.constexpr,
    second: tl.constexpr,
    weights: tl.constexpr,
    size: tl.constexpr,
):
    """Turn the gradient g of h = sine_columns(z) into that of z, in place; write h again, for the weights' gradient.

    Of z:    g cos z - sin z * (sum of g_i z_i and g_k z_k) - cos z * (sum over k of g_k * sum of w_ij z_i z_j)
    of z_i:  g_i cos z - sin z * (sum over k of g_k * sum over j of w_ij z_j + w_ji z_j)
    of z_k:  g_k cos z.
    """
    instance, number, numbers = part(numbers, size)
    inside = number < numbers
    at = instance * (tangents + len(ends)) * numbers + number

    z = tl.load(z_at + at, inside)
    s, c = tl.sin(z), tl.cos(z)
    tl.store(h_at + at, s, inside)
    bent, twice = tl.zeros_like(z), tl.zeros_like(z)
    slopes, pulls, curves = (), (), ()
    for i in tl.static_range(tangents):
        z_i = tl.load(z_at + at + (1 + i) * numbers, inside)
        g_i = tl.load(g_at + at + (1 + i) * numbers, inside)
        slopes, pulls = slopes + (z_i,), pulls + (g_i,)
        bent += g_i * z_i
        tl.store(h_at + at + (1 + i) * numbers, c * z_i, inside)
    for k in tl.static_range(len(ends) - 1):
        form = tl.zeros_like(z)
        for t in tl.static_range(len(weights)):
            if ends[k] <= t and t < ends[k + 1]:
                form += weights[t] * slopes[first[t]] * slopes[second[t]]
        z_k = tl.load(z_at + at + (1 + tangents + k) * numbers, inside)
        g_k = tl.load(g_at + at + (1 + tangents + k) * numbers, inside)
        curves = curves + (g_k,)
        bent += g_k * z_k
        twice += g_k * form
        tl.store(h_at + at + (1 + tangents + k) * numbers, c * z_k - s * form, inside)
        tl.store(g_at + at + (1 + tangents + k) * numbers, c * g_k, inside)
    for i in tl.static_range(tangents):
        bend = tl.zeros_like(z)
        for k in tl.static_range(len(ends) - 1):
            for t in tl.static_range(len(weights)):
                if ends[k] <= t and t < ends[k + 1]:
                    if first[t] == i:
                        bend += weights[t] * curves[k] * slopes[second[t]]
                    if second[t] == i:
                        bend += weights[t] * curves[k] * slopes[first[t]]
        tl.store(g_at + at + (1 + i) * numbers, c * pulls[i] - s * bend, inside)
    tl.store(g_at + at, c * (tl.load(g_at + at, inside) - twice) - s * bent, inside)


@triton.jit
def sine_adjoint(z_at, a_at, p_at, numbers, features, outputs: tl.constexpr, row: tl.constexpr, size: tl.constexpr):
    """Multiply adjoints by the sine's slope: p = a cos z."""
    instance, number, numbers = part(numbers, size)
    inside = number < numbers
    c = tl.cos(tl.load(z_at + instance * numbers + number, inside))
    for o in tl.static_range(outputs):
        place = (instance * outputs + o) * numbers + number
        a_place = (instance * outputs + o) * features + number % features if row else place
        tl.store(p_at + place, c * tl.load(a_at + a_place, inside), inside)


@triton.jit
def sine_adjoint_back(
    z_at, a_at, g_at, p_at, bend_at, numbers, features, outputs: tl.constexpr, row: tl.constexpr, size: tl.constexpr
):
    """Turn the gradient g of p = sine_adjoint(z, a) into that of a, in place; write p again, and that of z.

    Of a:  g cos z.
    Of z:  bend = - sin z * (sum over outputs of g a).
    """
    instance, number, numbers = part(numbers, size)
    inside = number < numbers
    z = tl.load(z_at + instance * numbers + number, inside)
    c, both = tl.cos(z), tl.zeros_like(z)
    for o in tl.static_range(outputs):
        place = (instance * outputs + o) * numbers + number
        a_place = (instance * outputs + o) * features + number % features if row else place
        a, g = tl.load(a_at + a_place, inside), tl.load(g_at + place, inside)
        both += g * a
        tl.store(p_at + place, c * a, inside)
        tl.store(g_at + place, c * g, inside)
    tl.store(bend_at + instance * numbers + number, -tl.sin(z) * both, inside)


@triton.jit
def sine_back(z_at, bend_at, g_at, h_at, numbers, size: tl.constexpr):
    """Add the gradient g of h = sin z, times cos z, to the gradient `bend` of z, in place; write h again."""
    instance, number, numbers = part(numbers, size)
    inside = number < numbers
    at = instance * numbers + number
    z = tl.load(z_at + at, inside)
    tl.store(h_at + at, tl.sin(z), inside)
    tl.store(bend_at + at, tl.load(bend_at + at, inside) + tl.cos(z) * tl.load(g_at + at, inside), inside)
