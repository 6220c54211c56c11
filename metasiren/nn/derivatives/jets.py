"""Values and derivatives of a SIREN in one call, as equations need them.

Two routes, chosen here by cost alone: an explicit reverse pass for gradients of few outputs (`jet_adjoint`),
forward jets for everything else (`jet_columns`). In units of one forward pass, a training step costs 3 (1 + out)
by the first and 3 columns by the second: 1 + in columns for gradients, 2 + in for Laplacians (and for each further
sum of second derivatives one more), 1 + 2 in for Hessian diagonals, 1 + in + in (in + 1) / 2 for Hessians.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from metasiren.errors import RecipeError
from metasiren.nn.derivatives.blocks import Layers
from metasiren.nn.derivatives.columns import Columns, Term
from metasiren.nn.derivatives.forward import feature_columns, pass_columns, plain_columns, with_tangents
from metasiren.nn.derivatives.orders import ORDERS, Jet, Order, SecondSums, UpTo, rank, weighted
from metasiren.nn.derivatives.reverse import pass_adjoint
from metasiren.nn.derivatives.taylor import HIGHER, AxisColumns
from metasiren.nn.encodings import Expansion
from metasiren.nn.layers import Params, full_precision

if TYPE_CHECKING:
    from metasiren.nn.siren import Siren


def jet(
    siren: Siren,
    params: Params,
    coords: Tensor,
    order: Order,
    *,
    weights: Sequence[float] | None = None,
    chunk_points: int | None = None,
) -> Jet:
    """Evaluate a SIREN and its derivatives.

    Gradients reach parameters and coordinates. They may themselves be differentiated, at the price of a second
    evaluation; training on a loss of the jet does not need this.

    Args:
        siren: the architecture.
        params: as `Siren.init` returns them, with leading size `batch` or 1.
        coords: (batch, points, in), or (points, in) for the same points everywhere.
        order: one of `ORDERS`, `SecondSums` or `UpTo`.
        weights: constants w_i, one for each coordinate, that make `laplacian` the sum of w_i u_ii: with
            (1, -c**2, -c**2) it is the wave operator. Default: all one.
        chunk_points: evaluate so many points at a time, which bounds memory where no gradients are asked for.
            Results are the same.

    Returns:
        The jet, in the dtype of the parameters (at least float32).

    Raises:
        RecipeError: an unknown order; weights of the wrong number, or for an order without a Laplacian;
            chunks below one point.
        ValueError: shapes that do not fit; the message names both.
    """
    summed = isinstance(order, str) and rank(order) >= ORDERS.index("laplacian")
    if weights is not None and (len(weights) != siren.in_features or not summed):
        found = f"{len(weights)} weights for {siren.in_features} coordinates and order {order!r}."
        raise RecipeError("jet: weights", found, "Give one number for each coordinate, and an order from laplacian on.")
    if isinstance(order, SecondSums) and any(len(each) != siren.in_features for each in order.weights):
        found = f"{order} for {siren.in_features} coordinates."
        raise RecipeError("jet: order", found, "Give each sum one number for each coordinate.")
    if isinstance(order, UpTo) and len(order.tops) != siren.in_features:
        found = f"{order} for {siren.in_features} coordinates."
        raise RecipeError("jet: order", found, "Give each coordinate one number.")
    if chunk_points is not None and chunk_points < 1:
        raise RecipeError("jet: chunk_points", f"{chunk_points} is below one.", "Give a positive integer.")
    order = order_for(siren, order)
    factors = tuple(float(w) for w in weights) if weights is not None else (1.0,) * siren.in_features
    x, params, batch = siren.prepare(params, coords)
    with full_precision(x):
        chunks = torch.split(x, chunk_points, 1) if chunk_points else (x,)
        if order == "value":
            parts = [Jet(siren.evaluate(chunk, params)) for chunk in chunks]
        else:
            layers = _layers(siren, params)
            parts = [_evaluate(siren, params, layers, chunk, order, factors) for chunk in chunks]
            if siren.exact is not None:
                parts = [siren.exact.jet(chunk, part, factors) for chunk, part in zip(chunks, parts, strict=True)]
    joined = {}
    for name in (*ORDERS, "sums"):
        tensors = [getattr(part, name) for part in parts]
        if tensors[0] is not None:
            whole = torch.cat(tensors, 1) if len(tensors) > 1 else tensors[0]
            joined[name] = whole.reshape(batch, whole.shape[0] * whole.shape[1] // batch, *whole.shape[2:])
    return Jet(**joined)


def order_for(siren: Siren, order: Order) -> Order:
    """The order that is evaluated where `order` is asked for: with exact conditions, the diagonal in place of sums."""
    return "hessian_diagonal" if siren.exact is not None and isinstance(order, SecondSums) else order


@torch.no_grad()
def feature_jet(siren: Siren, params: Params, coords: Tensor, order: Order) -> Jet:
    """The jet of the features h before the output layer: with its weights W and bias b, u = W h + b.

    A problem that is linear in the field is linear in W and b, with this jet as its matrix.

    Args:
        siren: the architecture.
        params: as `Siren.init` returns them, with leading size `batch` or 1; the output layer's are not used.
        coords: (batch, points, in), or (points, in) for the same points everywhere.
        order: one of `ORDERS`, `SecondSums` or `UpTo`.

    Returns:
        The jet of `hidden_features` channels, without gradients.

    Raises:
        RecipeError: an unknown order; a field with exact conditions, which is no such product.
        ValueError: shapes that do not fit; the message names both.
    """
    rank(order)
    siren.demand_plain("feature_jet")
    x, params, batch = siren.prepare(params, coords)
    with full_precision(x):
        layers, ones = _layers(siren, params), (1.0,) * siren.in_features
        columns = jet_columns(order, ones)
        plain = siren.encoding is None and isinstance(columns, Columns)
        features = x.unsqueeze(1) if plain else input_columns(siren, params, x, columns)
        hidden = Layers(layers.weights[:-1], layers.biases[:-1])
        out = feature_columns(features, hidden, siren.activation, columns)
    found = read_columns(out, order, ones)
    return Jet(**{k: v.reshape(batch, -1, *v.shape[2:]) for k, v in vars(found).items() if v is not None})


def _layers(siren: Siren, params: Params) -> Layers:
    def folded(name: str, omega: float) -> Tensor:
        return params[name] * omega if omega != 1 else params[name]

    return Layers(
        tuple(folded(layer.weight, layer.omega) for layer in siren.layers),
        tuple(folded(layer.bias, layer.omega) for layer in siren.layers),
    )


def _evaluate(siren: Siren, params: Params, layers: Layers, x: Tensor, order: Order, weights: tuple[float, ...]) -> Jet:
    """The jet at x (instances, points, in) of an order beyond values, its fields (instances, points, ...)."""
    if axes := _axis_columns(order, siren.in_features):
        features = input_columns(siren, params, x, axes)
        return read_columns(plain_columns(features, layers, siren.activation, axes), order, weights)
    expansion = siren.encoding.expand(x, params) if siren.encoding else None
    if order == "gradient" and siren.out_features < siren.in_features:
        value, gradient = pass_adjoint(expansion.value if expansion else x, layers, siren.activation)
        if expansion:
            slopes = torch.stack([expansion.first(i) for i in range(siren.in_features)], -1)
            return Jet(value, torch.einsum("ionf,infd->inod", gradient, slopes))
        return Jet(value, gradient.transpose(1, 2))
    columns = jet_columns(order, weights)
    assert isinstance(columns, Columns)
    features = _expanded(expansion, columns) if expansion else x.unsqueeze(1)
    return read_columns(pass_columns(features, layers, siren.activation, columns), order, weights)


def _unmixed(weights: tuple[float, ...]) -> tuple[Term, ...]:
    terms = tuple((i, i, float(w)) for i, w in enumerate(weights))
    return tuple(term for term in terms if term[2]) or terms[:1]


def _pairs(d: int) -> list[tuple[int, int]]:
    return [(i, i) for i in range(d)] + [(i, j) for i in range(d) for j in range(i + 1, d)]


def _axis_columns(order: Order, coordinates: int) -> AxisColumns | None:
    """The columns of `third`, `fourth` and `UpTo`, which are unmixed derivatives; None for other orders."""
    if isinstance(order, UpTo):
        return AxisColumns(order.tops)
    return AxisColumns((HIGHER[order],) * coordinates) if order in HIGHER else None


def jet_columns(order: Order, weights: tuple[float, ...]) -> Columns | AxisColumns:
    """The columns that carry a jet.

    Args:
        order: one of `ORDERS`, `SecondSums` or `UpTo`.
        weights: factors of the unmixed second derivatives in the Laplacian, one for each coordinate.
    """
    d = len(weights)
    if axes := _axis_columns(order, d):
        return axes
    if order == "value":
        return Columns(0)
    if order == "gradient":
        return Columns(d)
    if isinstance(order, SecondSums):
        return Columns(d, tuple(_unmixed(each) for each in order.weights))
    if order == "laplacian":
        return Columns(d, (_unmixed(weights),))
    pairs = _pairs(d) if order == "hessian" else _pairs(d)[:d]
    return Columns(d, tuple(((i, j, 1.0),) for i, j in pairs))


def input_columns(siren: Siren, params: Params, x: Tensor, columns: Columns | AxisColumns) -> Tensor:
    """The first layer's input, with its derivatives by the coordinates.

    Args:
        siren: the architecture.
        params: (instances, ...).
        x: coordinates (instances, points, in).
        columns: which derivatives.

    Returns:
        (instances, columns, points, features)
    """
    if isinstance(columns, AxisColumns):
        encoding = siren.encoding
        made = columns.of_features(lambda p: encoding.expand(p, params).value, x) if encoding else None
        return torch.stack(made or columns.of_coordinates(x), 1)
    if siren.encoding is not None:
        return _expanded(siren.encoding.expand(x, params), columns)
    return with_tangents(x, columns)


def _expanded(expansion: Expansion, columns: Columns) -> Tensor:
    second = [
        sum((w * expansion.second(i, j) for i, j, w in terms), torch.zeros_like(expansion.value))
        for terms in columns.second
    ]
    return torch.stack([expansion.value, *(expansion.first(i) for i in range(columns.tangents)), *second], 1)


def read_columns(out: Tensor, order: Order, weights: tuple[float, ...]) -> Jet:
    """The jet that `jet_columns` of the same order and weights carry.

    Args:
        out: (instances, columns, points, out).
        order: one of `ORDERS`, `SecondSums` or `UpTo`.
        weights: as for `jet_columns`.
    """
    if order == "value":
        return Jet(out[:, 0])
    d = len(weights)
    if axes := _axis_columns(order, d):
        first, *higher = axes.derivatives(out.unbind(1))
        laplacian = weighted(higher[0], weights) if min(axes.tops) > 1 else None
        return Jet(
            out[:, 0], first, laplacian, **dict(zip(("hessian_diagonal", "third", "fourth"), higher, strict=False))
        )
    value, gradient, second = out[:, 0], out[:, 1 : 1 + d].permute(0, 2, 3, 1), out[:, 1 + d :].permute(0, 2, 3, 1)
    if order == "gradient":
        return Jet(value, gradient)
    if isinstance(order, SecondSums):
        return Jet(value, gradient, sums=second)
    if order == "laplacian":
        return Jet(value, gradient, second[..., 0])
    diagonal = second[..., :d]
    laplacian = diagonal.sum(-1) if set(weights) == {1.0} else weighted(diagonal, weights)
    if order == "hessian_diagonal":
        return Jet(value, gradient, laplacian, diagonal)
    places = {pair: k for k, pair in enumerate(_pairs(d))}
    rows = [places[min(i, j), max(i, j)] for i in range(d) for j in range(d)]
    hessian = torch.stack([second[..., k] for k in rows], -1)
    return Jet(value, gradient, laplacian, diagonal, hessian.view(*hessian.shape[:-1], d, d))
