"""Triangles, samples of them, frames and exact distances."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation
from scipy.stats import chisquare

from metasiren import DataError
from metasiren_shapes.frame import FILL, Frame, fit_frame
from metasiren_shapes.mesh import Mesh
from metasiren_shapes.solids import NAMES, make_solid
from metasiren_shapes.triangles import closed, sample_triangles, signed_distance, triangle_mesh, welded

RNG = np.random.default_rng


def test_samples_are_uniform_by_area() -> None:
    """Two triangles, one nine times as large, each cut into four equal parts: all eight are hit by their area."""
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 5, 5], [8, 5, 5], [5, 8, 5]], np.float64)
    points, normals = sample_triangles(triangle_mesh(vertices, np.array([[0, 1, 2], [3, 4, 5]])), 20_000, RNG(0))
    np.testing.assert_allclose(normals, np.broadcast_to([0, 0, 1], normals.shape))
    large = points[:, 0] > 4
    place = np.where(large[:, None], (points - 5) / 3, points)[:, :2]
    part = np.where(place.sum(1) < 0.5, 0, np.where(place[:, 0] > 0.5, 1, np.where(place[:, 1] > 0.5, 2, 3)))
    counts = np.bincount(part + 4 * large, minlength=8)
    assert chisquare(counts, 20_000 * np.repeat([0.1, 0.9], 4) / 4).pvalue > 0.01


def test_faces_without_area_are_never_hit_and_a_mesh_of_them_is_refused() -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [2, 0, 0]], np.float64)
    mesh = triangle_mesh(vertices, np.array([[0, 1, 3], [0, 1, 2], [1, 3, 0]]))
    points, normals = sample_triangles(mesh, 1000, RNG(0))
    assert (normals == [0, 0, 1]).all()
    assert points[:, 0].max() <= 1
    with pytest.raises(DataError, match="without any area"):
        sample_triangles(triangle_mesh(vertices, np.array([[0, 1, 3]])), 10, RNG(0))


def test_an_empty_mesh_has_no_area_no_volume_and_no_bounds() -> None:
    nothing = Mesh(np.empty((0, 3)), np.empty((0, 3), int), np.empty((0, 3)))
    assert (nothing.area, nothing.watertight, nothing.volume) == (0.0, False, None)
    with pytest.raises(DataError, match="mesh: bounds: the mesh has no vertices"):
        _ = nothing.bounds
    with pytest.raises(DataError, match="0 triangles without any area"):
        nothing.sample(3, np.random.default_rng(0))
    corners = Mesh(np.eye(3), np.empty((0, 3), int), np.eye(3))
    for mesh in (nothing, corners):
        assert len(welded(mesh.triangles).vertices) == 0


def test_no_points_have_no_distances() -> None:
    assert signed_distance(trimesh.creation.box(), np.empty((0, 3))).shape == (0,)


def test_vertex_normals_round_off_a_sphere() -> None:
    ball = trimesh.creation.icosphere(2)
    for kind, error in (("face", 0.02), ("vertex", 0.001)):
        points, normals = sample_triangles(ball, 2000, RNG(0), normals=kind)  # type: ignore[arg-type]
        outwards = points / np.linalg.norm(points, axis=1, keepdims=True)
        worst = 1 - (normals * outwards).sum(1)
        assert worst.max() < error
        np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1)


def test_a_mesh_is_closed_where_faces_agree_along_every_edge() -> None:
    box = trimesh.creation.box((1, 2, 3))
    assert closed(box)
    assert not closed(triangle_mesh(box.vertices, box.faces[1:]))
    assert not closed(triangle_mesh(box.vertices, box.faces[:0]))
    one_turned = box.faces.copy()
    one_turned[0] = one_turned[0, ::-1]
    assert not closed(triangle_mesh(box.vertices, one_turned))


def test_welding_keeps_the_order_and_drops_what_bounds_nothing() -> None:
    vertices = np.array([[9, 9, 9], [1, 0, 0], [0, 0, 0], [-0.0, 0, 0], [0, 1, 0]], np.float64)
    joined = welded(triangle_mesh(vertices, np.array([[1, 4, 3], [2, 3, 4]])))
    np.testing.assert_array_equal(joined.vertices, [[1, 0, 0], [0, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(joined.faces, [[0, 2, 1]])


@pytest.mark.parametrize(("scale", "shift"), [(1e-9, 0), (1e-3, 0), (1, 0), (1e9, 0), (1e-3, 1e6), (1e-12, 1e3)])
def test_welding_goes_by_the_size_of_the_mesh(scale: float, shift: float) -> None:
    """A ball of any size, each face with vertices of its own, as in STL files: as many as before are left."""
    ball = trimesh.creation.icosphere(2)
    vertices = ball.vertices * scale + shift
    single = triangle_mesh(vertices[ball.faces].reshape(-1, 3), np.arange(ball.faces.size).reshape(-1, 3))
    joined = welded(single)
    assert len(joined.vertices) == len(np.unique(vertices, axis=0))
    assert closed(joined) == (len(joined.vertices) == len(ball.vertices))


@settings(deadline=None, max_examples=25, derandomize=True)
@given(
    points=arrays(np.float64, (12, 3), elements=st.floats(-5, 5), unique=True),
    scheme=st.sampled_from(["box", "ball", "official"]),
    scale=st.floats(1e-6, 1e6),
)
def test_frames_fit_and_undo(points: np.ndarray, scheme: str, scale: float) -> None:
    points = points * scale
    if not np.ptp(points, axis=0).max() > 1e-12:
        return
    frame = fit_frame(points, scheme, "here")  # type: ignore[arg-type]
    coords = frame.to_coords(points)
    assert np.abs(coords).max() <= 1 + 1e-9
    extent = np.abs(points).max()
    np.testing.assert_allclose(coords * frame.scale + frame.centre, points, atol=1e-12 * extent)
    again = Frame.of_metadata(frame.metadata)
    np.testing.assert_array_equal(again.to_input(coords), frame.to_input(coords))
    if scheme == "box":
        np.testing.assert_allclose(np.ptp(coords, axis=0).max(), 2 * FILL)
        np.testing.assert_allclose(coords.max(0) + coords.min(0), 0, atol=1e-8)
    if scheme == "official":
        np.testing.assert_allclose((coords.min(), coords.max()), (-1, 1))


def test_the_official_scheme_is_the_authors() -> None:
    points = RNG(0).normal(size=(50, 3)) * [1, 2, 3] + 7
    moved = points - points.mean(axis=0, keepdims=True)
    expected = ((moved - moved.min()) / (moved.max() - moved.min()) - 0.5) * 2
    np.testing.assert_allclose(fit_frame(points, "official", "here").to_coords(points), expected, atol=1e-12)


@pytest.mark.parametrize("scheme", ["box", "ball"])
def test_a_turned_scaled_and_moved_shape_is_turned_in_the_cube(scheme: str) -> None:
    """`ball` by any angle; `box` by right angles, under which a bounding box turns into one."""
    points = RNG(0).normal(size=(200, 3)) * [1, 2, 3]
    turn = Rotation.random(rng=RNG(1)).as_matrix() if scheme == "ball" else np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    other = 250 * points @ turn.T + [10, -20, 30]
    before, after = (fit_frame(x, scheme, "here").to_coords(x) for x in (points, other))  # type: ignore[arg-type]
    np.testing.assert_allclose(after, before @ turn.T, atol=1e-12)


@pytest.mark.parametrize(("points", "words"), [
    (np.zeros((9, 3)), "same point"), (np.eye(3) * 1e13, "another unit"), (np.eye(3) * 1e-13, "another unit"),
    (np.eye(3) + 1e13, "another unit"),
])  # fmt: skip
def test_absurd_sizes_are_refused(points: np.ndarray, words: str) -> None:
    with pytest.raises(DataError, match=words):
        fit_frame(points, "box", "here")


@pytest.mark.parametrize("subdivided", [False, True])
def test_the_distance_to_a_box_mesh_is_the_box_s(subdivided: bool) -> None:
    """Its faces, edges and corners each are nearest to some; large faces beside small ones make no difference."""
    mesh = trimesh.creation.box((2, 1.4, 1))
    if subdivided:
        mesh = mesh.subdivide_loop(0).subdivide(face_index=[0, 1, 2])
    points = RNG(0).uniform(-2, 2, (600, 3))
    np.testing.assert_allclose(signed_distance(mesh, points), make_solid("box").distance(points), atol=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_solids_lie_where_they_say(name: str) -> None:
    """Samples have distance zero; a small step along the normal changes it by the step."""
    solid = make_solid(name)  # type: ignore[arg-type]
    points, normals = solid.sample(300, RNG(0))
    assert points.shape == normals.shape == (300, 3)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1)
    np.testing.assert_allclose(solid.distance(points), 0, atol=1e-9)
    near = solid.distance(points + 1e-3 * normals)
    # In the nook between overlapping parts, another part is nearer.
    assert np.mean(np.abs(near - 1e-3) < 1e-9) > (0.999 if solid.exact else 0.95)
    np.testing.assert_allclose(np.maximum(solid.distance(points - 1e-6 * normals), -1e-6), -1e-6, atol=1e-9)


def test_curved_tubes_are_sampled_by_area() -> None:
    """The outer half of a ring (R=1, r=0.35) has the share 1/2 + r / (pi R) of its area."""
    points, _ = make_solid("torus").sample(20_000, RNG(0))
    outer = int((np.hypot(points[:, 0], points[:, 1]) > 1).sum())
    share = 0.5 + 0.35 / np.pi
    assert chisquare([outer, 20_000 - outer], [20_000 * share, 20_000 * (1 - share)]).pvalue > 0.01
    assert make_solid("torus").area == pytest.approx(4 * np.pi**2 * 0.35)


def test_a_solid_s_distance_is_exact_far_away() -> None:
    """As the nearest of very many surface points says, from outside and inside."""
    solid = make_solid("knot")
    from scipy.spatial import cKDTree

    surface, _ = solid.sample(60_000, RNG(0))
    points = RNG(1).uniform(-1.5, 1.5, (100, 3))
    nearest = cKDTree(surface).query(points)[0]
    found = np.abs(solid.distance(points))
    assert (found <= nearest + 1e-12).all()
    assert (nearest - found).max() < 0.03
