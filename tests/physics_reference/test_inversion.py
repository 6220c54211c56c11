"""The inversion: its data come from elsewhere, and the medium it finds is better than where it starts."""

from __future__ import annotations

import numpy as np
import pytest

from metasiren import DataError, RecipeError
from metasiren_physics.problems import InversionProblem, fwi_problem
from metasiren_physics.reference.admm import invert
from metasiren_physics.reference.closed_form import closed_form
from metasiren_physics.reference.errors import relative_l2
from metasiren_physics.reference.helmholtz_grid import grid_points
from metasiren_physics.reference.receivers import receiver_data, sampling


@pytest.fixture(scope="module")
def problem() -> InversionProblem:
    """Long waves and wide sources, so that a small grid will do."""
    return fwi_problem(medium={"name": "disc", "inside": 1.5, "radius": 0.2}, wavenumber=10.0, variance=4e-4)


def test_reading_between_nodes_is_exact_for_cubics():
    inner = grid_points(21)[1:-1, 1:-1]

    def cubic(p):
        return p[..., 0] ** 3 - 2 * p[..., 0] * p[..., 1] ** 2 + p[..., 1] - 1

    points = np.random.default_rng(0).uniform(-0.99, 0.99, (40, 2))
    np.testing.assert_allclose(sampling(21, points) @ cubic(inner).reshape(-1), cubic(points), atol=1e-12)


def test_data_of_a_disc_come_from_its_series(problem):
    data = receiver_data(problem)
    assert data.shape == (5, 30)
    for number in range(5):
        np.testing.assert_array_equal(data[number], closed_form(problem.single(number), problem.receivers))


def test_the_velocity_improves_and_the_data_are_explained(problem):
    data, seen = receiver_data(problem), []
    found = invert(problem, data, nodes=57, iterations=12, watch=lambda number, error: seen.append((number, error)))
    points = grid_points(57)
    inside = problem.pml.physical(points)
    truth = problem.medium.speed(points)[inside]
    assert relative_l2(found.speed[inside], truth) < 0.75 * relative_l2(np.ones_like(truth), truth)
    assert 1.2 < found.speed[28, 28] < 1.9
    assert found.data_errors[-1] < 0.5 * found.data_errors[0]
    assert [number for number, _ in seen] == list(range(1, 13))
    outside = (np.abs(points) > problem.free + 0.05).any(-1)
    assert (found.speed[outside] == 1).all()
    assert found.waves.shape == (5, 57, 57)


def test_a_medium_that_is_the_start_stays(problem):
    uniform = fwi_problem(medium="uniform", wavenumber=10.0, variance=4e-4)
    found = invert(uniform, receiver_data(uniform), nodes=57, iterations=4)
    assert np.abs(found.speed - 1).max() < 0.02


def test_speeds_stay_in_their_box(problem):
    found = invert(problem, receiver_data(problem), nodes=57, iterations=3, speeds=(0.99, 1.05))
    assert found.speed.min() >= 0.99 - 1e-12
    assert found.speed.max() <= 1.05 + 1e-12


def test_what_cannot_be_inverted_is_refused(problem):
    data = receiver_data(problem)
    with pytest.raises(DataError, match=r"\(5, 30\)"):
        invert(problem, data.T, nodes=57)
    with pytest.raises(DataError, match="not finite"):
        invert(problem, np.full_like(data, np.nan), nodes=57)
    with pytest.raises(DataError, match="per wavelength"):
        invert(problem, data, nodes=15)
    for options, words in (({"iterations": 0}, "iterations"), ({"penalty": 0.0}, "penalty"),
                           ({"speeds": (1.5, 2.0)}, "hold the start")):  # fmt: skip
        with pytest.raises(RecipeError, match=words):
            invert(problem, data, nodes=57, **options)
