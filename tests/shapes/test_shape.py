"""The data set of a surface: what steps and tests see, and which surfaces it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from shapes.solids_on_disk import ball_points, write_cloud, write_obj
from torch import Tensor

from metasiren import Batch, DataError
from metasiren.engine.progress import data_words
from metasiren.testing import Part, parametrize_with_checks
from metasiren_shapes.dataset import Shape
from metasiren_shapes.frame import Frame

ONE = torch.tensor([0])
SMALL: dict[str, Any] = {"samples": 5000, "points": 500, "test_points": 200}


def train(shape: Shape, seed: int = 0) -> Batch:
    return shape.batch("train", ONE, generator=torch.Generator().manual_seed(seed))


def reference(shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    return shape.reference(10**6)


@pytest.fixture
def cloud(tmp_path: Path) -> Path:
    return write_cloud(tmp_path / "ball.ply", *ball_points(1000, 3.0))


@parametrize_with_checks(Part("dataset", Shape, {"solid": "torus", **SMALL}))
def test_it_keeps_the_contract_of_data_sets(check: Callable[[], None]) -> None:
    check()


def test_a_step_sees_as_many_points_on_as_off_the_surface() -> None:
    batch = train(Shape(solid="sphere", near=0.05, **SMALL))
    assert set(batch.points) == {"surface", "space", "near"}
    assert all(points.coords.shape == (1, 500, 3) for points in batch.points.values())
    surface, near = batch.points["surface"], batch.points["near"]
    torch.testing.assert_close(surface.coords / 0.9, surface.targets["normals"], atol=2e-3, rtol=0)
    away = (near.coords - surface.coords).std()
    assert 0.04 < float(away) < 0.06
    space = batch.points["space"].coords
    assert float(space.abs().max()) <= 1
    assert float(space.mean((0, 1)).abs().max()) < 0.1
    assert "near" not in train(Shape(solid="sphere", **SMALL)).points


def test_steps_differ_and_tests_do_not() -> None:
    shape = Shape(solid="box", **SMALL)
    assert not torch.equal(train(shape, 0).points["space"].coords, train(shape, 1).points["space"].coords)
    for name in ("surface", "space"):
        once, twice = (shape.batch("test", ONE).points[name].coords for _ in range(2))
        assert torch.equal(once, twice)


def test_held_out_points_are_never_trained_on(cloud: Path) -> None:
    """Together they are the file, each point once."""
    shape = Shape(path=cloud, held_out=0.1)
    held = {tuple(row) for row in shape.batch("test", ONE).points["surface"].coords[0].tolist()}
    pool = {tuple(row[:3]) for row in shape._pool.tolist()}
    assert (len(held), len(pool)) == (100, 900)
    assert not held & pool
    seen = {tuple(row) for row in train(shape).points["surface"].coords[0].tolist()}
    assert seen <= pool


@pytest.mark.parametrize("normalise", ["box", "ball", "official"])
def test_metadata_alone_undo_the_normalisation(cloud: Path, normalise: str) -> None:
    shape = Shape(path=cloud, normalise=normalise, unit="mm")  # type: ignore[arg-type]
    frame = Frame.of_metadata(shape.metadata)
    coords = shape._pool[:, :3].double().numpy()
    assert np.abs(np.linalg.norm(frame.to_input(coords), axis=1) - 3).max() < 1e-6
    points, normals = reference(shape)
    assert len(points) == 1000
    np.testing.assert_allclose(points / 3, normals, atol=1e-6)
    assert shape.metadata["unit"] == "mm"
    assert shape.metadata["diagonal"] == pytest.approx(6 * np.sqrt(3), rel=0.05)


def test_a_turned_and_scaled_mesh_gives_turned_and_scaled_samples(tmp_path: Path) -> None:
    mesh = trimesh.creation.icosphere(1)
    turn = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
    for name, vertices in (("a", mesh.vertices), ("b", 40 * mesh.vertices @ turn.T + 5)):
        write_obj(tmp_path / f"{name}.obj", vertices, mesh.faces)
    one, other = (Shape(path=tmp_path / f"{name}.obj", **SMALL) for name in "ab")
    (a, n), (b, m) = reference(one), reference(other)
    np.testing.assert_allclose(b, 40 * a @ turn.T + 5, atol=1e-4)
    np.testing.assert_allclose(m, n @ turn.T, atol=1e-6)
    torch.testing.assert_close(_sdf(other).std(), _sdf(one).std(), rtol=0.2, atol=0)


def _sdf(shape: Shape) -> Tensor:
    return shape.batch("test", ONE).points["space"].known["sdf"]


def test_exact_distances_of_a_solid_and_of_its_mesh_agree(tmp_path: Path) -> None:
    mesh = trimesh.creation.box((2, 1.4, 1))
    write_obj(tmp_path / "box.obj", mesh.vertices, mesh.faces)
    of_mesh, of_solid = Shape(path=tmp_path / "box.obj", **SMALL), Shape(solid="box", **SMALL)
    assert _sdf(of_mesh).shape == (1, 200, 1)
    torch.testing.assert_close(_sdf(of_mesh), _sdf(of_solid), atol=2e-3, rtol=0)
    assert bool((_sdf(of_mesh) > 0).any() and (_sdf(of_mesh) < 0).any())


def test_a_mesh_inside_out_is_turned_and_said_so(tmp_path: Path) -> None:
    mesh = trimesh.creation.icosphere(1)
    write_obj(tmp_path / "in.obj", mesh.vertices, mesh.faces[:, ::-1])
    for flip, sign in ((False, 1), (True, -1)):
        shape = Shape(path=tmp_path / "in.obj", flip=flip, **SMALL)
        points, normals = reference(shape)
        assert (np.sign((points * normals).sum(1)) == sign).all()
        assert "turned" in shape.provenance["orientation"]
        space = shape.batch("test", ONE).points["space"]
        radius = np.linalg.norm(shape.frame.to_input(space.coords.numpy()[0]), axis=1)
        outside = (space.targets["sdf"][0, :, 0] > 0).numpy()
        assert (outside == (radius > 1))[np.abs(radius - 0.95) > 0.06].all() == (sign > 0)


def test_a_cloud_inside_out_is_noted_and_may_be_turned(tmp_path: Path) -> None:
    points, normals = ball_points()
    path = write_cloud(tmp_path / "a.npz", points, -normals)
    assert "data.flip=true" in Shape(path=path).provenance["orientation"]
    points, normals = reference(Shape(path=path, flip=True))
    assert ((points * normals).sum(1) > 0).all()


def test_normals_of_any_length_will_do(tmp_path: Path) -> None:
    points, normals = ball_points()
    path = write_cloud(tmp_path / "a.npz", points, 300 * normals)
    np.testing.assert_allclose(np.linalg.norm(reference(Shape(path=path))[1], axis=1), 1, atol=1e-6)


def test_repeated_points_are_left_out_and_counted(tmp_path: Path) -> None:
    points, normals = ball_points()
    path = write_cloud(tmp_path / "a.npz", np.repeat(points, 3, axis=0), np.repeat(normals, 3, axis=0))
    shape = Shape(path=path)
    assert shape.provenance["repeated"] == "800 points left out"
    assert len(reference(shape)[0]) == 400


@pytest.mark.parametrize(("column", "value", "words"), [
    (0, np.nan, "1 of 400 points have a number that is not finite; the first is point 7"),
    (4, np.inf, "not finite"),
    (slice(3, 6), 0.0, "1 of 400 points have a normal of zero; the first is point 7"),
])  # fmt: skip
def test_broken_points_stop_it_or_are_left_out(column: Any, value: float, words: str, tmp_path: Path) -> None:
    rows = np.concatenate(ball_points(), axis=1)
    rows[7, column] = value
    path = write_cloud(tmp_path / "a.ply", rows[:, :3], rows[:, 3:])
    with pytest.raises(DataError, match=rf"{words}[\s\S]*skip_broken=true"):
        Shape(path=path)
    shape = Shape(path=path, skip_broken=True)
    assert "1 points left out" in shape.provenance.values()
    assert len(reference(shape)[0]) == 399


def test_ten_points_are_too_few_and_so_are_copies_of_ten(tmp_path: Path) -> None:
    points, normals = ball_points(10)
    for repeats in (1, 50):
        path = write_cloud(tmp_path / "a.xyz", np.repeat(points, repeats, 0), np.repeat(normals, repeats, 0))
        with pytest.raises(DataError, match="10 distinct points"):
            Shape(path=path)


def test_flat_shapes_are_refused_however_they_lie(tmp_path: Path) -> None:
    flat = np.random.default_rng(0).uniform(-1, 1, (500, 3)) * [1, 1, 0]
    tilt = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    for turn in (np.eye(3), tilt):
        path = write_cloud(tmp_path / "a.npy", flat @ turn.T, np.broadcast_to(turn[:, 2], flat.shape))
        with pytest.raises(DataError, match="flat"):
            Shape(path=path)
    write_obj(tmp_path / "a.obj", np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0.0]]), np.array([[0, 1, 2], [2, 1, 0]]))
    with pytest.raises(DataError, match="flat"):
        Shape(path=tmp_path / "a.obj")


@pytest.mark.parametrize("option", [
    {"points": 0}, {"points": 10**12}, {"samples": 10**12}, {"near": -1.0}, {"held_out": 0.9}, {"test_points": 0},
    {"most": 1},
])  # fmt: skip
def test_numbers_out_of_range_are_refused(option: dict[str, Any]) -> None:
    (name,) = option
    with pytest.raises(DataError, match=f"data: {name}"):
        Shape(solid="sphere", **option)


def test_a_path_or_a_solid_but_not_both(tmp_path: Path) -> None:
    for options in ({}, {"path": tmp_path / "a.ply", "solid": "box"}):
        with pytest.raises(DataError, match=r"one of them[\s\S]*sphere"):
            Shape(**options)
    assert "no shape is given" in str(Shape.missing())
    assert "is not there" in str(Shape.missing(path=tmp_path / "a.ply"))
    assert Shape.missing(solid="box") is None


def test_what_a_person_should_know_of_a_surface_is_said_before_training(tmp_path: Path) -> None:
    mesh = trimesh.creation.icosphere(2)
    write_obj(tmp_path / "whole.obj", mesh.vertices, mesh.faces)
    write_obj(tmp_path / "open.obj", mesh.vertices, mesh.faces[mesh.triangles_center[:, 2] < 0.8])
    write_obj(tmp_path / "in.obj", mesh.vertices, mesh.faces[:, ::-1])
    points, normals = ball_points()
    cloud = write_cloud(
        tmp_path / "cloud.npz", np.concatenate([points, points[:9]]), np.concatenate([-normals, normals[:9]])
    )
    for path, said in (
        (tmp_path / "whole.obj", []),
        (tmp_path / "open.obj", ["mesh: open, so that the field closes its holes"]),
        (tmp_path / "in.obj", ["orientation: was inside out, and has been turned"]),
        (cloud, ["repeated: 9 points left out", "orientation: normals point to the middle"]),
    ):
        words = data_words(Shape(path=path, **SMALL))
        assert words.partition(";")[0] == path.stem
        assert all(each in words for each in said)
        assert bool(said) == (";" in words)


def test_real_scans_and_meshes_fill_the_cube(shared_data: Path) -> None:
    closed = {"gargoyle_points.ply": None, "armadillo.obj": "closed", "bunny.obj": "open"}
    for name, mesh in closed.items():
        path = shared_data / "meshes" / name
        if not path.is_file():
            pytest.skip(f"NO REAL SHAPE: {path} is not there")
        shape = Shape(path=path, samples=20_000, test_points=200)
        coords = shape.batch("test", ONE).points["surface"].coords
        assert 0.8 < float(coords.abs().max()) <= 0.9 + 1e-6
        assert shape.provenance.get("mesh") == mesh
        assert "orientation" not in shape.provenance
        if mesh == "closed":
            inside = float((_sdf(shape) < 0).float().mean())
            volume = 237_926 / (2 * shape.metadata["scale"]) ** 3
            assert abs(inside - volume) < 0.06
