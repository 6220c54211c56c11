"""Designs of experiments: how points are spread over the unit cube."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from metasiren_physics.datasets.sampling import even

Design = Literal["even", "uniform", "latin", "sobol"]


def spread(
    design: Design, count: int, d: int, generator: torch.Generator | None, device: torch.device | str = "cpu"
) -> Tensor:
    """Points (count, d) of the unit cube, float64; each of them is uniformly distributed.

    Args:
        design: `uniform`, independent points; `latin`, one point in each of `count` slices along every axis (McKay et
            al. 1979); `sobol`, a scrambled Sobol sequence (Owen 1998); `even`, a shifted lattice (see `even`).
        count: number of points.
        d: dimension; 0 gives points without coordinates.
        generator: source of randomness, on `device`.
        device: where the points lie.
    """
    place = torch.device(device)
    if d == 0:
        return torch.zeros(count, 0, dtype=torch.float64, device=place)
    if design == "even":
        return even(count, d, generator, place)
    if design == "sobol":
        seed = int(torch.randint(2**31, (), generator=generator, device=place))
        return torch.quasirandom.SobolEngine(d, scramble=True, seed=seed).draw(count, dtype=torch.float64).to(place)  # type: ignore[no-untyped-call]
    points = torch.rand(count, d, generator=generator, device=place, dtype=torch.float64)
    if design == "uniform":
        return points
    slices = torch.stack([torch.randperm(count, generator=generator, device=place) for _ in range(d)], -1)
    return (slices + points) / count
