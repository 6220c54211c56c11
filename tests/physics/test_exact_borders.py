"""Waves whose fixed or free border is met whatever the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import metasiren as ms
from metasiren import Domain, RecipeError, Siren
from metasiren.testing import exact_jet
from metasiren_physics.datasets.held_border import HeldBorder
from metasiren_physics.datasets.wave import WaveDataset
from metasiren_physics.mirrored import Mirrored

F64 = torch.float64
LINE = torch.linspace(-1, 1, 9, dtype=F64)
COORDS = torch.rand(9, 3, generator=torch.Generator().manual_seed(0), dtype=F64)


def net(**options: Any) -> tuple[Siren, dict[str, torch.Tensor]]:
    siren = Siren(in_features=3, out_features=1, hidden_features=7, hidden_layers=1, first_omega=3, hidden_omega=2,
                  **options)  # fmt: skip
    params = siren.init(generator=torch.Generator().manual_seed(0), dtype=F64)
    return siren, {name: 10 * value for name, value in params.items()}


def on_sides(t: float = 0.4) -> list[tuple[int, torch.Tensor]]:
    """Points (t, x, y) on each of the four sides, with the axis that crosses it."""
    sides = []
    for axis in (1, 2):
        for sign in (-1.0, 1.0):
            places = [torch.full_like(LINE, t), LINE, LINE]
            places[axis] = torch.full_like(LINE, sign)
            sides.append((axis, torch.stack(places, -1)))
    return sides


def test_the_border_is_held() -> None:
    siren, params = net(exact=HeldBorder("dirichlet"))
    for _, at in on_sides():
        assert float(siren(params, at).abs().max()) == 0
    assert float(siren(params, COORDS).abs().max()) > 0.1


@pytest.mark.parametrize("order", ["gradient", "laplacian", "hessian_diagonal", "hessian"])
def test_jets_are_those_of_the_whole_function(order: str) -> None:
    siren, params = net(exact=HeldBorder("dirichlet"), input_layer=Mirrored(Domain(3, 1), axes=(1, 2)))
    found, expected = siren.jet(params, COORDS, order), exact_jet(lambda p: siren(params, p)[0], COORDS)
    for name, part in vars(found).items():
        if part is not None:
            torch.testing.assert_close(part, getattr(expected, name), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("frequencies", [1, 3])
def test_nothing_slopes_across_a_mirrored_side(frequencies: int) -> None:
    siren, params = net(input_layer=Mirrored(Domain(3, 1), axes=(1, 2), frequencies=frequencies))
    for axis, at in on_sides():
        slope = siren.jet(params, at, "gradient").gradient
        assert slope is not None
        assert float(slope[..., axis].abs().max()) < 1e-12
        assert float(slope[..., 3 - axis].abs().max()) > 1e-3
    beyond = COORDS * torch.tensor([1, -1, 1], dtype=F64) + torch.tensor([0, 2, 0], dtype=F64)
    torch.testing.assert_close(siren(params, beyond), siren(params, COORDS))


def test_a_run_takes_it(tmp_path: Path) -> None:
    tiny: dict[str, Any] = {
        "data.border": "dirichlet", "data.exact": ["border"], "data.points": 40, "data.initial": 9,
        "siren.hidden_features": 8, "train.steps": 2,
    }  # fmt: skip
    run = ms.run(ms.load_recipe("wave", preset="quick", overrides=tiny), out=tmp_path / "wave", device="cpu")
    field = ms.open_run(run.path).field()
    assert all(float(field(at.float()).abs().max()) == 0 for _, at in on_sides())


@pytest.mark.parametrize(("border", "advice"), [("neumann", "constraint neumann"), ("open", "data.border=dirichlet")])
def test_a_border_that_is_not_held_is_refused(border: Any, advice: str) -> None:
    with pytest.raises(RecipeError, match=advice):
        WaveDataset(border=border, exact=("border",))


@pytest.mark.parametrize("options", [{"axes": ()}, {"axes": (3,)}, {"sides": (1, -1)}, {"frequencies": 0}])
def test_a_mirror_that_does_not_fit_is_refused(options: Any) -> None:
    with pytest.raises(RecipeError, match="mirrored"):
        Mirrored(Domain(3, 1), **options)
