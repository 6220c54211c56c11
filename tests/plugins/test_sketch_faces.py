"""Cartoon faces: reproducible, resolution-free, related attributes."""

from __future__ import annotations

import zlib
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metasiren import DataError
from metasiren_priors.data.sketch import layers
from metasiren_priors.data.sketch.canvas import EVERYWHERE, Canvas, box, ellipse, wave
from metasiren_priors.data.sketch.draws import Draws, clip, colour, palette
from metasiren_priors.data.sketch.layers import portraits
from metasiren_priors.data.sketch.people import draw_traits
from metasiren_priors.data.sketch_faces import SketchFaces, draw_faces

QUICK = settings(deadline=None, max_examples=25, derandomize=True)


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    return draw_faces(0, "train", 200)


@QUICK
@given(first=st.integers(0, 190), count=st.integers(1, 10))
def test_a_face_depends_on_seed_split_and_number_alone(faces: np.ndarray, first: int, count: int) -> None:
    assert np.array_equal(draw_faces(0, "train", count, first=first), faces[first : first + count])


def test_faces_are_the_same_bytes_on_every_machine(faces: np.ndarray) -> None:
    # Only correctly rounded operations are used. Change the drawing, and this number: runs before it are another's.
    assert zlib.crc32(faces[:64].tobytes()) == 4135284236


def test_splits_and_seeds_have_faces_of_their_own(faces: np.ndarray) -> None:
    others = [draw_faces(0, "val", 200), draw_faces(0, "test", 200), draw_faces(1, "train", 200)]
    everyone = np.concatenate([faces, *others]).reshape(800, -1)
    assert len(np.unique(everyone, axis=0)) == 800


def test_a_larger_picture_shows_the_same_face(faces: np.ndarray) -> None:
    large = draw_faces(0, "train", 50, size=128).astype(float)
    pooled = large.reshape(50, 32, 4, 32, 4, 3).mean((2, 4))
    apart = np.abs(pooled - faces[:50]).mean() / 255
    strangers = np.abs(pooled - faces[50:100]).mean() / 255
    assert apart < 0.01 < 0.1 < strangers


def test_drawing_only_where_a_feature_may_lie_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    traits = draw_traits(5, 0, 0, 400)
    quick = portraits(traits, 400, 32)
    for name in ("EYES", "NOSE", "MOUTH", "LOWER", "UPPER", "EARS"):
        monkeypatch.setattr(layers, name, EVERYWHERE)
    assert np.array_equal(portraits(traits, 400, 32), quick)


def test_a_mirrored_person_gives_the_mirrored_picture() -> None:
    traits = draw_traits(2, 0, 0, 300)
    straight = (traits.curl == 0).ravel()  # curls are not symmetric
    names = ("x", "tilt", "yaw", "gaze_x", "parting", "light_x", "ground_x", "halo_x")
    mirrored = replace(traits, **{name: -getattr(traits, name) for name in names})
    left, right = portraits(traits, 300, 32)[straight], portraits(mirrored, 300, 32)[straight][:, :, ::-1]
    apart = np.abs(left.astype(int) - right)
    assert straight.sum() > 100
    assert (apart > 2).mean() < 1e-4  # rounding may move an edge by a level


def test_light_from_the_right_brightens_the_right_cheek() -> None:
    traits = replace(draw_traits(0, 0, 0, 64), contrast=np.full((64, 1, 1), 0.5, np.float32))
    zero = np.zeros((64, 1, 1), np.float32)
    left, right = (
        portraits(replace(traits, light_x=zero + side, light_z=zero + np.float32(0.7)), 64, 32).mean(-1)
        for side in (np.float32(-0.7), np.float32(0.7))
    )
    change = (right - left)[:, 16:24]
    assert (change[:, :, 20:24].mean((1, 2)) > 0).all()
    assert (change[:, :, 8:12].mean((1, 2)) < 0).all()


def test_attributes_are_related() -> None:
    traits = draw_traits(0, 0, 0, 4000)
    skin, hair = traits.skin.mean(0).ravel(), traits.hair.mean(0).ravel()
    assert np.corrcoef(skin, hair)[0, 1] > 0.2  # fair people more often have fair hair
    bearded = traits.beard.ravel() > 0
    assert traits.hair_length.ravel()[bearded].mean() < traits.hair_length.ravel()[~bearded].mean() - 0.3
    assert 0.05 < bearded.mean() < 0.3
    assert 0.1 < (traits.glasses > 0).mean() < 0.4


def test_a_few_pixels_say_much_about_the_rest() -> None:
    # The linear answer from 10 fixed pixels beats the mean face by far: there is a prior to learn.
    pixels = draw_faces(0, "train", 1500).reshape(1500, -1) / 255.0
    train, held = pixels[:1200], pixels[1200:]
    seen = np.concatenate([np.arange(3) + 3 * p for p in np.random.default_rng(0).choice(1024, 10, replace=False)])
    design = np.c_[train[:, seen], np.ones(1200)]
    fit = np.linalg.lstsq(design, train, rcond=None)[0]
    error = np.square(np.c_[held[:, seen], np.ones(300)] @ fit - held).mean()
    assert error < 0.6 * np.square(train.mean(0) - held).mean()


def test_every_trait_is_single_precision_and_every_colour_a_colour() -> None:
    traits = draw_traits(0, 2, 0, 50)
    for field in fields(traits):
        value = getattr(traits, field.name)
        assert value.dtype == np.float32, field.name
        assert value.shape in ((50, 1, 1), (3, 50, 1, 1)), field.name
        assert np.isfinite(value).all(), field.name
    for name in ("hair", "iris", "cloth", "trim", "frame", "hat_colour", "ground_a", "ground_b", "halo"):
        assert getattr(traits, name).min() >= 0, name
        assert getattr(traits, name).max() <= 1, name


def test_draws_are_uniform_and_unrelated() -> None:
    draws = Draws(0, 0, 0, 4000)
    columns = np.array([draws().ravel() for _ in range(20)])
    assert columns.min() >= 0
    assert columns.max() < 1
    # Means of 4000 uniform numbers deviate by 0.0046; correlations by 0.016.
    assert np.abs(columns.mean(1) - 0.5).max() < 0.02
    assert np.abs(np.corrcoef(columns) - np.eye(20)).max() < 0.08


def test_a_shape_covers_its_area() -> None:
    canvas = Canvas(1, 200)
    x, y = np.broadcast_arrays(canvas.x, canvas.y)
    cell = 4 / 200**2
    disc = canvas.cover(ellipse(x, y, np.float32(0.5), np.float32(0.3)), 1.0).sum() * cell
    assert disc == pytest.approx(np.pi * 0.5 * 0.3, rel=2e-3)
    square = canvas.cover(box(x, y, np.float32(0.6), np.float32(0.4), np.float32(0.1)), 1.0).sum() * cell
    assert square == pytest.approx(4 * 0.6 * 0.4 - (4 - np.pi) * 0.1**2, rel=2e-3)


def test_colours_and_waves_are_what_they_are_called() -> None:
    at = np.array([0.0, 1 / 3, 2 / 3, 1.0], dtype=np.float32).reshape(4, 1, 1)
    hues = colour(at, np.ones_like(at), np.ones_like(at))[:, :, 0, 0].T
    assert np.allclose(hues, [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]], atol=1e-6)
    two = palette([(0.0, 0.0, 0.0), (1.0, 0.5, 0.0)], np.array([[[0.0]], [[0.5]], [[1.0]]], dtype=np.float32))
    assert np.allclose(two[:, :, 0, 0].T, [[0, 0, 0], [0.5, 0.25, 0], [1, 0.5, 0]])
    assert np.allclose(wave(np.array([0, 0.5, 1, -0.5, 2.25], dtype=np.float32)), [0, 1, 0, 1, 0.75])
    assert np.allclose(clip(np.array([-1.0, 0.5, 3.0]), 0, 1), [0, 0.5, 1])


def test_the_data_set_says_what_it_is() -> None:
    faces = SketchFaces(train=20, val=3, test=0, size=16)
    assert faces.splits == {"train": 20, "val": 3}
    assert faces.title == "sketch faces"
    assert "drawn" in faces.provenance["filter"]
    assert faces.domain.grid == (16, 16)
    assert SketchFaces.missing(train=5) is None


@pytest.mark.parametrize("options", [{"train": 0}, {"val": -1}, {"size": 4}, {"seed": -1}])
def test_impossible_options_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(DataError, match="cannot draw"):
        SketchFaces(**options)
