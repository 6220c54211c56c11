"""A family of time-harmonic waves: every item has a source's position and a uniform medium of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from metasiren import Batch, Context, Dataset, Domain, Points, RecipeError
from metasiren_physics.datasets.sourced import check_count, physics_grid
from metasiren_physics.media import Uniform
from metasiren_physics.pml import Pml
from metasiren_physics.problems import HelmholtzProblem
from metasiren_physics.reference.closed_form import closed_form
from metasiren_physics.sources import Gaussian

STREAMS = {"train": 0, "test": 1}
NODES = 48
"""Nodes along each axis where test waves are compared with the closed form."""


class HelmholtzFamily(Dataset):
    """Waves of one frequency in [-1, 1]² (Eq. 11 of the supplement), each with its own source and speed; no solutions.

    The context is one pair: the source's position as coordinates, and as values the medium, (speed - 1, 0). The point
    set `interior` has what the constraint `helmholtz` needs. In `test`, `reference` and `section` are a grid over the
    physics with the closed form's (real, imaginary) part as `values`.

    Args:
        wavenumber: k at unit speed, in radians per unit of length.
        reach: sources lie in [-reach, reach]².
        speeds: least and greatest speed of the media.
        variance: of the Gaussian sources, of unit strength.
        pml_width: width of the absorbing layer.
        pml_strength: how much it damps, a0.
        points: drawn at each step; all items of a batch share them.
        train: number of training waves.
        test: number of test waves, which differ from these.
        seed: of sources and speeds.

    Raises:
        RecipeError: a number out of its range, or sources in the absorbing layer.
    """

    def __init__(
        self,
        *,
        wavenumber: float = 6.0,
        reach: float = 0.3,
        speeds: tuple[float, float] = (0.9, 1.2),
        variance: float = 4e-3,
        pml_width: float = 0.5,
        pml_strength: float = 5.0,
        points: int = 512,
        train: int = 4096,
        test: int = 32,
        seed: int = 0,
    ) -> None:
        where = "data: helmholtz_family"
        for option, value in (("points", points), ("train", train), ("test", test)):
            check_count(f"{where}: {option}", value)
        if not 0 < speeds[0] <= speeds[1]:
            raise RecipeError(f"{where}: speeds", f"{list(speeds)}.", "Give the least and the greatest, above 0.")
        self.pml, self.wavenumber, self.variance, self.points = (
            Pml(pml_width, pml_strength),
            wavenumber,
            variance,
            points,
        )
        most = self.pml.start - 3 * variance**0.5 if variance > 0 else 0.0
        if not 0 <= reach <= most:
            found = f"{reach}, with sources of variance {variance:g}; the absorbing layer begins at {self.pml.start:g}."
            raise RecipeError(
                f"{where}: reach", found, f"Give at most {most:.3g}: three deviations lie before the layer."
            )
        self.title = f"Helmholtz waves, k = {wavenumber:g}, any source and speed"
        self.splits, self.domain = {"train": train, "test": test}, Domain(2, 2, None, train)
        self._items = {s: _draw(n, 1000 * seed + STREAMS[s], reach, speeds) for s, n in self.splits.items()}

    def problem(self, split: str, item: int) -> HelmholtzProblem:
        """One item as the solvers take it."""
        x, y, speed = self._items[split][item].double().tolist()
        return HelmholtzProblem(Uniform(speed), self.wavenumber, Gaussian((x, y), self.variance), self.pml)

    def batch(
        self,
        split: str,
        items: Tensor,
        *,
        context: tuple[int, int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Batch:
        """Fresh points in `train`; in `test` always the same, and four times as many."""
        chosen = self._items[split].to(items.device)[items]
        count = self.points
        if split != "train":
            generator, count = torch.Generator(items.device).manual_seed(5), 4 * self.points
        coords = torch.rand(count, 2, generator=generator, device=items.device) * 2 - 1
        sets = {"interior": self._equation(coords, chosen)}
        if split != "train":
            grid = physics_grid(self.pml, NODES, items.device)
            at = grid.cpu().numpy()
            waves = np.stack([closed_form(self.problem(split, int(item)), at) for item in items])
            values = torch.view_as_real(torch.from_numpy(waves)).float().to(items.device)
            sets["reference"] = sets["section"] = Points(grid.float().unsqueeze(0), {"values": values})
        seen = torch.stack([chosen[:, 2] - 1, torch.zeros_like(chosen[:, 2])], dim=1).unsqueeze(1)
        mask = torch.ones(len(items), 1, dtype=torch.bool, device=items.device)
        return Batch(Context(items, chosen[:, None, :2], seen, mask), sets)

    def to(self, device: torch.device | str) -> HelmholtzFamily:
        """Move sources and speeds, and return the data set."""
        self._items = {split: items.to(device) for split, items in self._items.items()}
        return self

    def _equation(self, coords: Tensor, items: Tensor) -> Points:
        """As `equation_points`, for many sources and media at the same points; sources are not `truncated`."""
        c = self.pml.coefficients(coords)
        operator = torch.stack([c.a, c.a_1, c.b, c.b_2, self.wavenumber**2 * c.c], -1)
        apart = (coords.unsqueeze(0) - items[:, None, :2]).square().sum(2)
        density = torch.exp(-apart / (2 * self.variance)) / (2 * torch.pi * self.variance)
        known = {
            "operator": torch.view_as_real(operator).unsqueeze(0),
            "source": torch.stack([density, density], -1).unsqueeze(2),  # of strength 1 + j
            "slowness": (items[:, 2, None, None] ** -2.0).expand(-1, len(coords), 1),
            "weight": coords.new_ones(1, len(coords), 1),
        }
        return Points(coords.unsqueeze(0), known)


def _draw(count: int, seed: int, reach: float, speeds: tuple[float, float]) -> Tensor:
    """Positions and speeds, (count, 3)."""
    u: Any = torch.rand(count, 3, generator=torch.Generator().manual_seed(seed))
    return torch.cat([(2 * u[:, :2] - 1) * reach, speeds[0] + (speeds[1] - speeds[0]) * u[:, 2:]], dim=1)
