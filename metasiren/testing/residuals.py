"""Manufactured solutions as a check of an equation: the exact solution leaves no residual, a wrong one does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from metasiren.contracts import Points, Residual
from metasiren.nn.derivatives.exact import function_jet
from metasiren.nn.derivatives.orders import Jet
from metasiren.testing.report import demand


def exact_jet(function: Callable[[Tensor], Tensor], coords: Tensor) -> Jet:
    """The jet of a function in torch, by nested automatic differentiation.

    Args:
        function: points (points, d) -> values (points,) or (points, channels), point by point.
        coords: (points, d).

    Returns:
        the jet with all derivatives up to the second and the unmixed ones up to the fourth, of one item: `value` is
        (1, points, channels).
    """

    def channels(x: Tensor) -> Tensor:
        value = function(x)
        return value.unsqueeze(-1) if value.dim() == 1 else value

    found = function_jet(channels, coords.detach(), 4)
    return Jet(**{name: part.detach().unsqueeze(0) for name, part in vars(found).items() if part is not None})


def check_residual(
    residual: Residual,
    exact: Callable[[Tensor], Tensor],
    coords: Tensor,
    *,
    targets: Mapping[str, Tensor] | None = None,
    tolerance: float = 1e-8,
) -> dict[str, float]:
    """An exact solution leaves no residual, and its derivatives with a flipped sign do.

    Args:
        residual: the equation.
        exact: a solution in torch, points (points, d) -> values (points,) or (points, channels).
        coords: where it is checked, (points, d); use float64, and points where no term vanishes.
        targets: what the equation needs at the points, such as {"source": (points, channels)}.
        tolerance: the largest residual of the solution that passes.

    Returns:
        the largest |residual|: of the solution under `exact`, and of each flipped part that the equation depends on,
        under names such as `gradient[0]`.

    Raises:
        ContractError: the solution leaves a residual; or no flipped derivative does: the residual checks nothing; or
            the residual is one of pairs of points, which no solution at single points can check.
    """
    demand(
        not residual.pairs,
        "its points come in pairs, so it is a condition between two points and no equation.",
        "Test it with the values and slopes of a jet that you write down.",
    )
    points = Points(coords.unsqueeze(0), {name: value.unsqueeze(0) for name, value in (targets or {}).items()})
    jet = exact_jet(exact, coords)

    def left(of: Jet) -> Tensor:
        found = residual.residual(of, points)
        demand(
            found.dim() == 3 and found.shape[:2] == (1, len(coords)),
            f"residual returned {tuple(found.shape)}; expected (1, {len(coords)}, components).",
        )
        return found[0].abs().amax(-1)

    sizes = left(jet)
    worst = int(sizes.argmax())
    found = {"exact": float(sizes[worst])}
    demand(
        found["exact"] <= tolerance,
        f"the solution leaves {found['exact']:.3g} at {[round(c, 4) for c in coords[worst].tolist()]}.",
        f"At most {tolerance:g} passes: look for a wrong sign, factor or axis.",
    )
    for name, flipped in _flipped(jet):
        size = float(left(flipped).max())
        if size > 10 * tolerance:
            found[name] = size
    demand(
        any(name.startswith(("gradient", "hessian", "third", "fourth")) for name in found),
        "no derivative with a flipped sign leaves a residual.",
        "The residual ignores derivatives, or they vanish at these points: choose others.",
    )
    return found


def _flipped(jet: Jet) -> list[tuple[str, Jet]]:
    """Jets with the sign of one part turned; second derivatives agree with one another."""
    assert jet.gradient is not None
    assert jet.hessian is not None
    made = [("value", replace(jet, value=-jet.value))]
    d = jet.gradient.shape[-1]
    for i in range(d):
        sign = torch.ones(d, dtype=jet.value.dtype, device=jet.value.device)
        sign[i] = -1
        made.append((f"gradient[{i}]", replace(jet, gradient=jet.gradient * sign)))
        for name in ("third", "fourth"):
            made.append((f"{name}[{i}]", replace(jet, **{name: getattr(jet, name) * sign})))
        for j in range(i, d):
            signs = torch.ones(d, d, dtype=jet.value.dtype, device=jet.value.device)
            signs[i, j] = signs[j, i] = -1
            hessian = jet.hessian * signs
            diagonal = hessian.diagonal(dim1=-2, dim2=-1)
            second = {"hessian": hessian, "hessian_diagonal": diagonal, "laplacian": diagonal.sum(-1)}
            made.append((f"hessian[{i},{j}]", replace(jet, **second)))
    return made
