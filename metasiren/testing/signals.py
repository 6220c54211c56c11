"""Small signals and a small decoder, against which parts are checked."""

from __future__ import annotations

from math import pi, prod

import torch
from torch import Tensor, nn

from metasiren.contracts import Batch, Constraint, Context, Dataset, Decoder, Domain, Points, Prediction
from metasiren.nn.grids import grid
from metasiren.nn.layers import Params
from metasiren.nn.siren import Siren

IMAGES = Domain(d_in=2, d_out=3, grid=(32, 32), items=8)
WAVES = 3


class Ripples(Dataset):
    """Means of three plane waves of random direction and phase, half a period across at most; values in [-1, 1].

    Args:
        domain: dimensions, grid and number of training signals. Without a grid the points are random but fixed.
        at: name of the point set.
        points: their number, where there is no grid.
    """

    title = "ripples"

    def __init__(self, domain: Domain = IMAGES, *, at: str = "pixels", points: int = 1024) -> None:
        self.domain, self.at = domain, at
        self.splits = {"train": domain.items, "val": 4}
        random = torch.Generator().manual_seed(0)
        self.coords = grid(domain.grid) if domain.grid else torch.rand(points, domain.d_in, generator=random) * 2 - 1
        items = domain.items + 4
        self.directions = (torch.rand(items, WAVES, domain.d_in, generator=random) - 0.5) * pi
        self.phases = torch.rand(items, WAVES, domain.d_out, generator=random) * 2 * pi

    def batch(
        self,
        split: str,
        items: Tensor,
        *,
        context: tuple[int, int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Batch:
        """Whole signals, and a context of `context` random points (all, where None)."""
        signals = items + (self.domain.items if split == "val" else 0)
        angles = torch.einsum("bwd,pd->bpw", self.directions[signals], self.coords)
        values = torch.sin(angles.unsqueeze(-1) + self.phases[signals].unsqueeze(1)).mean(2)
        batch, size = values.shape[:2]
        low, most = (min(n, size) for n in context or (size, size))
        place = values.device
        cells = torch.rand(batch, size, generator=generator, device=place).argsort(1)[:, :most]
        number = torch.randint(low, most + 1, (batch, 1), generator=generator, device=place)
        mask = torch.arange(most, device=place) < number
        return Batch(self.observe(items, values, cells, mask), {self.at: Points(self.coords[None], {"values": values})})

    def to(self, device: torch.device | str) -> Ripples:
        """Move everything."""
        for name in ("coords", "directions", "phases"):
            setattr(self, name, getattr(self, name).to(device))
        return self

    def observe(self, items: Tensor, values: Tensor, cells: Tensor, mask: Tensor) -> Context:
        """The context with `values` (batch, points, d_out) at `cells` (batch, pairs) where `mask` is true."""
        seen = mask.unsqueeze(-1)
        shown = values.gather(1, cells.unsqueeze(-1).expand(-1, -1, values.shape[-1]))
        on_grid = self.domain.grid is not None
        return Context(
            items=items,
            coords=self.coords[cells] * seen,
            values=shown * seen,
            mask=mask,
            grid=self.domain.grid,
            cells=cells * mask if on_grid else None,
        )


class LastLayer(Decoder):
    """One shared SIREN whose last layer the latent changes, linearly: trained in a few steps.

    Args:
        siren: the architecture.
        latent_dim: size of the latent, zero or more.
    """

    def __init__(self, siren: Siren, latent_dim: int) -> None:
        super().__init__(siren, latent_dim)
        self.shared = nn.ParameterList(siren.init().values())
        self.last = siren.layers[-1]
        size = self.last.out_features * (self.last.in_features + 1)
        self.change = nn.Parameter(torch.randn(size, latent_dim) * 0.1)

    def forward(self, latent: Tensor) -> Params:
        """Weights of leading size `batch`."""
        batch = latent.shape[0]
        params = {name: p.expand(batch, *p.shape[1:]) for name, p in zip(self.siren.shapes, self.shared, strict=True)}
        with torch.autocast(latent.device.type, enabled=False):
            change = latent.to(self.change.dtype) @ self.change.T
        size = self.last.out_features * self.last.in_features
        weight, bias = change[:, :size], change[:, size:]
        params[self.last.weight] = params[self.last.weight] + weight.view(batch, *self.siren.shapes[self.last.weight])
        params[self.last.bias] = params[self.last.bias] + bias
        return params


class SquaredError(Constraint):
    """Mean squared difference from the known values."""

    def __init__(self, at: str = "pixels") -> None:
        self.at = at

    def __call__(self, prediction: Prediction) -> Tensor:
        """The mean over batch, points and channels."""
        assert self.at is not None
        return (prediction.jets[self.at].value - prediction.batch.points[self.at].values).square().mean()


def small_siren(domain: Domain) -> Siren:
    """A SIREN of two hidden layers for signals of a domain, wide enough for ripples."""
    return Siren(
        in_features=domain.d_in,
        out_features=domain.d_out,
        hidden_features=32,
        hidden_layers=1,
        first_omega=6.0,
        hidden_omega=6.0,
    )


def capacity(dataset: Dataset) -> int:
    """How many pairs a full context has: the grid's size, or 1024 without a grid."""
    return prod(dataset.domain.grid) if dataset.domain.grid else 1024
