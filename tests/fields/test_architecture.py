"""Architectures survive as plain data, parts of plugins included."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import metasiren as ms
from metasiren_fields.architecture import build, describe
from metasiren_fields.export import read_folder
from metasiren_fields.export.hub import write_folder

DOMAIN = ms.Domain(2, 1, (16, 16))


def network(**options: object) -> ms.Siren:
    return ms.Siren(in_features=2, out_features=1, hidden_features=8, hidden_layers=1, **options)


def part(kind: str, name: str, *supplied: object, **options: object) -> object:
    return ms.load_catalogue().make(kind, name, *supplied, where="test", options=options)


@pytest.mark.parametrize("options", [
    {},
    {"nonlinearity": part("activation", "finer", omega=7.0)},
    {"nonlinearity": "relu", "input_layer": part("input_encoding", "rbf_gaussian", DOMAIN, centres=5)},
    {"nonlinearity": "relu", "input_layer": part("input_encoding", "positional_encoding", DOMAIN, samples="grid")},
    {"nonlinearity": "relu", "input_layer": part("input_encoding", "fourier_features", DOMAIN, frequencies=4)},
])  # fmt: skip
def test_there_and_back(options: dict[str, object], tmp_path: Path) -> None:
    siren = network(**options)
    assert build(json.loads(json.dumps(describe(siren)))) == siren
    field, coords = ms.Field(siren, siren.init()), torch.rand(9, 2)
    assert torch.equal(read_folder(write_folder(field, tmp_path / "hub"))(coords), field(coords)[0])


class Homeless(ms.Activation):
    """tanh, of no plugin."""

    def derivatives(self, z: torch.Tensor, order: int) -> tuple[torch.Tensor, ...]:
        return (torch.tanh(z),)


def test_what_no_plugin_offers_is_refused() -> None:
    with pytest.raises(ms.RecipeError, match="no plugin offers"):
        describe(network(nonlinearity=Homeless()))
