"""The sign convention: the closed forms leave no residual in Eq. 11, and every other sign does."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import hankel1, hankel2

from metasiren_physics.conventions import gaussian_factor, green, wavenumber_of
from metasiren_physics.media import Disc
from metasiren_physics.pml import Pml
from metasiren_physics.problems import HelmholtzProblem, helmholtz_problem
from metasiren_physics.reference.closed_form import closed_form, incident, stretched_coordinates
from metasiren_physics.sources import Gaussian

FIRST = np.array([1 / 280, -4 / 105, 1 / 5, -4 / 5, 0, 4 / 5, -1 / 5, 4 / 105, -1 / 280])
SECOND = np.array([-1 / 560, 8 / 315, -1 / 5, 8 / 5, -205 / 72, 8 / 5, -1 / 5, 8 / 315, -1 / 560])


def derivatives(field, points, step=4e-3):
    """u_1, u_2, u_11, u_22 of a function of points by eighth-order differences."""
    found = []
    for weights, power in ((FIRST, 1), (SECOND, 2)):
        for direction in np.eye(2) * step:
            terms = [w * field(points + (i - 4) * direction) for i, w in enumerate(weights)]
            found.append(sum(terms) / step**power)
    return found


def residual(problem: HelmholtzProblem, field, points):
    """Eq. 11 at points, over the size of its k²m u term."""
    c = problem.pml.coefficients(points)
    u_1, u_2, u_11, u_22 = derivatives(field, points)
    mass = c.c * problem.wavenumber**2 * problem.medium(points) * field(points)
    full = c.a * u_11 + c.a_1 * u_1 + c.b * u_22 + c.b_2 * u_2 + mass - problem.source(points)
    return np.abs(full).max() / np.abs(mass).max()


def scattered_points(problem, count=400):
    points = np.random.default_rng(0).uniform(-0.97, 0.97, (count, 2))
    off_edge = (np.abs(np.abs(points) - problem.pml.start) > 0.02).all(-1)  # e'' jumps there
    keep = off_edge & (problem.source.distance_squared(points) > 0.1**2)
    if isinstance(problem.medium, Disc):
        keep &= np.abs(np.hypot(*(points - problem.medium.centre).T) - problem.medium.radius) > 0.02
    return points[keep]


@pytest.mark.parametrize("medium", ["uniform", 1.5, "disc", {"name": "disc", "centre": [0.1, 0.2], "inside": 0.8}])
def test_the_closed_form_leaves_no_residual_in_the_physics_and_in_the_layer(medium):
    problem = helmholtz_problem(medium=medium, source=(-0.3, -0.1))
    points = scattered_points(problem)
    assert not problem.pml.physical(points).all()
    assert residual(problem, lambda p: closed_form(problem, p), points) < 1e-8


def test_inside_the_source_too():
    problem = helmholtz_problem(variance=1e-3)
    points = np.random.default_rng(1).uniform(-0.1, 0.1, (40, 2))
    assert residual(problem, lambda p: closed_form(problem, p), points) < 1e-4
    fine = np.random.default_rng(1).uniform(0.02, 0.1, (40, 2))
    assert residual(problem, lambda p: closed_form(problem, p), fine) < 1e-6


@pytest.mark.parametrize(("sign", "time"), [(-1, +1), (+1, -1), (-1, -1)])
def test_the_other_conventions_leave_one(sign, time):
    """A flipped source sign fails in the source, a flipped time in the layer; both in both."""
    problem = helmholtz_problem(variance=1e-3)

    def other(points):
        wave = closed_form(HelmholtzProblem(problem.medium, 20.0, Gaussian((0, 0), 1e-3, 1.0), Pml()), points)
        return (1 + 1j) * sign * (np.conj(wave) if time < 0 else wave)

    inside = np.random.default_rng(1).uniform(0.02, 0.1, (20, 2))
    if sign < 0:
        assert residual(problem, other, inside) > 1
    if time < 0:
        assert residual(problem, other, scattered_points(problem)) > 0.1


def test_green_is_the_logarithm_near_its_point_and_goes_outwards():
    tiny = np.array([1e-7, 2e-7])
    slope = (green(tiny, 3.0)[1] - green(tiny, 3.0)[0]) / np.log(2)
    assert abs(slope - 1 / (2 * np.pi)) < 1e-9
    far = np.array([50.0, 50.01])
    phases = np.angle(green(far, 20.0))
    assert np.isclose(np.angle(np.exp(1j * (phases[1] - phases[0]))), -20.0 * 0.01, atol=1e-4)  # e^{-jkr}
    np.testing.assert_allclose(green(far, 20.0), 0.25j * hankel2(0, 20 * far))


def test_outside_its_support_a_gaussian_is_a_weaker_point():
    source = Gaussian((0.1, -0.2), 1e-3, 2 - 1j)
    points = np.random.default_rng(0).uniform(-0.45, 0.45, (300, 2))
    points = points[source.distance_squared(points) > 0.25**2]  # quadrature is used up to 9 deviations, 0.285
    r = np.sqrt(source.distance_squared(points))
    found = incident(points, stretched_coordinates(points, Pml()), source, 20.0)
    expected = source.strength * gaussian_factor(20.0, 1e-3) * green(r, 20.0)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    wrong = source.strength * gaussian_factor(20.0, 1e-3) * -0.25j * hankel1(0, 20 * r)
    assert np.linalg.norm(found - wrong) > 0.5 * np.linalg.norm(found)


def test_a_disc_of_the_background_is_no_disc():
    uniform, disc = (helmholtz_problem(medium=m, source=(-0.35, 0)) for m in ("uniform", Disc(inside=1.0)))
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (400, 2))
    np.testing.assert_allclose(closed_form(disc, points), closed_form(uniform, points), atol=1e-12)


def test_source_and_receiver_may_change_places():
    medium = Disc(inside=1.7, radius=0.15, centre=(0.02, -0.03))
    a, b = (-0.3, 0.1), (0.25, 0.3)
    there, back = (helmholtz_problem(medium=medium, source=place) for place in (a, b))
    np.testing.assert_allclose(closed_form(there, np.array([b])), closed_form(back, np.array([a])), rtol=1e-10)


def test_the_layer_damps_and_its_slope_is_a_derivative():
    pml = Pml(width=0.4, strength=3.0)
    x = np.linspace(-0.99, 0.99, 67)
    step = 1e-5
    np.testing.assert_allclose(
        pml.stretch_slope(x), (pml.stretch(x + step) - pml.stretch(x - step)) / (2 * step), atol=1e-3
    )
    assert (pml.stretch(x).imag <= 0).all()
    assert (pml.stretch(x[np.abs(x) < 0.6]) == 1).all()
    shifted = stretched_coordinates(np.stack([x, x], -1), pml)[:, 0]
    np.testing.assert_allclose(np.gradient(shifted, x)[1:-1], pml.stretch(x)[1:-1], atol=1e-2)


def test_the_paper_frequency():
    assert wavenumber_of(3.2) == pytest.approx(20.106, abs=1e-3)
