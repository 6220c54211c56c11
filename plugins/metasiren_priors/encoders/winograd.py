"""Convolutions of stride one in float32 on a CPU, by Winograd's minimal filtering: the same sums, fewer products.

Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks", after Winograd and Toom-Cook. A tile of
m x m outputs of an r x r filter needs (m + r - 1)^2 products for each pair of channels instead of m^2 r^2: with
m = 4, 6.25 times fewer at r = 5, 4 times fewer at r = 3. Rounding errors grow about fivefold, to some 5e-6 of the
output's root mean square. On a GPU, in bfloat16 and for small maps the library's own convolution is faster.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

TILE = 4
"""Width of the output tiles (m)."""

_HALF = Fraction(1, 2)
# Interpolation nodes beside infinity, for each filter width; small ones of both signs round least.
_NODES: dict[int, tuple[Fraction | int, ...]] = {3: (0, 1, -1, 2, -_HALF), 5: (0, 1, -1, 2, -2, _HALF, -_HALF)}


@cache
def _factors(width: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Toom-Cook in two dimensions: outputs = A [(G filter) * (B tile)], on flattened tiles.

    Returns:
        A (m^2, n^2), G (n^2, width^2), B (n^2, n^2) with n = m + width - 1, in float64.
    """
    nodes, n = _NODES[width], TILE + width - 1

    def powers(columns: int) -> np.ndarray[Any, Any]:
        finite = [[float(node) ** j for j in range(columns)] for node in nodes]
        return np.array([*finite, [float(j == columns - 1) for j in range(columns)]])

    # Values at the nodes of a product of polynomials multiply; by transposition the same holds for correlations.
    outputs, filters, tiles = powers(TILE).T, powers(width), np.linalg.inv(powers(n)).T
    scale = np.abs(tiles).max(axis=1, keepdims=True)
    filters, tiles = filters * scale, tiles / scale
    return np.kron(outputs, outputs), np.kron(filters, filters), np.kron(tiles, tiles)


def _gather(x: Tensor, width: int) -> Tensor:
    """Overlapping tiles (n^2, batch * tiles, channels) of zero-padded maps x (batch, rows, columns, channels)."""
    _, rows, columns, channels = x.shape
    n, margin = TILE + width - 1, width // 2
    x = F.pad(x, (0, 0, margin, -columns % TILE + margin, margin, -rows % TILE + margin))
    return x.unfold(1, n, TILE).unfold(2, n, TILE).permute(4, 5, 0, 1, 2, 3).reshape(n * n, -1, channels)


def _scatter(tiles: Tensor, shape: torch.Size, width: int) -> Tensor:
    """The transpose of `_gather`: overlapping tiles summed into maps of `shape`."""
    batch, rows, columns, channels = shape
    n, margin = TILE + width - 1, width // 2
    high, wide = -(-rows // TILE), -(-columns // TILE)
    tiles = tiles.view(n, n, batch, high, wide, channels).permute(2, 3, 0, 4, 1, 5)
    x = tiles.new_zeros(batch, high + 1, TILE, wide + 1, TILE, channels)
    for i in range(0, n, TILE):
        for j in range(0, n, TILE):
            part = tiles[:, :, i : i + TILE, :, j : j + TILE]
            down, right = i // TILE, j // TILE
            x[:, down : down + high, : part.shape[2], right : right + wide, : part.shape[4]] += part
    x = x.view(batch, (high + 1) * TILE, (wide + 1) * TILE, channels)
    return x[:, margin : margin + rows, margin : margin + columns]


class _Convolve(torch.autograd.Function):
    """x (batch, rows, columns, in) and filters at the nodes (n^2, out, in) -> (batch, rows, columns, out)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, spread_filters: Tensor, width: int) -> Tensor:
        ctx.save_for_backward(x, spread_filters)
        ctx.width = width
        outputs, _, tiles = (torch.as_tensor(f, dtype=x.dtype) for f in _factors(width))
        batch, rows, columns, channels = x.shape
        high, wide, out = -(-rows // TILE), -(-columns // TILE), spread_filters.shape[1]
        spread = (tiles @ _gather(x, width).flatten(1)).view(len(tiles), -1, channels)
        products = torch.bmm(spread, spread_filters.mT)
        y = (outputs @ products.flatten(1)).view(TILE, TILE, batch, high, wide, out)
        y = y.permute(2, 3, 0, 4, 1, 5).reshape(batch, high * TILE, wide * TILE, out)
        return y[:, :rows, :columns]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, spread_filters = ctx.saved_tensors
        (g,) = gradients
        outputs, _, tiles = (torch.as_tensor(f, dtype=x.dtype) for f in _factors(ctx.width))
        batch, rows, columns, channels = x.shape
        out = spread_filters.shape[1]
        g = F.pad(g, (0, 0, 0, -columns % TILE, 0, -rows % TILE))
        g = g.reshape(batch, g.shape[1] // TILE, TILE, g.shape[2] // TILE, TILE, out).permute(2, 4, 0, 1, 3, 5)
        g = (outputs.T @ g.reshape(TILE * TILE, -1)).view(len(tiles), -1, out)
        gx = gf = None
        if ctx.needs_input_grad[0]:
            back = torch.bmm(g, spread_filters)
            gx = _scatter((tiles.T @ back.flatten(1)).view(len(tiles), -1, channels), x.shape, ctx.width)
        if ctx.needs_input_grad[1]:
            # Tiles are spread again rather than kept: kept, they would be four times the map.
            spread = (tiles @ _gather(x, ctx.width).flatten(1)).view(len(tiles), -1, channels)
            gf = torch.bmm(g.mT, spread)
        return gx, gf, None


def convolve(x: Tensor, filters: Tensor) -> Tensor:
    """`torch.nn.functional.conv2d(x, filters, padding="same")` for filters 3 or 5 wide, by minimal filtering.

    Args:
        x: (batch, in, rows, columns); fastest in channels-last order.
        filters: (out, in, r, r) with r = 3 or 5.

    Returns:
        (batch, out, rows, columns), channels last.
    """
    out, channels, width, _ = filters.shape
    _, weights, _ = _factors(width)
    spread_filters = torch.as_tensor(weights, dtype=filters.dtype) @ filters.reshape(out * channels, width**2).T
    y: Tensor = _Convolve.apply(x.permute(0, 2, 3, 1), spread_filters.view(-1, out, channels), width)
    return y.permute(0, 3, 1, 2)


class Convolution(nn.Conv2d):
    """A convolution padded to keep the map's size (divided by the stride).

    Args:
        inputs: channels in.
        outputs: channels out.
        width: of the square filter, odd.
        stride: step between outputs.
        bias: whether to add one.
        winograd: compute by minimal filtering where that is faster; results differ by its rounding.
    """

    def __init__(
        self, inputs: int, outputs: int, width: int, *, stride: int = 1, bias: bool = True, winograd: bool = False
    ) -> None:
        super().__init__(inputs, outputs, width, stride=stride, padding=width // 2, bias=bias)
        self.winograd = winograd

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self._minimal(input):
            y = convolve(input, weight)
            return y if bias is None else y + bias[:, None, None]
        plain: Tensor = super()._conv_forward(input, weight, bias)
        return plain

    def _minimal(self, x: Tensor) -> bool:
        """Whether minimal filtering is faster here: wide float32 layers on maps of many pixels, on a CPU."""
        worthwhile: bool = (
            self.winograd
            and x.device.type == "cpu"
            and x.dtype == torch.float32
            and self.kernel_size[0] in _NODES
            and self.stride[0] == 1
            and min(self.in_channels, self.out_channels) >= 128
            and x.shape[0] * x.shape[2] * x.shape[3] >= 1024
            and not torch.is_autocast_enabled("cpu")
            and not torch.compiler.is_compiling()  # the compiler cannot see through it, and makes its own choice
        )
        return worthwhile


def use_winograd(module: nn.Module, wanted: bool) -> None:
    """Say for every convolution in a module whether it may use minimal filtering."""
    for each in module.modules():
        if isinstance(each, Convolution):
            each.winograd = wanted
