"""The grid solver converges to closed forms at its order."""

from __future__ import annotations

import numpy as np
import pytest

from metasiren import DataError, RecipeError
from metasiren_physics.problems import HelmholtzProblem, helmholtz_problem
from metasiren_physics.reference.closed_form import closed_form, has_closed_form
from metasiren_physics.reference.errors import evaluated_points, relative_l2
from metasiren_physics.reference.helmholtz_grid import (
    FOURTH_ORDER,
    Stencil,
    grid_operator,
    grid_points,
    optimal_stencil,
    solve_helmholtz,
)  # fmt: skip


def error(problem: HelmholtzProblem, nodes: int, scheme: int) -> float:
    points = grid_points(nodes)
    keep = evaluated_points(problem, points)
    return relative_l2(solve_helmholtz(problem, nodes, scheme)[keep], closed_form(problem, points[keep]))


def small(medium="uniform"):
    return helmholtz_problem(medium=medium, wavenumber=10.0, variance=1e-3, source=(-0.3, 0.1))


def test_five_points_converge_at_order_two():
    coarse, fine = error(small(), 49, 5), error(small(), 97, 5)
    assert 1.9 < np.log2(coarse / fine) < 2.2
    assert fine < 9e-3


def test_nine_points_are_far_better_and_converge_faster():
    coarse, fine = error(small(), 49, 9), error(small(), 97, 9)
    assert fine < error(small(), 97, 5) / 100
    assert np.log2(coarse / fine) > 3


@pytest.mark.parametrize("scheme", [5, 9])
def test_at_a_disc_the_mean_slowness_keeps_order_two(scheme):
    problem = small({"name": "disc", "radius": 0.1})
    coarse, fine = error(problem, 49, scheme), error(problem, 97, scheme)
    assert np.log2(coarse / fine) > 1.6
    assert fine < (8e-3 if scheme == 5 else 1.5e-3)


def test_the_known_accuracy_of_five_points_at_k_20():
    assert error(helmholtz_problem(), 129, 5) == pytest.approx(2.4e-2, rel=0.03)


def test_the_layer_is_solved_too():
    points = grid_points(97)
    problem = small()
    away = problem.source.distance_squared(points) > problem.source.radius() ** 2
    assert (
        relative_l2(solve_helmholtz(problem, 97)[away], closed_form(problem, points)[away]) < 3e-3
    )  # the layer ends with u = 0


def test_long_waves_get_the_fourth_order_scheme_and_dispersion_is_least():
    near = optimal_stencil(0.05)
    np.testing.assert_allclose([near.b, near.d, near.e], FOURTH_ORDER, atol=0.05)

    def speeds(stencil, kh):
        theta = np.linspace(0, np.pi / 2, 19)
        P, Q = np.cos(kh * np.cos(theta)), np.cos(kh * np.sin(theta))
        spread = 2 * (1 - P) * (stencil.b + (1 - stencil.b) * Q) + 2 * (1 - Q) * (stencil.b + (1 - stencil.b) * P)
        return np.sqrt(spread / (stencil.c + stencil.d * (P + Q) / 2 + stencil.e * P * Q)) / kh

    for kh in (0.3, 0.6, 1.0):
        assert np.abs(speeds(optimal_stencil(kh), kh) - 1).max() < 2e-4
        assert np.abs(speeds(Stencil(), kh) - 1).max() > 3e-3 * (kh / 0.3) ** 2
        assert np.abs(speeds(optimal_stencil(kh, kh / 2), kh / 2) - 1).max() < 1e-3


def test_the_operator_sees_a_plane_wave_as_its_stencil_says():
    problem, stencil = helmholtz_problem(), optimal_stencil(0.4)
    operator = grid_operator(101, 20.0, problem.pml, stencil)
    x, y = operator.points[..., 0], operator.points[..., 1]
    wave = np.exp(-1j * (16 * x + 12 * y))
    left = (operator.matrix(np.ones(99**2)) @ wave.reshape(-1)).reshape(99, 99)
    inside = (np.abs(operator.points) < 0.45).all(-1)
    assert np.abs(left[inside]).max() < 400 * 2e-4


def test_too_few_points_say_how_many_are_needed():
    with pytest.raises(DataError, match=r"5\.0* per wavelength|per wavelength") as caught:
        solve_helmholtz(helmholtz_problem(wavenumber=60.0), 65)
    assert "Take at least 116" in str(caught.value)
    with pytest.raises(DataError, match="sum the source to"):
        solve_helmholtz(helmholtz_problem(), 65)
    with pytest.raises(RecipeError, match="Choose 5 or 9"):
        solve_helmholtz(small(), 49, 7)


def test_what_has_no_closed_form_says_so():
    for problem in (helmholtz_problem(medium="square"), helmholtz_problem(medium="disc", source=(0.05, 0.0))):
        assert not has_closed_form(problem)
        with pytest.raises(RecipeError, match="Use the grid"):
            closed_form(problem, np.zeros((1, 2)))
    close = helmholtz_problem(medium={"name": "disc", "radius": 0.3}, source=(-0.35, 0), variance=1e-6)
    with pytest.raises(RecipeError, match="orders are needed"):
        closed_form(close, np.full((1, 2), 0.4))
