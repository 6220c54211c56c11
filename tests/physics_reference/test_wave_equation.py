"""The wave equation: transforms and the integral agree, energy stays, leapfrog converges to them at its order."""

from __future__ import annotations

import numpy as np
import pytest

from metasiren import DataError, RecipeError
from metasiren_physics.problems import wave_problem
from metasiren_physics.reference.errors import relative_l2
from metasiren_physics.reference.helmholtz_grid import grid_points
from metasiren_physics.reference.leapfrog import leapfrog_wave
from metasiren_physics.reference.wave_exact import pulse, times_of, transform_wave

BORDERS = ["open", "periodic", "dirichlet", "neumann"]


def test_the_transform_is_the_integral():
    problem = wave_problem(centre=(0.2, -0.1), medium=1.3)
    times = times_of(problem, 3)
    movie = transform_wave(problem, times, 201)
    points = grid_points(201)[::10, ::10].reshape(-1, 2)
    for time, frame in zip(times, movie.values, strict=True):
        exact = pulse(problem, points, np.full(len(points), time))
        assert relative_l2(frame[::10, ::10].reshape(-1), exact) < 4e-8


def test_an_open_border_is_exact_after_the_wave_has_left():
    problem = wave_problem(variance=4e-3, duration=2.5)
    movie = transform_wave(problem, np.array([2.5]), 65)
    points = grid_points(65)[::8, ::8].reshape(-1, 2)
    exact = pulse(problem, points, np.full(len(points), 2.5))
    np.testing.assert_allclose(movie.values[0, ::8, ::8].reshape(-1), exact, atol=1e-9)


def period(u, border):
    """One period of what a wave between borders is part of: itself, or with its mirror image."""
    if border == "periodic":
        return u[:-1, :-1]
    last = u.shape[0] - 2
    return np.pad(u, ((0, last), (0, last)), mode="reflect", reflect_type="odd" if border == "dirichlet" else "even")


@pytest.mark.parametrize("border", BORDERS[1:])
def test_energy_is_conserved(border):
    """∫ u_t² + |∇u|², by the modes of one period."""
    problem = wave_problem(variance=4e-3, border=border, duration=3.0, centre=(0.3, -0.2))
    movie = transform_wave(problem, np.linspace(0, 3, 7), 65)
    total = []
    for u, rate in zip(movie.values, movie.rates, strict=True):
        whole = period(u, border)
        k = 2 * np.pi * np.fft.fftfreq(len(whole), 2 / 64)
        slopes = np.hypot(*np.meshgrid(k, k, indexing="ij")) * np.abs(np.fft.fft2(whole))
        total.append((slopes**2).sum() + (np.abs(np.fft.fft2(period(rate, border))) ** 2).sum())
    assert np.ptp(total) / np.mean(total) < 1e-12
    assert total[0] > 0


def test_borders_do_what_their_names_say():
    held, free = (
        transform_wave(wave_problem(variance=4e-3, border=b, duration=1.5), np.array([1.5]), 65).values[0]
        for b in ("dirichlet", "neumann")
    )
    assert np.abs(held[0]).max() == 0
    assert np.abs(free[0]).max() > 1e-4
    around = np.concatenate([free[2:0:-1], free[:3]])  # even about the border
    np.testing.assert_allclose(around[:2], around[:-4:-1][:2], atol=1e-15)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("order", [2, 4])
def test_leapfrog_converges_at_its_order(border, order):
    problem = wave_problem(variance=6e-3, border=border, duration=1.2, centre=(0.4, 0.3))
    times = np.array([0.0, 0.5, 1.2])
    exact = transform_wave(problem, times, 97)
    errors = []
    for nodes in (49, 97):
        step = 96 // (nodes - 1)
        movie = leapfrog_wave(problem, times, nodes, order=order)
        assert relative_l2(movie.values[0], exact.values[0, ::step, ::step]) < 1e-6
        errors.append([relative_l2(movie.values[-1], exact.values[-1, ::step, ::step]),
                       relative_l2(movie.rates[-1], exact.rates[-1, ::step, ::step])])  # fmt: skip
    assert (np.log2(np.divide(*errors)) > order - 0.5).all()
    assert errors[1][0] < (0.1 if order == 2 else 5e-3)


def test_leapfrog_in_a_medium_converges_to_itself():
    smooth = wave_problem(medium=lambda p: 1 + 0.5 * np.exp(-8 * (p**2).sum(-1)), variance=6e-3, centre=(-0.3, 0))
    frames = [
        leapfrog_wave(smooth, np.array([0.4]), n).values[0][:: (n - 1) // 32, :: (n - 1) // 32] for n in (33, 65, 129)
    ]
    assert np.log2(np.linalg.norm(frames[0] - frames[1]) / np.linalg.norm(frames[1] - frames[2])) > 3.3
    jump = wave_problem(medium="square", variance=6e-3, centre=(-0.5, 0), duration=0.8)
    frames = [
        leapfrog_wave(jump, np.array([0.8]), n).values[0][:: (n - 1) // 32, :: (n - 1) // 32] for n in (33, 65, 129)
    ]
    assert np.log2(np.linalg.norm(frames[0] - frames[1]) / np.linalg.norm(frames[1] - frames[2])) > 1.5


def test_a_faster_medium_is_a_faster_clock():
    slow, fast = (wave_problem(medium=c, variance=4e-3, duration=0.6 / c) for c in (1.0, 2.0))
    a = leapfrog_wave(slow, np.array([0.6]), 65).values
    b = leapfrog_wave(fast, np.array([0.3]), 65).values
    np.testing.assert_allclose(a, b, atol=1e-12)


def test_what_cannot_be_stepped_is_refused():
    problem, times = wave_problem(variance=4e-3), np.array([0.1])
    for options, words in (({"order": 3}, "Choose 2 or 4"), ({"courant": 0.9}, "stable")):
        with pytest.raises(RecipeError, match=words):
            leapfrog_wave(problem, times, 65, **options)
    with pytest.raises(RecipeError, match="ascending"):
        leapfrog_wave(problem, np.array([0.2, 0.1]), 65)
    with pytest.raises(DataError, match="Take at least"):
        leapfrog_wave(wave_problem(), times, 65)
    with pytest.raises(DataError, match="do not resolve a pulse"):
        transform_wave(wave_problem(), times, 65)
    with pytest.raises(RecipeError, match="Use the solver leapfrog"):
        transform_wave(wave_problem(medium="disc"), times, 129)
    with pytest.raises(RecipeError, match="at least 2"):
        times_of(problem, 1)
