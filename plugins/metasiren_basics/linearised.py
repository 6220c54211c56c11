"""Residuals linearised in the weights of a SIREN, without a Jacobian in memory.

A residual at a point depends on the field's jet there alone (that of a pair of points has the columns of both), and
every column of that jet (value, first and second derivatives) passes each layer as z_c = W a_c, the bias being a weight
whose input is 1 in the value's column and 0 in all others. With b_c the derivative of the residual by z_c, a row of the
Jacobian is the sum over columns of the outer products b_c a_c^T, for each layer. Hence, without writing such a row,

    (J J^T)_nm = sum over layers, c, c' of (a_nc . a_mc') (b_nc . b_mc').

That is cheaper than J wherever a layer has more weights than some 25 times its width (`_Layer.sparing`); thin layers
are written out. The columns come from ordinary torch, so that autograd supplies all b of a layer at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from metasiren import Jet, Params, Siren
from metasiren.nn.derivatives import (
    Order,
    activate_columns,
    affine_columns,
    input_columns,
    jet_columns,
    order_for,
    read_columns,
)

Direction = dict[str, Tensor]
"""A change of the parameters: name -> tensor of the shape that `Siren.shapes` gives."""


@dataclass(frozen=True)
class ResidualBlock:
    """The residuals at one point set.

    Attributes:
        coords: (points, d_in).
        order: the derivatives that `residuals` needs.
        residuals: jet of one item -> (points, components), scaled so that their squares add up to the loss; or
            (points / 2, components), where row i depends on points i and i + points / 2.
    """

    coords: Tensor
    order: Order
    residuals: Callable[[Jet], Tensor]


@dataclass(frozen=True)
class _Layer:
    """One layer's part in the rows of one point set. For pairs, `points` are pairs, with twice as many columns.

    Attributes:
        inputs: a, (points, columns, in + 1).
        adjoints: b, (components, points, columns, out), times the layer's frequency.
    """

    inputs: Tensor
    adjoints: Tensor

    @property
    def sparing(self) -> bool:
        """Whether sums over pairs of columns cost less than the rows themselves."""
        columns, width = self.inputs.shape[1:]
        components, out = self.adjoints.shape[0], self.adjoints.shape[-1]
        # 30: a product that is added costs about as much memory traffic as so many multiplications.
        return out * width > columns**2 * (out + width / components**2 + 30)

    def rows(self) -> Tensor:
        """The layer's columns of the Jacobian, (components * points, out * (in + 1))."""
        return torch.einsum("knco,nci->knoi", self.adjoints, self.inputs).flatten(2).flatten(0, 1)

    def norm_squared(self) -> Tensor:
        """The sum of the squares of the rows' entries."""
        a = self.inputs @ self.inputs.mT
        return (a * torch.einsum("knco,kndo->ncd", self.adjoints, self.adjoints)).sum()

    def cross(self, other: _Layer) -> Tensor:
        """The layer's part of J J^T between two point sets."""
        if not (self.sparing and other.sparing):
            return symmetric(self.rows().mT) if other is self else self.rows() @ other.rows().mT
        (k, n), (h, m) = self.adjoints.shape[:2], other.adjoints.shape[:2]
        total, mirrored = self.inputs.new_zeros(2, k, n, h, m).unbind(0)
        for c in range(self.inputs.shape[1]):
            # Of a set with itself, the pair (c', c) is the transpose of (c, c').
            for d in range(c + 1 if other is self else other.inputs.shape[1]):
                a = self.inputs[:, c] @ other.inputs[:, d].mT
                b = self.adjoints[:, :, c].flatten(0, 1) @ other.adjoints[:, :, d].flatten(0, 1).mT
                into = mirrored if other is self and d < c else total
                into.addcmul_(b.view(k, n, h, m), a[None, :, None, :])
        whole = (total + mirrored).view(k * n, h * m)
        return whole + mirrored.view(k * n, h * m).mT if other is self else whole

    def pull(self, weights: Tensor) -> Tensor:
        """The sum of rows times weights (components, points): (out, in + 1)."""
        b = torch.einsum("kn,knco->nco", weights, self.adjoints)
        return b.flatten(0, 1).mT @ self.inputs.flatten(0, 1)

    def push(self, direction: Tensor) -> Tensor:
        """Rows times a direction (out, in + 1): (components, points)."""
        return torch.einsum("knco,nco->kn", self.adjoints, self.inputs @ direction.mT)


class Linearised:
    """Residuals r and their Jacobian J as an operator; rows run over point sets, then components, then points.

    Args:
        siren: the architecture; an input layer with weights of its own is refused (`ValueError`).
        params: (1, ...) weights.
        blocks: the residuals of each point set.

    Attributes:
        residual: r, (rows,).
    """

    def __init__(self, siren: Siren, params: Params, blocks: Sequence[ResidualBlock]) -> None:
        if not capturable(siren):
            raise ValueError("the input layer has weights: its rows need `DenseJacobian`")
        self.siren = siren
        weights = {name: value.detach()[0] for name, value in params.items()}
        found = [_capture(siren, weights, block) for block in blocks]
        self._sets = [layers for _, layers in found]
        self.residual = torch.cat([r.flatten() for r, _ in found])

    def gram(self) -> Tensor:
        """J J^T, (rows, rows)."""
        blocks: list[list[Tensor]] = []
        for i, mine in enumerate(self._sets):
            blocks.append([])
            for theirs in self._sets[: i + 1]:
                parts = [a.cross(b) for a, b in zip(mine, theirs, strict=True)]
                blocks[i].append(torch.stack(parts).sum(0) if len(parts) < 2 else sum(parts[1:], parts[0]))
        full = [
            torch.cat([*row, *(blocks[j][i].mT for j in range(i + 1, len(blocks)))], 1) for i, row in enumerate(blocks)
        ]
        return torch.cat(full)

    def rows(self) -> Tensor:
        """J, (rows, parameters): for each layer in turn, for each of its outputs the weights, then the bias."""
        return torch.cat([torch.cat([layer.rows() for layer in layers], 1) for layers in self._sets])

    def named(self, flat: Tensor) -> Direction:
        """A vector (parameters,) in the order of `rows` as changes of the parameters."""
        direction: Direction = {}
        sizes = [layer.out_features * (layer.in_features + 1) for layer in self.siren.layers]
        for layer, part in zip(self.siren.layers, torch.split(flat, sizes), strict=True):
            both = part.view(layer.out_features, layer.in_features + 1)
            direction[layer.weight], direction[layer.bias] = both[:, :-1], both[:, -1]
        return direction

    def flat(self, direction: Mapping[str, Tensor]) -> Tensor:
        """The inverse of `named`."""
        both = [
            torch.cat([direction[layer.weight], direction[layer.bias].unsqueeze(-1)], -1) for layer in self.siren.layers
        ]
        return torch.cat([each.flatten() for each in both])

    def norm_squared(self) -> Tensor:
        """The sum of the squares of all entries of J, a scalar."""
        return torch.stack([layer.norm_squared() for layers in self._sets for layer in layers]).sum()

    def pull(self, weights: Tensor) -> Direction:
        """J^T w for w (rows,)."""
        sizes = [layers[0].adjoints.shape[:2] for layers in self._sets]
        parts = [w.view(size) for w, size in zip(torch.split(weights, [s.numel() for s in sizes]), sizes, strict=True)]
        direction: Direction = {}
        for position, layer in enumerate(self.siren.layers):
            total = sum(layers[position].pull(w) for layers, w in zip(self._sets, parts, strict=True))
            assert isinstance(total, Tensor)
            direction[layer.weight], direction[layer.bias] = total[:, :-1], total[:, -1]
        return direction

    def push(self, direction: Mapping[str, Tensor]) -> Tensor:
        """J v, (rows,)."""
        both = [
            torch.cat([direction[layer.weight], direction[layer.bias].unsqueeze(-1)], -1) for layer in self.siren.layers
        ]
        found = []
        for layers in self._sets:
            parts = [layer.push(v) for layer, v in zip(layers, both, strict=True)]
            found.append(sum(parts[1:], parts[0]).flatten())
        return torch.cat(found)


def symmetric(matrix: Tensor, panel: int = 192) -> Tensor:
    """A^T A for A (rows, columns): the blocks from the diagonal down are computed, the others are their transposes."""
    panels = torch.split(matrix, panel, 1)
    found = matrix.new_empty(matrix.shape[1], matrix.shape[1])
    for i, mine in enumerate(panels):
        start, stop = i * panel, i * panel + mine.shape[1]
        torch.mm(mine.mT, matrix[:, :stop], out=found[start:stop, :stop])
        found[:start, start:stop] = found[start:stop, :start].mT
    return found


def capturable(siren: Siren) -> bool:
    """Whether all weights sit in affine layers."""
    return siren.encoding is None or not siren.encoding.shapes


def output_rows(siren: Siren, params: Params, blocks: Sequence[ResidualBlock]) -> tuple[Tensor, Tensor]:
    """Residuals and their Jacobian by the output layer alone, whatever the architecture.

    Returns:
        r (rows,), and (rows, out * (in + 1)): for each channel the weights, then the bias.
    """
    weights = {name: value.detach()[0] for name, value in params.items()}
    residuals, rows = [], []
    for block in blocks:
        # What a block needs beside its rows is as large as they, and is given back before the next.
        residual, (layer,) = _capture(siren, weights, block, first=len(siren.layers) - 1)
        residuals.append(residual.flatten())
        rows.append(layer.rows())
    return torch.cat(residuals), torch.cat(rows)


def _capture(
    siren: Siren, weights: Mapping[str, Tensor], block: ResidualBlock, first: int = 0
) -> tuple[Tensor, list[_Layer]]:
    """Residuals (components, points), and what each layer from `first` on contributes to their rows.

    Where points come in pairs, the columns of the second point are further columns of the first.
    """
    ones, order = (1.0,) * siren.in_features, order_for(siren, block.order)
    columns = jet_columns(order, ones)
    inputs, outputs = [], []
    with torch.no_grad():
        params = {name: w.unsqueeze(0) for name, w in weights.items()}
        h = input_columns(siren, params, block.coords.unsqueeze(0), columns)
    with torch.enable_grad():
        for position, layer in enumerate(siren.layers):
            z = affine_columns(h, params[layer.weight], params[layer.bias], layer.omega)
            if position >= first:
                inputs.append(h.detach()[0].transpose(0, 1))
                if not z.requires_grad:
                    z.requires_grad_()
                outputs.append(z)
            h = z if layer.last else activate_columns(z, siren.activation, columns)
        jet = read_columns(h, order, ones)
        if siren.exact is not None:
            jet = siren.exact.jet(block.coords.unsqueeze(0), jet, ones)
        residual = block.residuals(jet)
        residual = residual.mT.contiguous()
        pulls = [torch.autograd.grad(r.sum(), outputs, retain_graph=True, materialize_grads=True) for r in residual]
    layers = []
    for number, layer in enumerate(siren.layers[first:]):
        a = torch.nn.functional.pad(inputs[number], (0, 1))
        a[:, 0, -1] = 1
        b = layer.omega * torch.stack([pull[number][0].transpose(0, 1) for pull in pulls])
        if first + number == 0 and siren.encoding is None:
            # Coordinates have no second derivatives.
            used = 1 + (siren.in_features if block.order != "value" else 0)
            a, b = a[:, :used], b[:, :, :used]
        if residual.shape[1] < len(a):
            a, b = torch.cat(a.chunk(2), 1), torch.cat(b.chunk(2, 1), 2)
        layers.append(_Layer(a.contiguous(), b.contiguous()))
    return residual.detach(), layers
