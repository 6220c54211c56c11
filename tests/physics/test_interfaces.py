"""Waves across an edge of the medium: points on both sides, two networks in one, and what joins them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from single_steps import problems
from solved_waves import worst_error

import metasiren as ms
from metasiren import Batch, Constraint, Context, Domain, Field, Jet, Points, Prediction, RecipeError, Residual
from metasiren.assembly.experiment import assemble
from metasiren.contracts.optimizer import Weighted
from metasiren.engine.errors_at import errors_at
from metasiren.testing import ContractError, check_residual
from metasiren_basics.least_squares import LeastSquares
from metasiren_physics.constraints.wave import ContinuousSlope, ContinuousValue, Dirichlet
from metasiren_physics.datasets.wave import WaveDataset
from metasiren_physics.mapped_coordinates import MappedCoordinates
from metasiren_physics.problems import wave_problem
from metasiren_physics.protocols.wave import wave_truth
from metasiren_physics.reference.leapfrog import leapfrog_wave
from metasiren_physics.reference.radial import radial_wave
from metasiren_physics.reference.solving import Settings, solve
from metasiren_physics.reference.wave_exact import transform_wave

F64 = torch.float64
ITEM = torch.arange(1)
TIMES = np.linspace(0, 0.3, 4)


def interface(**options: Any) -> Points:
    data = WaveDataset(interface=64, **options)
    return data.batch("train", ITEM, generator=torch.Generator().manual_seed(0)).points["interface"]


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize(
    "medium",
    ["square", "disc", {"name": "disc", "centre": [0.3, -0.2], "radius": 0.6}],
    ids=["square", "disc", "other"],
)
def test_points_of_a_pair_are_on_both_sides_of_the_edge(medium: Any, dtype: torch.dtype) -> None:
    points = interface(medium=medium).cast(dtype)
    problem = wave_problem(medium=medium)
    inside, outside = points.coords[0].chunk(2)
    assert len(inside) == 64
    assert bool((problem.medium(inside[:, 1:]) == 0.25).all())
    assert bool((problem.medium(outside[:, 1:]) == 1).all())
    step, normals = (outside - inside)[:, 1:], points.targets["normals"][0].chunk(2)
    torch.testing.assert_close(inside[:, 0], outside[:, 0])
    torch.testing.assert_close(normals[0], normals[1])
    torch.testing.assert_close(step, 2e-6 * normals[0], atol=2e-7, rtol=0)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"interface": 64}, "has no edge.*leave it out"),
        ({"interface": 64, "medium": {"name": "square", "half_width": 1.2}}, "lies outside"),
        ({"interface": -1, "medium": "disc"}, "interface"),
        ({"around": 0.7, "front": 0.5}, "around"),
        ({"around_radius": 0.0}, "around_radius"),
    ],
)
def test_options_that_fit_no_edge_are_errors(options: dict[str, Any], match: str) -> None:
    with pytest.raises(RecipeError, match=f"(?s){match}"):
        WaveDataset(**options)


def test_pairs_outside_the_domain_do_not_count() -> None:
    points = interface(medium={"name": "disc", "centre": [0.9, 0.0], "radius": 0.3})
    inside = (points.coords[0, :, 1:].abs() <= 1).all(-1).double()
    weight = points.targets["weight"][0, :, 0]
    assert 0.2 < float((weight == 0).double().mean()) < 0.6
    torch.testing.assert_close(weight[:64], torch.minimum(inside[:64], inside[64:]))
    torch.testing.assert_close(weight[:64], weight[64:])


def test_points_around_the_centre_leave_means_as_they_are() -> None:
    data = WaveDataset(points=20_000, front=0.1, around=0.6, around_radius=0.7)
    points = data.batch("train", ITEM, generator=torch.Generator().manual_seed(0)).points["interior"]
    weight, x = points.targets["weight"][0, :, 0], points.coords[0]
    r = x[:, 1:].norm(dim=-1)
    assert float(weight.mean()) == pytest.approx(1, abs=0.05)
    assert float((weight * x[:, 2] ** 2).mean()) == pytest.approx(1 / 3, abs=0.02)
    # Six in ten points have even distances up to 0.7; of the others, few are so near.
    assert 0.6 / 7 < float((r < 0.1).double().mean()) < 0.6 / 7 + 0.05


def test_what_joins_sides_needs_pairs() -> None:
    points = interface(medium="disc")
    unpaired = Points(points.coords, {"normals": points.targets["normals"]})
    with pytest.raises(RecipeError, match="no target 'sides'"):
        ContinuousValue()(prediction_of(ContinuousValue(), unpaired))
    odd = Points(points.coords[:, :63], {name: value[:, :63] for name, value in points.targets.items()})
    with pytest.raises(RecipeError, match="63 points are no pairs"):
        ContinuousValue()(prediction_of(ContinuousValue(), odd))
    with pytest.raises(ContractError, match="come in pairs"):
        check_residual(ContinuousValue(), lambda x: x[:, 0], points.coords[0], targets={})


def test_what_joins_two_sides_measures_their_jumps() -> None:
    """u = 2 x + y inside, u = x + 3 outside: jumps x + y - 3, and n1 + n2 of the slope."""
    points = interface(medium="square")
    x, y = points.coords[0, :64, 1:].unbind(-1)
    normals = points.targets["normals"][0, :64]

    def both(inside: list[torch.Tensor], outside: list[torch.Tensor]) -> torch.Tensor:
        return torch.stack([torch.stack(inside, -1), torch.stack(outside, -1)]).flatten(0, 1)

    values = torch.cat([2 * x + y, x + 3]).view(1, -1, 1)
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    slopes = both([zero, 2 * one, one], [zero, one, zero]).view(1, -1, 1, 3)
    jet = Jet(value=values, gradient=slopes)
    torch.testing.assert_close(ContinuousValue().residual(jet, points)[0, :, 0], x + y - 3)
    torch.testing.assert_close(ContinuousSlope().residual(jet, points)[0, :, 0], normals.sum(-1))


def test_a_field_without_sides_leaves_no_jump_and_one_with_sides_does() -> None:
    points = interface(medium="disc")
    side = {"centre": [0, 0], "radius": 0.1, "side": True}
    layer = MappedCoordinates(Domain(3, 1), axes=[1, 2], places=[side])
    for chosen, jumps in ((None, False), (layer, True)):
        siren = ms.Siren(in_features=3, out_features=1, hidden_features=16, hidden_layers=1, input_layer=chosen)
        jet = siren.jet(siren.init(dtype=F64, generator=torch.Generator().manual_seed(0)), points.coords, "gradient")
        for constraint in (ContinuousValue(), ContinuousSlope()):
            assert (float(constraint.residual(jet, points).abs().max()) > 0.05) == jumps


class OneRowForEachPoint(Residual):
    """A residual that forgets its pairs."""

    at, pairs = "interface", True

    def residual(self, jet: Jet, points: Points) -> torch.Tensor:
        return jet.value


def prediction_of(constraint: Constraint, points: Points) -> Prediction:
    siren = ms.Siren(in_features=3, out_features=1, hidden_features=4)
    field = Field(siren, siren.init(dtype=F64))
    jet = field.jet(points.coords, constraint.order)
    return Prediction(
        Batch(Context.empty(ITEM, Domain(3, 1)), {"interface": points}), torch.zeros(1, 1), field, {"interface": jet}
    )


def test_a_residual_of_pairs_has_a_row_for_each_pair() -> None:
    points = interface(medium="disc")
    with pytest.raises(RecipeError, match="64 pairs of points"):
        OneRowForEachPoint()(prediction_of(OneRowForEachPoint(), points))
    weights = torch.linspace(1, 2, 128, dtype=F64).view(1, -1, 1)
    weighted = Points(points.coords, points.targets | {"weight": weights})
    plain, heavier = (ContinuousValue().residuals(prediction_of(ContinuousValue(), p)) for p in (points, weighted))
    assert plain is not None
    assert heavier is not None
    torch.testing.assert_close(heavier.square(), plain.square() * weights[:, :64])  # of weight 1


@pytest.fixture
def joined() -> Any:
    """A small form of the preset `cpu_disc`."""
    small = {"data.points": 64, "data.initial": 32, "data.interface": 16, "siren.hidden_features": 24}
    return assemble(ms.load_recipe("wave", preset="cpu_disc", overrides=small), ms.load_catalogue())


def test_least_squares_reach_the_loss_of_linear_algebra(joined: Any) -> None:
    """The step checks that the loss is what its rows promise; a wrong row of a pair would be an error."""
    [problem] = problems(joined, 1)
    losses = LeastSquares(joined.model.parameters()).step_on(problem)
    assert float(problem.losses()["loss"].detach()) < 0.01 * float(losses["loss"])


def test_pairs_and_points_at_one_set_are_an_error(joined: Any) -> None:
    [problem] = problems(joined, 1)
    alone = Weighted("value", weight=1.0, constraint=Dirichlet(at="interface"))
    object.__setattr__(problem, "constraints", (*problem.constraints, alone))
    with pytest.raises(RecipeError, match="not all take its points in pairs"):
        LeastSquares(joined.model.parameters()).step_on(problem)


def test_an_error_of_a_pair_counts_at_both_points(joined: Any) -> None:
    [problem] = problems(joined, 1)
    points = problem.batch.points["interface"]
    found = errors_at(joined.model, joined.constraints, ITEM, "interface", points)
    assert found.shape == (1, 32)
    torch.testing.assert_close(found[:, :16], found[:, 16:])


def test_a_wave_about_the_middle_of_a_disc_is_that_of_the_plane() -> None:
    """Exact in a uniform medium; leapfrog where the speed jumps; and twice the cells change it by 0.1 %."""
    same = wave_problem(medium={"name": "disc", "inside": 1.0}, centre=(0.0, 0.0), variance=2e-3, duration=0.3)
    exact = transform_wave(wave_problem(medium="uniform", variance=2e-3, duration=0.3), TIMES, 129).values
    assert np.linalg.norm(radial_wave(same, TIMES, 129) - exact) < 1e-3 * np.linalg.norm(exact)
    disc = wave_problem(medium="disc", variance=2e-3, duration=0.3)
    found = radial_wave(disc, TIMES, 129)
    assert np.linalg.norm(radial_wave(disc, TIMES, 129, cells=120) - found) < 1e-3 * np.linalg.norm(found)
    grid = leapfrog_wave(disc, TIMES, 257).values[:, ::2, ::2]
    assert np.linalg.norm(grid - found) < 0.02 * np.linalg.norm(found)


def test_later_frames_do_not_depend_on_earlier_ones() -> None:
    disc = wave_problem(medium={"name": "disc", "inside": 0.5, "radius": 0.2}, variance=2e-3, duration=0.3)
    both = radial_wave(disc, TIMES[1:], 65)
    np.testing.assert_allclose(radial_wave(disc, TIMES[3:], 65)[0], both[-1], rtol=0, atol=1e-12)
    grid = leapfrog_wave(disc, TIMES[3:], 257).values[:, ::4, ::4]
    assert np.linalg.norm(grid - both[-1]) < 0.02 * np.linalg.norm(both[-1])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"times": np.array([])}, "ascending times"),
        ({"times": np.array([0.2, 0.1])}, "ascending times"),
        ({"times": np.array([-0.1])}, "ascending times"),
        ({"courant": 1.0}, "courant"),
        ({"cells": 0}, "cells"),
        ({"problem": wave_problem(medium="disc", centre=(0.2, 0.0))}, "the start in its middle"),
        ({"problem": wave_problem(medium="disc", border="dirichlet")}, "the start in its middle"),
    ],
)
def test_the_radial_solver_refuses_what_it_cannot_do(options: dict[str, Any], match: str) -> None:
    with pytest.raises(RecipeError, match=match):
        radial_wave(**{"problem": wave_problem(medium="disc"), "times": TIMES, **options})


def test_the_truth_is_radial_where_that_fits() -> None:
    for options, origin in (
        ({}, "finite volumes"),
        ({"centre": (0.2, 0.0)}, "leapfrog"),
        ({"border": "neumann"}, "leapfrog"),
    ):
        problem = wave_problem(medium="disc", variance=5e-3, **options)
        assert wave_truth(problem, TIMES[:2], 65)[1].startswith(origin)


def test_the_radial_solver_says_how_far_half_its_cells_are() -> None:
    solved = solve(wave_problem(medium="disc", variance=2e-3), "radial", Settings(nodes=65, frames=3))
    assert solved.metrics["relative_l2_to_half_grid"] < 3e-3


def test_a_wave_across_an_edge_is_the_exact_one() -> None:
    """A broader pulse and fewer features than `cpu_disc`, through the recipe: below 3 % at all times."""
    changes = {
        "data.variance": 4e-3, "data.points": 1200, "data.initial": 400, "data.interface": 120,
        "siren.hidden_features": 700, "siren.first_omega": 340, "constraints.continuous_slope.scale": 16,
        "constraints.initial_velocity.scale": 16, "constraints.wave_equation.scale": 80,
    }  # fmt: skip
    assert worst_error("cpu_disc", changes, steps=3) < 0.03
