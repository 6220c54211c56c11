"""Fields that are known in closed form."""

from __future__ import annotations

import torch

from metasiren import Field, Siren


def wave(along_rows: float, along_columns: float, phase: float = 0.3) -> Field:
    """sin(a x + b y + phase): one neuron of a SIREN, in double precision."""
    siren = Siren(in_features=2, out_features=1, hidden_features=1, hidden_layers=0)
    params = {
        "0.weight": torch.tensor([[[along_rows, along_columns]]]).double() / siren.first_omega,
        "0.bias": torch.tensor([[phase]]).double() / siren.first_omega,
        "1.weight": torch.ones(1, 1, 1).double(),
        "1.bias": torch.zeros(1, 1).double(),
    }
    return Field(siren, params)


def ramp(along_rows: float, along_columns: float) -> Field:
    """a x + b y, of two neurons with relu: max(0, s) - max(0, -s) = s."""
    siren = Siren(in_features=2, out_features=1, hidden_features=2, hidden_layers=0, nonlinearity="relu")
    slope = torch.tensor([along_rows, along_columns]).double()
    params = {
        "0.weight": torch.stack([slope, -slope]).unsqueeze(0),
        "0.bias": torch.zeros(1, 2).double(),
        "1.weight": torch.tensor([[[1.0, -1.0]]]).double(),
        "1.bias": torch.zeros(1, 1).double(),
    }
    return Field(siren, params)
