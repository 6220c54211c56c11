"""Orders of derivatives, and the jet that contains them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from metasiren.errors import RecipeError, did_you_mean

ORDERS = ("value", "gradient", "laplacian", "hessian_diagonal", "hessian", "third", "fourth")
"""What can be asked for, by the names of a jet's fields; each includes all before it, but `third` and `fourth` have
unmixed derivatives only, and so no `hessian`."""


@dataclass(frozen=True)
class SecondSums:
    """An order beside the named ones: gradients, and weighted sums of unmixed second derivatives.

    Each sum costs one column, however many derivatives it adds. The wave operator of a uniform medium is
    `SecondSums(((1, -c**2, -c**2),))`; where c varies, `SecondSums(((1, 0, 0), (0, 1, 1)))` gives u_tt and Δu.

    Attributes:
        weights: for each sum its constants w_i, one for each coordinate.
    """

    weights: tuple[tuple[float, ...], ...]

    def of(self, jet: Jet) -> tuple[Tensor, ...]:
        """The sums, each (batch, points, out), from a jet of this order, or of `hessian_diagonal` and beyond.

        Raises:
            RecipeError: the jet has no second derivatives by coordinate.
        """
        if jet.hessian_diagonal is not None:
            diagonal = jet.hessian_diagonal
            return tuple(weighted(diagonal, each) for each in self.weights)
        if jet.sums is None or jet.sums.shape[-1] != len(self.weights):
            found = f"the jet does not have these sums of second derivatives: {self.weights}."
            raise RecipeError("jet: order", found, "Ask for this order, or for hessian_diagonal.")
        return jet.sums.unbind(-1)


@dataclass(frozen=True)
class UpTo:
    """An order beside the named ones: unmixed derivatives up to an order of its own along each coordinate.

    Each derivative costs one column. `UpTo((1, 3))` of (t, x) gives u_t, u_x, u_xx and u_xxx, five columns with the
    value, where `third` has seven. In the jet, derivatives beyond these are NaN.

    Attributes:
        tops: the highest derivative along each coordinate, from 1 to 4.

    Raises:
        RecipeError: a number outside this range.
    """

    tops: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.tops or not all(1 <= top <= 4 for top in self.tops):
            raise RecipeError("jet: order", f"UpTo({self.tops}).", "Give each coordinate a number from 1 to 4.")


Order = str | SecondSums | UpTo
"""One of `ORDERS`, sums of second derivatives, or unmixed derivatives by coordinate."""


@dataclass(frozen=True)
class Jet:
    """A field's values and derivatives at points; what was not asked for is None.

    Derivatives are per unit of the coordinates. `laplacian` comes with the second-order orders, `hessian_diagonal`
    with `hessian` too.

    Attributes:
        value: (batch, points, out).
        gradient: (batch, points, out, in), the first derivatives.
        laplacian: (batch, points, out), the sum of the (weighted) unmixed second derivatives.
        hessian_diagonal: (batch, points, out, in), the unmixed second derivatives.
        hessian: (batch, points, out, in, in), symmetric.
        third: (batch, points, out, in), the unmixed third derivatives.
        fourth: (batch, points, out, in), the unmixed fourth derivatives.
        sums: (batch, points, out, sums), those of `SecondSums`.
    """

    value: Tensor
    gradient: Tensor | None = None
    laplacian: Tensor | None = None
    hessian_diagonal: Tensor | None = None
    hessian: Tensor | None = None
    third: Tensor | None = None
    fourth: Tensor | None = None
    sums: Tensor | None = None


def highest(orders: Iterable[Order]) -> Order:
    """The order that includes all of `orders`; `value` for none.

    Raises:
        RecipeError: an unknown order; mixed derivatives together with `third` or `fourth`.
    """
    wanted = set(orders)
    if some := {order for order in wanted if isinstance(order, UpTo)}:
        return _all_up_to(some, wanted - some)
    sums = {order for order in wanted if isinstance(order, SecondSums)}
    named = {order for order in wanted if isinstance(order, str)}
    found = ORDERS[max((rank(order) for order in named), default=0)]
    if found in ("third", "fourth") and "hessian" in named:
        advice = "Use hessian_diagonal, or give the constraints point sets of their own."
        raise RecipeError("jet: order", f"no order includes both hessian and {found}.", advice)
    if not sums:
        return found
    if len(sums) == 1 and rank(found) < ORDERS.index("laplacian"):
        return sums.pop()
    return found if rank(found) > ORDERS.index("laplacian") else "hessian_diagonal"


def _all_up_to(some: set[UpTo], others: set[Order]) -> UpTo:
    """What includes orders by coordinate and others."""
    if "hessian" in others:
        advice = "Use hessian_diagonal, or give the constraints point sets of their own."
        raise RecipeError("jet: order", "no order includes both hessian and UpTo.", advice)
    least = {"value": 1, "gradient": 1, "third": 3, "fourth": 4}
    wanted = [least.get(ORDERS[rank(order)], 2) for order in others]
    if len({len(order.tops) for order in some}) > 1:
        raise RecipeError("jet: order", f"{some} are for different numbers of coordinates.", "Give all the same.")
    return UpTo(tuple(max(*tops, *wanted, 1) for tops in zip(*(order.tops for order in some), strict=True)))


def rank(order: Order) -> int:
    """The place of an order in `ORDERS`; sums of second derivatives have that of the Laplacian, `UpTo` is the last.

    Raises:
        RecipeError: an unknown order.
    """
    if isinstance(order, SecondSums):
        return ORDERS.index("laplacian")
    if isinstance(order, UpTo):
        return len(ORDERS)
    if order not in ORDERS:
        advice = f"{did_you_mean(order, ORDERS)}\nknown: {', '.join(ORDERS)}".strip()
        raise RecipeError("jet: order", f"no order is called {order!r}.", advice)
    return ORDERS.index(order)


def weighted(diagonal: Tensor, weights: Sequence[float]) -> Tensor:
    """The sum of w_i u_ii: (...) of second derivatives (..., in)."""
    # Numbers, not a tensor of them: the copy to a GPU could not be captured in a CUDA graph.
    places = [i for i, w in enumerate(weights) if w] or [0]
    total = diagonal[..., places[0]]
    if weights[places[0]] != 1:
        total = weights[places[0]] * total
    for i in places[1:]:
        total = torch.add(total, diagonal[..., i], alpha=weights[i])
    return total
