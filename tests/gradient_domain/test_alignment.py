"""Alignment takes off exactly one scale and an offset for each channel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metasiren_images.gradient_domain.alignment import align
from metasiren_images.single.views import psnr_of

TRUTH = np.random.default_rng(0).uniform(-1, 1, (6, 5, 3))
GUESS = TRUTH + np.random.default_rng(1).normal(0, 0.1, TRUTH.shape)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(scale=st.floats(0.01, 100), offsets=st.tuples(*[st.floats(-50, 50)] * 3))
def test_scale_and_offsets_do_not_matter(scale: float, offsets: tuple[float, float, float]) -> None:
    np.testing.assert_allclose(align(scale * GUESS + np.array(offsets), TRUTH), align(GUESS, TRUTH), atol=1e-9)
    np.testing.assert_allclose(align(scale * TRUTH + np.array(offsets), TRUTH), TRUTH, atol=1e-9)


def test_no_other_scale_or_offset_is_nearer() -> None:
    best = ((align(GUESS, TRUTH) - TRUTH) ** 2).sum()
    aligned = align(GUESS, TRUTH)
    for scale, offset in ((1.01, 0.0), (0.99, 0.0), (1.0, 0.01), (1.0, -0.01)):
        assert ((scale * aligned + offset - TRUTH) ** 2).sum() > best


def test_channels_share_their_scale() -> None:
    """Different gains of the channels are an error, not an ambiguity: derivatives determine them."""
    assert np.abs(align(TRUTH * np.array([1.0, 2.0, 3.0]), TRUTH) - TRUTH).max() > 0.1


def test_of_a_constant_only_the_truth_s_mean_is_left() -> None:
    np.testing.assert_allclose(align(np.full_like(TRUTH, 7.0), TRUTH), np.broadcast_to(TRUTH.mean((0, 1)), TRUTH.shape))


def test_psnr_of_a_known_error() -> None:
    assert psnr_of(TRUTH + 0.2, TRUTH, 2.0) == pytest.approx(20)
    assert psnr_of(TRUTH, TRUTH, 2.0) is None
    assert psnr_of(GUESS, TRUTH, 0.0) is None
