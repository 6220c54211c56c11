"""Fields whose shapes are known exactly, with the interface of a trained one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from metasiren import Jet


class Analytic:
    """A formula of x, y, z; derivatives by autograd. Counts the points that it was asked for."""

    def __init__(self, formula: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
        self.formula, self.points = formula, 0

    def __call__(self, coords: Tensor) -> Tensor:
        coords = coords if coords.dim() == 3 else coords.unsqueeze(0)
        self.points += coords.shape[0] * coords.shape[1]
        return self.formula(*coords.unbind(-1)).unsqueeze(-1)

    def jet(self, coords: Tensor, order: str, **options: Any) -> Jet:
        assert order in ("value", "gradient")
        with torch.enable_grad():
            x = coords.detach().clone().requires_grad_()
            value = self(x)
            (gradient,) = torch.autograd.grad(value.sum(), x)
        return Jet(value.detach(), gradient.reshape(*value.shape, 3))


def ball(radius: float = 0.6, centre: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Analytic:
    """The signed distance to a sphere."""
    cx, cy, cz = centre
    return Analytic(lambda x, y, z: ((x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2).sqrt() - radius)


def torus(ring: float = 0.6, tube: float = 0.25) -> Analytic:
    """The signed distance to a torus around the y axis."""
    return Analytic(lambda x, y, z: (((x**2 + z**2).sqrt() - ring) ** 2 + y**2).sqrt() - tube)


def balls(radius: float, *centres: tuple[float, float, float]) -> Analytic:
    """The signed distance to several spheres, outside of them."""
    parts = [ball(radius, c) for c in centres]
    return Analytic(lambda x, y, z: torch.stack([p.formula(x, y, z) for p in parts]).amin(0))


def shell(radius: float = 0.6, thickness: float = 0.03) -> Analytic:
    """The signed distance to a hollow sphere with a thin wall."""
    return Analytic(lambda x, y, z: ((x**2 + y**2 + z**2).sqrt() - radius).abs() - thickness / 2)


def gyroid(frequency: float = 7.0, radius: float = 0.9) -> Analytic:
    """A gyroid cut to a ball: many handles, and no signed distance."""

    def formula(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        u, v, w = frequency * x, frequency * y, frequency * z
        sheet = (u.sin() * v.cos() + v.sin() * w.cos() + w.sin() * u.cos()) / frequency
        return torch.maximum(sheet, (x**2 + y**2 + z**2).sqrt() - radius)

    return Analytic(formula)


def rough(seed: int = 0, waves: int = 10, frequency: float = 15.0) -> Analytic:
    """A sum of plane waves: ambiguous cells, pieces and handles everywhere, cut by the cube."""
    generator = torch.Generator().manual_seed(seed)
    k = torch.randn(waves, 3, generator=generator, dtype=torch.float64) * frequency
    phase = torch.rand(waves, generator=generator, dtype=torch.float64) * 6.3

    def formula(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        total = torch.zeros_like(x)
        for (a, b, c), p in zip(k.tolist(), phase.tolist(), strict=True):
            total = total + torch.sin(a * x + b * y + c * z + p)
        return total

    return Analytic(formula)
