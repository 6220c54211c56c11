"""Sines that are plane waves: they solve the wave equation, and a start and borders determine their sum."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

import metasiren as ms
from metasiren import RecipeError, SecondSums, Siren
from metasiren_physics.plane_waves import Cone, PlaneWaves

F64 = torch.float64
RECIPES = Path(__file__).parents[2] / "recipes"


def waves(speed: float, dimensions: int, **options: int) -> Siren:
    return Siren(
        in_features=1 + dimensions, out_features=1, hidden_features=200, hidden_layers=0, first_omega=12.0,
        nonlinearity=PlaneWaves(speed=speed), **options,
    )  # fmt: skip


def defect(siren: Siren, speed: float) -> float:
    """The residual u_tt - c² Δu at random points, relative to u_tt."""
    generator = torch.Generator().manual_seed(0)
    params = siren.init(generator=generator, dtype=F64)
    x = torch.rand(50, siren.in_features, generator=generator, dtype=F64) * 2 - 1
    time = (1.0,) + (0.0,) * (siren.in_features - 1)
    whole = (1.0,) + (-(speed**2),) * (siren.in_features - 1)
    order = SecondSums((time, whole))
    u_tt, residual = order.of(siren.jet(params, x, order))
    return float(residual.norm() / u_tt.norm())


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("speed", [1.0, 0.6, 2.0])
def test_every_sum_solves_the_equation_of_its_speed_alone(speed: float, dimensions: int) -> None:
    siren = waves(speed, dimensions)
    assert defect(siren, speed) < 1e-13
    assert defect(siren, 1.2 * speed) > 0.3


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_wave_vectors_are_uniform_in_the_ball_and_signs_equally_likely(dimensions: int) -> None:
    rows = torch.empty(20, 2000, 1 + dimensions, dtype=F64)
    Cone(0.5, dimensions).fill(rows, torch.Generator().manual_seed(0))
    size = rows[..., 1:].norm(dim=-1)
    torch.testing.assert_close(rows[..., 0].abs(), 0.5 * size)
    assert float((rows[..., 0] > 0).double().mean()) == pytest.approx(0.5, abs=0.01)
    for share in (0.25, 0.5, 0.75, 1.0):
        assert float((size**dimensions <= share).double().mean()) == pytest.approx(share, abs=0.01)
    for axis in range(1, 1 + dimensions):
        assert float(rows[..., axis].mean()) == pytest.approx(0, abs=0.01)
    assert float(rows.std()) == pytest.approx(Cone(0.5, dimensions).std, rel=0.01)


def test_all_phases_are_equally_likely() -> None:
    siren = waves(1.0, 2)
    phases = 12.0 * siren.init(50, generator=torch.Generator().manual_seed(0))["0.bias"]
    assert float(phases.min()) == pytest.approx(-math.pi, abs=0.01)
    assert float(phases.max()) == pytest.approx(math.pi, abs=0.01)
    assert float(phases.sin().square().mean()) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("speed", [0.0, -1.0, math.inf, math.nan])
def test_a_speed_that_is_none_is_refused(speed: float) -> None:
    with pytest.raises(RecipeError, match="plane_waves: speed"):
        PlaneWaves(speed=speed)


def test_time_alone_is_refused() -> None:
    with pytest.raises(RecipeError, match="one number, the time"):
        waves(1.0, 0).init()


@pytest.mark.parametrize(
    ("border", "changes"),
    [
        ("dirichlet", {}),
        ("neumann", {"constraints.dirichlet": None, "constraints.neumann.scale": 5}),
        ("dirichlet", {"data.medium": 2.0, "siren.nonlinearity.speed": 2.0, "data.duration": 0.6}),
    ],
    ids=["held", "free", "another speed"],
)
def test_a_broad_pulse_is_reflected(border: str, changes: dict[str, Any], tmp_path: Path) -> None:
    small = {
        "data.border": border, "data.variance": 0.06, "data.initial": 400, "data.boundary": 500,
        "siren.hidden_features": 800, "siren.first_omega": 14, "constraints.initial_velocity.scale": 4,
        "evaluate.nodes": 33,
    }  # fmt: skip
    recipe = ms.load_recipe(RECIPES / "wave.yaml", preset="cpu_border", overrides=small | changes)
    made = ms.run(recipe, out=tmp_path / "run", seed=0, device="cpu")
    found = json.loads((made.results / "metrics.json").read_text())
    assert found["worst_relative_l2"] < 5e-3
