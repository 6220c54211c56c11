"""Cosine transforms differentiate as filters do, and undo them exactly."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft, ndimage

from metasiren import DataError
from metasiren_images.gradient_domain.schemes import SCHEMES, Values, antiderivative, join

PATIENT = settings(deadline=None, max_examples=25, derandomize=True)
SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 12), st.sampled_from([1, 3]))


def noise(shape: tuple[int, ...], seed: int = 0) -> Values:
    """Random values of mean zero in each channel."""
    values = np.random.default_rng(seed).standard_normal(shape)
    return values - values.mean((0, 1))


@PATIENT
@given(shape=SHAPES, name=st.sampled_from(sorted(SCHEMES)), level=st.floats(-9, 9))
def test_derivatives_of_any_picture_give_it_back_up_to_a_constant(
    shape: tuple[int, int, int], name: str, level: float
) -> None:
    picture, scheme = noise(shape), SCHEMES[name]
    np.testing.assert_allclose(scheme.from_gradient(scheme.gradient(picture + level)), picture, atol=1e-9)
    np.testing.assert_allclose(scheme.from_laplacian(scheme.laplacian(picture + level)), picture, atol=1e-9)


@PATIENT
@given(shape=SHAPES, axis=st.sampled_from([0, 1]))
def test_an_antiderivative_undoes_a_derivative_line_by_line(shape: tuple[int, int, int], axis: int) -> None:
    picture = noise(shape)
    again = antiderivative(SCHEMES["spectral"].gradient(picture)[..., axis], axis)
    np.testing.assert_allclose(again, picture - picture.mean(axis, keepdims=True), atol=1e-9)


def test_the_paper_s_filters_are_scipy_s_times_ten_and_ten_thousand() -> None:
    picture = noise((9, 9, 3))
    gradient, laplacian = SCHEMES["sobel"].gradient(picture), SCHEMES["sobel"].laplacian(picture)
    for channel in range(3):
        for axis in (0, 1):
            expected = 10 * ndimage.sobel(picture[..., channel], axis=axis)
            np.testing.assert_allclose(gradient[..., channel, axis], expected, atol=1e-10)
        np.testing.assert_allclose(laplacian[..., channel], 1e4 * ndimage.laplace(picture[..., channel]), atol=1e-7)


def test_central_differences_are_numpy_s_inside() -> None:
    picture = noise((8, 11, 2))
    gradient = SCHEMES["central"].gradient(picture)
    for axis, n in enumerate(picture.shape[:2]):
        expected = np.gradient(picture, 2 / (n - 1), axis=axis)
        np.testing.assert_allclose(gradient[1:-1, 1:-1, :, axis], expected[1:-1, 1:-1], atol=1e-10)


def test_spectral_derivatives_of_a_cosine_are_exact() -> None:
    """u = cos(k (x + 1 + h / 2)) with h the distance of pixels, which is flat half a pixel beyond the rim."""
    rows, columns, waves = 12, 17, 5
    step = 2 / (columns - 1)
    x = np.linspace(-1, 1, columns) + 1 + step / 2
    k = pi * waves / (columns * step)
    picture = np.broadcast_to(np.cos(k * x), (rows, columns))[..., None]
    gradient, laplacian = SCHEMES["spectral"].gradient(picture), SCHEMES["spectral"].laplacian(picture)
    np.testing.assert_allclose(gradient[..., 0, 1], np.broadcast_to(-k * np.sin(k * x), (rows, columns)), atol=1e-10)
    np.testing.assert_allclose(gradient[..., 0, 0], 0, atol=1e-10)
    np.testing.assert_allclose(laplacian, -(k**2) * picture, atol=1e-9)


def test_a_linear_ramp_is_recovered_from_its_constant_differences() -> None:
    rows, columns = 6, 9
    down, right = np.full((rows - 1, columns, 1), 0.25), np.full((rows, columns - 1, 1), -0.5)
    i, j = np.mgrid[:rows, :columns]
    ramp = 0.25 * i - 0.5 * j
    np.testing.assert_allclose(join(down, right)[..., 0], ramp - ramp.mean(), atol=1e-12)


@PATIENT
@given(shape=SHAPES)
def test_any_picture_is_recovered_from_its_neighbours_differences(shape: tuple[int, int, int]) -> None:
    picture = noise(shape)
    np.testing.assert_allclose(join(np.diff(picture, axis=0), np.diff(picture, axis=1)), picture, atol=1e-10)


@pytest.mark.parametrize("name", sorted(SCHEMES))
def test_of_a_field_that_is_no_gradient_the_nearest_gradient_is_taken(name: str) -> None:
    """Least squares: the error is orthogonal to the gradient of every picture."""
    scheme, target = SCHEMES[name], noise((7, 7, 2, 2))
    error = scheme.gradient(scheme.from_gradient(target)) - target
    for seed in range(3):
        other = scheme.gradient(noise((7, 7, 2), seed + 1))
        assert abs((error * other).sum()) < 1e-9 * np.linalg.norm(error) * np.linalg.norm(other)


def test_a_cutoff_leaves_out_only_waves_that_differences_hardly_see() -> None:
    scheme, target = SCHEMES["central"], noise((64, 64, 1, 2))
    whole, cut = (fft.dctn(scheme.from_gradient(target, cutoff=c)[..., 0]) for c in (0.0, 0.1))
    assert abs(whole[-1, -1]) > 1e-3
    assert abs(cut[-1, -1]) < 1e-9
    np.testing.assert_allclose(cut[:8, :8], whole[:8, :8], atol=1e-9)


def test_contrast_is_that_of_the_paper_s_targets() -> None:
    """A derivative is per 127.5 pixels: 80 / 127.5 and 10^4 / 127.5^2 of the picture in [-1, 1]."""
    assert SCHEMES["sobel"].contrast((256, 256), 1) == pytest.approx(80 / 127.5)
    assert SCHEMES["sobel"].contrast((256, 256), 2) == pytest.approx(1e4 / 127.5**2)
    assert SCHEMES["spectral"].contrast((256, 100), 1) == 1.0


def test_the_paper_s_filters_need_a_square() -> None:
    with pytest.raises(DataError, match=r"sobel: .*30 x 20.*\n.*crop: square"):
        SCHEMES["sobel"].contrast((20, 30), 1)
