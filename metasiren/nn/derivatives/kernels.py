"""Triton kernels of jets through sines: each tensor is read once and written once. Imports triton.

Columns z (instances, columns, numbers) hold the value, `tangents` first derivatives, then second-order columns; the
terms t of column k are `ends[k]` to `ends[k + 1]`, each w_ij = weights[t] at i = first[t], j = second[t]. A program
takes `size` of the numbers of one instance. Places are 64-bit: tensors may have more than 2**31 elements.
`tl.sin` and `tl.cos` compile to CUDA's accurate functions, with a full reduction of their argument.
"""

from __future__ import annotations

import triton
import triton.language as tl


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
    blocks = tl.cdiv(numbers, size)
    numbers = tl.cast(numbers, tl.int64)
    instance = tl.cast(tl.program_id(0) // blocks, tl.int64)
    number = tl.cast(tl.program_id(0) % blocks, tl.int64) * size + tl.arange(0, size)
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
        for t in tl.static_range(ends[k], ends[k + 1]):
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
    blocks = tl.cdiv(numbers, size)
    numbers = tl.cast(numbers, tl.int64)
    instance = tl.cast(tl.program_id(0) // blocks, tl.int64)
    number = tl.cast(tl.program_id(0) % blocks, tl.int64) * size + tl.arange(0, size)
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
        for t in tl.static_range(ends[k], ends[k + 1]):
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
            for t in tl.static_range(ends[k], ends[k + 1]):
                if first[t] == i:
                    bend += weights[t] * curves[k] * slopes[second[t]]
                if second[t] == i:
                    bend += weights[t] * curves[k] * slopes[first[t]]
        tl.store(g_at + at + (1 + i) * numbers, c * pulls[i] - s * bend, inside)
    tl.store(g_at + at, c * (tl.load(g_at + at, inside) - twice) - s * bent, inside)
