"""Derivatives by differences, derivatives of fields, and how close they are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from pictures.fields import wave
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from metasiren import grid
from metasiren_images.single.differences import differentiate
from metasiren_images.single.views import Views, closeness, drawn, field_views, psnr_of, true_views

INSIDE = (slice(1, -1), slice(1, -1))


def error_of_differences(n: int) -> tuple[float, float]:
    """Greatest errors for sin(3x + 2y + 0.3) on n rows and 2n - 1 columns, in units of the coordinates."""
    shape = (n, 2 * n - 1)
    x, y = grid(shape, dtype=torch.float64).numpy().T
    angle = (3 * x + 2 * y + 0.3).reshape(*shape, 1)
    gradient, laplacian = differentiate(np.sin(angle), (2 / (shape[0] - 1), 2 / (shape[1] - 1)))
    truth = np.stack([3 * np.cos(angle), 2 * np.cos(angle)], axis=-1)
    return (
        float(np.abs(gradient - truth)[INSIDE].max()),
        float(np.abs(laplacian + 13 * np.sin(angle))[INSIDE].max()),
    )


def test_differences_are_of_second_order() -> None:
    coarse, fine = error_of_differences(33), error_of_differences(65)
    assert fine[0] < 0.01
    assert fine[1] < 0.01
    for a, b in zip(coarse, fine, strict=True):
        assert a / b == pytest.approx(4, rel=0.1)


def test_differences_of_a_plane_are_exact_up_to_the_edge() -> None:
    plane = (5 * np.arange(6.0)[:, None] - 2 * np.arange(4.0))[..., None] * [1.0, 10.0]
    gradient, laplacian = differentiate(plane, (1, 1))
    np.testing.assert_allclose(gradient, np.broadcast_to([[5, -2], [50, -20]], (6, 4, 2, 2)), atol=1e-12)
    np.testing.assert_allclose(laplacian, 0, atol=1e-12)


@pytest.mark.parametrize("shape", [(65, 65), (65, 33)])
def test_a_field_s_views_are_those_of_its_samples(shape: tuple[int, int]) -> None:
    """Finer sampling by two brings derivatives closer by 12 dB; the unit is that of the longer side."""
    field = wave(6.0, -4.0)

    def at(rows: int, columns: int) -> dict[str, float | None]:
        made = field_views(field, (rows, columns))
        return closeness(made, true_views(made.value))

    coarse, fine = at(*shape), at(2 * shape[0] - 1, 2 * shape[1] - 1)
    assert fine["psnr_db"] is None  # exact
    for name in ("gradient_psnr_db", "laplacian_psnr_db"):
        a, b = coarse[name], fine[name]
        assert a is not None
        assert b is not None
        assert a > 35
        assert b - a == pytest.approx(20 * math.log10(4), abs=1)


def test_thinned_views_are_some_of_the_views() -> None:
    field, shape = wave(6.0, -4.0), (9, 14)
    whole = field_views(field, shape, chunk_points=7)
    some, thinned = field_views(field, shape, step=3), whole.thinned(3)
    for name in ("value", "gradient", "laplacian"):
        np.testing.assert_allclose(getattr(some, name), getattr(thinned, name), rtol=1e-12)


@pytest.mark.parametrize("channels", [1, 3])
def test_closeness_is_scikit_image_s(channels: int) -> None:
    random = np.random.default_rng(0)
    truth = random.uniform(-1, 1, (16, 20, channels))
    made = truth + random.normal(0, 0.3, truth.shape)
    known, guess = (truth + 1) / 2, ((made + 1) / 2).clip(0, 1)
    numbers = closeness(true_views(made), true_views(truth))
    assert numbers["psnr_db"] == pytest.approx(peak_signal_noise_ratio(known, guess, data_range=1))
    assert numbers["ssim"] == pytest.approx(structural_similarity(known, guess, data_range=1, channel_axis=-1))


def test_what_cannot_be_compared_is_none() -> None:
    flat = true_views(np.zeros((6, 9, 1)))
    assert closeness(flat, flat) == {"psnr_db": None, "ssim": None, "gradient_psnr_db": None, "laplacian_psnr_db": None}


def test_psnr_of_a_known_error() -> None:
    zeros = np.zeros((3, 3))
    assert psnr_of(zeros + 0.2, zeros, 2.0) == pytest.approx(20)


def steep(slope: list[float], curvature: float = 0.0) -> Views:
    """Views of one constant gradient and Laplacian."""
    gradient = np.broadcast_to(np.array(slope), (4, 5, 1, 2))
    return Views(np.zeros((4, 5, 1)), gradient, np.full((4, 5, 1), curvature))


def test_drawn_views_mean_what_they_say() -> None:
    truth = steep([0.0, 2.0], 3.0)
    _, flat, level = drawn(steep([0.0, 0.0]), truth)
    assert flat.min() == 1
    np.testing.assert_allclose(level, 0.5)
    directions = [[0.0, 2.0], [0.0, -2.0], [2.0, 0.0], [-2.0, 0.0]]
    hues = np.array([drawn(steep(d), truth)[1][0, 0] for d in directions])
    assert all(np.abs(a - b).max() > 0.4 for i, a in enumerate(hues) for b in hues[:i])
    np.testing.assert_allclose(drawn(steep([0.0, 0.0], 3.0), truth)[2], 1)
    np.testing.assert_allclose(drawn(steep([0.0, 0.0], -9.0), truth)[2], 0)


@pytest.mark.parametrize("channels", [1, 3])
def test_drawn_views_of_anything_are_colours(channels: int) -> None:
    random = np.random.default_rng(0)

    def noise(*more: int) -> np.ndarray[Any, Any]:
        return random.normal(0, 2, (4, 5, channels, *more))

    for truth in (true_views(noise()), true_views(np.zeros((4, 5, channels)))):
        for picture in drawn(Views(noise(), noise(2), noise()), truth):
            assert picture.shape == (4, 5, 3)
            assert 0 <= picture.min() <= picture.max() <= 1
