"""What `derivatives.py` times: for every case the same loss written twice, with nested autograd and with jets.

The nested side follows the usage of the SIREN paper's published code: one backward pass for every output and every
first derivative, results written into tensors of zeros; for full-waveform inversion the Jacobian of all outputs,
then the Jacobians of both fluxes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from metasiren import Params, Siren

Loss = Callable[[Siren, Params, Tensor], Tensor]

WAVENUMBER, PML_WIDTH, PML_STRENGTH, SPEED = 20.0, 0.5, 5.0, 1.0


@dataclass(frozen=True)
class Case:
    """One training step computed in two ways.

    Attributes:
        name: row of the table.
        siren: architecture.
        points: number of points.
        nested: loss with nested autograd.
        jet: the same loss with jets.
        cost: operations of a training step by either way, in forward passes through the hidden layers.
        goal: the ratio of times hoped for on two CPU cores.
    """

    name: str
    siren: Siren
    points: int
    nested: Loss
    jet: Loss
    cost: tuple[int, int]
    goal: float

    @property
    def limit(self) -> float:
        """Ratio of operations."""
        return self.cost[0] / self.cost[1]

    def scaled(self, factor: float) -> Case:
        """The same case with `factor` times the points."""
        return replace(self, points=max(round(self.points * factor), 1))


# Nested autograd.


def gradient(y: Tensor, x: Tensor) -> Tensor:
    return torch.autograd.grad(y, x, torch.ones_like(y), create_graph=True)[0]


def jacobian(y: Tensor, x: Tensor) -> Tensor:
    """(batch, points, out, in), one backward pass an output, written into zeros."""
    rows = torch.zeros(*y.shape, x.shape[-1], device=y.device, dtype=y.dtype)
    for i in range(y.shape[-1]):
        rows[:, :, i, :] = gradient(y[..., i], x)
    return rows


def hessian(y: Tensor, x: Tensor) -> Tensor:
    """(batch, points, out, in, in)."""
    d = x.shape[-1]
    out = torch.zeros(*y.shape, d, d, device=y.device, dtype=y.dtype)
    for o in range(y.shape[-1]):
        slope = gradient(y[..., o], x)
        for i in range(d):
            out[..., o, i, :] = gradient(slope[..., i], x)
    return out


def laplacian(y: Tensor, x: Tensor) -> Tensor:
    """(batch, points) for one output."""
    slope = gradient(y, x)
    total = torch.zeros_like(slope[..., 0])
    for i in range(x.shape[-1]):
        total = total + gradient(slope[..., i], x)[..., i]
    return total


# Losses that see derivatives, shared by both ways.


def poisson(lap: Tensor, x: Tensor) -> Tensor:
    return (lap - torch.cos(3 * x).sum(-1)).square().mean()


def eikonal(value: Tensor, slope: Tensor) -> Tensor:
    return (slope.norm(dim=-1) - 1).abs().mean() + 0.1 * torch.exp(-100 * value.abs()).mean()


def frobenius(value: Tensor, bent: Tensor) -> Tensor:
    return value.square().mean() + 1e-6 * bent.flatten(-2).norm(dim=-1).mean()


def wave(value: Tensor, velocity: Tensor, residual: Tensor) -> Tensor:
    return residual.abs().mean() + value.abs().mean() + velocity.abs().mean()


def damping(s: Tensor) -> tuple[Tensor, Tensor]:
    """The absorbing layer's stretch 1 - j a0 (distance / width)^2 along one coordinate, and its derivative."""
    inside = torch.clamp(s.abs() - (1 - PML_WIDTH), min=0) / PML_WIDTH
    stretch = torch.stack([torch.ones_like(s), -PML_STRENGTH * inside.square()], -1)
    slope = torch.stack([torch.zeros_like(s), -2 * PML_STRENGTH / PML_WIDTH * inside * torch.sign(s)], -1)
    return stretch, slope


def times(a: Tensor, b: Tensor) -> Tensor:
    """Complex product of (..., 2)."""
    real, imaginary = a[..., 0] * b[..., 0] - a[..., 1] * b[..., 1], a[..., 0] * b[..., 1] + a[..., 1] * b[..., 0]
    return torch.stack([real, imaginary], -1)


def over(a: Tensor, b: Tensor) -> Tensor:
    """Complex quotient of (..., 2)."""
    conjugate = torch.stack([b[..., 0], -b[..., 1]], -1)
    return times(a, conjugate) / b.square().sum(-1, keepdim=True)


def pairs(u: Tensor) -> Tensor:
    """Real outputs (..., 2 n) as complex ones (..., n, 2)."""
    return u.reshape(*u.shape[:-1], -1, 2)


def l1(residual: Tensor) -> Tensor:
    return residual.abs().sum(-1).mean()


def flux_by_autograd(y: Tensor, x: Tensor, slowness: Tensor, wavenumber: float = WAVENUMBER) -> Tensor:
    """d/dx (ey/ex u_x) + d/dy (ex/ey u_y) + ex ey k^2 m u for complex u (batch, points, waves, 2)."""
    ex, ey = (damping(x[..., i])[0].unsqueeze(-2) for i in (0, 1))
    d = jacobian(y, x)
    across = times(over(ey, ex), pairs(d[..., 0])).flatten(-2)
    along = times(over(ex, ey), pairs(d[..., 1])).flatten(-2)
    flux = jacobian(across, x)[..., 0] + jacobian(along, x)[..., 1]
    return pairs(flux) + wavenumber**2 * slowness * times(times(ex, ey), pairs(y))


def flux_by_jets(u: Tensor, d: Tensor, dd: Tensor, x: Tensor, slowness: Tensor) -> Tensor:
    """The same by the product rule: d/dx (ey/ex u_x) = ey/ex u_xx - ey ex' / ex^2 u_x."""
    (ex, ex_x), (ey, ey_y) = ([e.unsqueeze(-2) for e in damping(x[..., i])] for i in (0, 1))
    a, b = over(ey, ex), over(ex, ey)
    flux = times(a, pairs(dd[..., 0])) - times(over(times(a, ex_x), ex), pairs(d[..., 0]))
    flux = flux + times(b, pairs(dd[..., 1])) - times(over(times(b, ey_y), ey), pairs(d[..., 1]))
    return flux + WAVENUMBER**2 * slowness * times(times(ex, ey), pairs(u))


def source(x: Tensor) -> Tensor:
    return torch.exp(-x.square().sum(-1) / 2e-2)[..., None, None]


# The cases, each written twice.


def _with_graph(siren: Siren, params: Params, coords: Tensor) -> tuple[Tensor, Tensor]:
    x = coords.clone().requires_grad_()
    return siren(params, x), x


def laplacian_nested(siren: Siren, params: Params, coords: Tensor) -> Tensor:
    u, x = _with_graph(siren, params, coords)
    return poisson(laplacian(u, x), coords)


def laplacian_jet(siren: Siren, params: Params, coords: Tensor) -> Tensor:
    jet = siren.jet(params, coords, "laplacian")
    assert jet.laplacian is not None
    return poisson(jet.laplacian[..., 0], coords)


def gradient_nested(siren: Siren, params: Params, coords: Tensor) -> Tensor:
    u, x = _with_graph(siren, params, coords)
    return eikonal(u[..., 0], gradient(u, x))


def gradient_jet(siren: Siren, params: Params, coords: Tensor) -> Tensor:
    jet = siren.jet(params, coords, "gradient")
    assert jet.gradient is not None
    return eikonal(jet.value[..., 0], jet.gradient[..., 0, :])


def hessian_nested(siren: Siren, params: Params, coords: Tensor) -> Tensor:
    u, x = _with_graph(siren, params, coords)
    return frobenius(u, hessian(u, x))


def hessian_jet(siren: Siren, params: Params, coords: Tensor) -> Tensor:
    jet = siren.jet(params, coords, "hessian")
    assert jet.hessian is not None
    return frobenius(jet.value, jet.hessian)


def helmholtz_nested(siren: Siren, params: Params, coords: Tensor) -> Tensor:
    u, x = _with_graph(siren, params, coords)
    return l1(flux_by_autograd(u, x, torch.ones_like(coords[..., :1, None])) - source(coords))


def helmholtz_jet(siren: Siren, params: Params, coords: Tensor) -> Tensor:
    jet = siren.jet(params, coords, "hessian_diagonal")
    assert jet.gradient is not None
    assert jet.hessian_diagonal is not None
    slowness = torch.ones_like(coords[..., :1, None])
    return l1(flux_by_jets(jet.value, jet.gradient, jet.hessian_diagonal, coords, slowness) - source(coords))


def wave_nested(siren: Siren, params: Params, coords: Tensor) -> Tensor:
    u, x = _with_graph(siren, params, coords)
    d = jacobian(u, x)
    dd = jacobian(d[..., 0, :], x)
    return wave(u, d[..., 0, 0], dd[..., 0, 0] - SPEED**2 * (dd[..., 1, 1] + dd[..., 2, 2]))


def wave_jet(siren: Siren, params: Params, coords: Tensor) -> Tensor:
    jet = siren.jet(params, coords, "laplacian", weights=(1, -(SPEED**2), -(SPEED**2)))
    assert jet.gradient is not None
    assert jet.laplacian is not None
    return wave(jet.value, jet.gradient[..., 0, 0], jet.laplacian[..., 0])


def inversion_nested(siren: Siren, params: Params, coords: Tensor) -> Tensor:
    u, x = _with_graph(siren, params, coords)
    slowness = (u[..., -1:] + 1).unsqueeze(-1)
    return l1(flux_by_autograd(u[..., :-1], x, slowness) - source(coords))


def inversion_jet(siren: Siren, params: Params, coords: Tensor) -> Tensor:
    jet = siren.jet(params, coords, "hessian_diagonal")
    assert jet.gradient is not None
    assert jet.hessian_diagonal is not None
    u, d, dd = jet.value, jet.gradient[..., :-1, :], jet.hessian_diagonal[..., :-1, :]
    slowness = (u[..., -1:] + 1).unsqueeze(-1)
    return l1(flux_by_jets(u[..., :-1], d, dd, coords, slowness) - source(coords))


def unmixed_nested(siren: Siren, params: Params, coords: Tensor, top: int) -> Tensor:
    """Mean square of the unmixed derivatives of order `top` along every coordinate."""
    u, x = _with_graph(siren, params, coords)
    slope = gradient(u, x)
    found = list(slope.unbind(-1))
    for _ in range(top - 1):
        found = [gradient(each, x)[..., i] for i, each in enumerate(found)]
    return torch.stack(found, -1).square().mean()


def unmixed_jet(siren: Siren, params: Params, coords: Tensor, top: int) -> Tensor:
    order = ("gradient", "hessian_diagonal", "third", "fourth")[top - 1]
    found: Tensor = getattr(siren.jet(params, coords, order), order)
    return found.square().mean()


def unmixed_case(top: int, siren: Siren) -> Case:
    """Nested: each derivative doubles the graph of the one before, for each of two coordinates after the first."""
    nested = 3 * (2 + 2 * sum(2**k for k in range(1, top)))
    jets = 6 if top == 1 else 3 * (1 + 2 * top)
    name, goal = f"order {top} (2, 1)", 1.0
    return Case(
        name, siren, 2048, partial(unmixed_nested, top=top), partial(unmixed_jet, top=top), (nested, jets), goal
    )


def flux_cost(waves: int) -> int:
    """Passes of `flux_by_autograd` for so many real outputs, forward and backward.

    Each of the Jacobian's backward passes is one pass; each output of both fluxes then runs back through all of
    them and the evaluation.
    """
    return 3 * (1 + waves + 2 * waves * (waves + 1))


def cases() -> list[Case]:
    """All cases. Nested autograd costs 3 (1 + out (1 + 2 in)) passes where a Hessian's rows are wanted."""

    def siren(d: int, o: int, width: int = 256) -> Siren:
        return Siren(in_features=d, out_features=o, hidden_features=width, hidden_layers=3)

    return [
        Case("Laplacian (2, 1)", siren(2, 1), 16384, laplacian_nested, laplacian_jet, (18, 12), 1.8),
        Case("gradient (3, 1)", siren(3, 1), 16384, gradient_nested, gradient_jet, (6, 6), 1.1),
        Case("RGB Hessian (2, 3)", siren(2, 3), 8192, hessian_nested, hessian_jet, (48, 18), 2.2),
        Case("Helmholtz, PML (2, 2)", siren(2, 2), 8192, helmholtz_nested, helmholtz_jet, (flux_cost(2), 15), 3.5),
        Case("wave (3, 1), width 512", siren(3, 1, 512), 4096, wave_nested, wave_jet, (24, 15), 1.5),
        Case(
            "waveform inversion (2, 11)", siren(2, 11), 1024, inversion_nested, inversion_jet, (flux_cost(10), 15), 40
        ),
        *(unmixed_case(top, siren(2, 1)) for top in (1, 2, 3, 4)),
    ]
