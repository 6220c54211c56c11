"""Files of surfaces come in as they are, or not at all, with a reason."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from shapes.solids_on_disk import ball_points, write_cloud, write_obj, write_ply

from metasiren import DataError, PluginError
from metasiren.contracts import memory
from metasiren_shapes.reading import read_surface
from metasiren_shapes.reading.cloud import Cloud, chosen_rows
from metasiren_shapes.triangles import closed, welded

NUMBERS = st.floats(-1e6, 1e6, width=32)


def read(path: Path, most: int = 10**7) -> trimesh.Trimesh | Cloud:
    return read_surface(path, most=most, seed=0)


def cloud(path: Path, most: int = 10**7) -> Cloud:
    found = read(path, most)
    assert isinstance(found, Cloud)
    return found


@pytest.mark.parametrize("order", ["", "<", ">"])
@pytest.mark.parametrize("kind", ["float", "double"])
@settings(deadline=None, max_examples=8, derandomize=True)
@given(rows=arrays(np.float64, st.tuples(st.integers(1, 30), st.just(6)), elements=NUMBERS))
def test_a_ply_of_points_comes_back_exactly(
    rows: np.ndarray, kind: str, order: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write_ply(tmp_path_factory.mktemp("ply") / "a.ply", rows, order=order, kind=kind)
    np.testing.assert_array_equal(cloud(path).rows, rows)


@pytest.mark.parametrize("suffix", [".xyz", ".npz", ".npy"])
@settings(deadline=None, max_examples=8, derandomize=True)
@given(rows=arrays(np.float64, st.tuples(st.integers(1, 30), st.just(6)), elements=NUMBERS))
def test_other_clouds_come_back_exactly(
    rows: np.ndarray, suffix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write_cloud(tmp_path_factory.mktemp("cloud") / f"a{suffix}", rows[:, :3], rows[:, 3:])
    np.testing.assert_array_equal(cloud(path).rows, rows)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(
    garbage=st.binary(max_size=300),
    start=st.sampled_from([b"", b"ply\n", b"ply\nformat ascii 1.0\nelement vertex 2\nproperty float x\nend_header\n"]),
    suffix=st.sampled_from([".ply", ".xyz", ".npz", ".npy", ".obj", ".stl", ".off", ".glb"]),
)
def test_garbage_is_a_surface_or_refused(
    garbage: bytes, start: bytes, suffix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever the bytes, the answer is a surface or a DataError, never another exception."""
    path = tmp_path_factory.mktemp("garbage") / f"a{suffix}"
    path.write_bytes(start + garbage)
    with suppress(DataError):
        read(path)


@pytest.mark.parametrize("suffix", [".obj", ".stl", ".off", ".glb", ".ply"])
def test_a_closed_mesh_closes_in_every_format(suffix: str, tmp_path: Path) -> None:
    """STL files repeat each corner in every face: joined, the box closes all the same."""
    box = trimesh.creation.box((1, 2, 3))
    box.export(tmp_path / f"box{suffix}")
    found = read(tmp_path / f"box{suffix}")
    assert isinstance(found, trimesh.Trimesh)
    joined = welded(found)
    assert closed(joined)
    assert len(joined.vertices) == 8
    assert joined.volume == pytest.approx(6)
    assert joined.area == pytest.approx(22)


def test_polygons_are_cut_and_scenes_placed(tmp_path: Path) -> None:
    square = "v 0 0 0\nv 2 0 0\nv 2 2 0\nv 0 2 0\nf 1 2 3 4\n"
    (tmp_path / "a.obj").write_text(square)
    found = read(tmp_path / "a.obj")
    assert isinstance(found, trimesh.Trimesh)
    assert (len(found.faces), found.area) == (2, 4.0)
    scene = trimesh.Scene()
    for x in (-5, 5):
        scene.add_geometry(trimesh.creation.box(), transform=trimesh.transformations.translation_matrix([x, 0, 0]))
    scene.export(tmp_path / "two.glb")
    both = read(tmp_path / "two.glb")
    assert isinstance(both, trimesh.Trimesh)
    np.testing.assert_allclose(np.abs(both.vertices[:, 0]).min(), 4.5)
    assert welded(both).volume == pytest.approx(2)


def test_a_mesh_opens_no_other_file(tmp_path: Path) -> None:
    """A material library is neither needed nor read: this one could not be."""
    (tmp_path / "a.obj").write_text("mtllib /dev/stdin\nusemtl x\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    assert isinstance(read(tmp_path / "a.obj"), trimesh.Trimesh)


@pytest.mark.parametrize("suffix", [".ply", ".xyz", ".npz", ".npy"])
def test_large_clouds_are_thinned_while_they_are_read(suffix: str, tmp_path: Path) -> None:
    points, normals = ball_points(5000)
    found = cloud(write_cloud(tmp_path / f"a{suffix}", points, normals), most=1000)
    assert 450 <= len(found.rows) <= 1000
    assert found.total == 5000
    # What stays is spread over the file, and made of its rows.
    kept = {tuple(row) for row in found.points.astype(np.float32).tolist()}
    assert kept <= {tuple(row) for row in points.astype(np.float32).tolist()}
    assert np.abs(found.points.mean(axis=0)).max() < 0.12


@settings(deadline=None, max_examples=25, derandomize=True)
@given(total=st.integers(1, 10_000), most=st.integers(1, 10_000), seed=st.integers(0, 99))
def test_chosen_rows_are_distinct_ascending_and_within(total: int, most: int, seed: int) -> None:
    chosen = chosen_rows(total, most, seed)
    if chosen is None:
        assert total <= most
        return
    assert len(chosen) == most < total
    assert (np.diff(chosen) > 0).all()
    assert chosen[0] >= 0
    assert chosen[-1] < total


def test_the_wrong_suffix_is_told_what_is_known(tmp_path: Path) -> None:
    (tmp_path / "a.plyy").write_text("x")
    with pytest.raises(DataError, match=r"suffix is '.plyy'[\s\S]*Did you mean '.ply'[\s\S]*\.glb"):
        read(tmp_path / "a.plyy")
    with pytest.raises(DataError, match="no suffix"):
        read(tmp_path / "a")
    with pytest.raises(DataError, match="is not there"):
        read(tmp_path / "a.ply")
    (tmp_path / "b.ply").write_bytes(b"")
    with pytest.raises(DataError, match="empty"):
        read(tmp_path / "b.ply")


def test_points_without_normals_are_told_how_to_get_them(tmp_path: Path) -> None:
    points, _ = ball_points()
    write_ply(tmp_path / "a.ply", points)
    np.savetxt(tmp_path / "a.xyz", points)
    np.savez(tmp_path / "a.npz", points=points)
    np.save(tmp_path / "a.npy", points)
    for suffix in (".ply", ".xyz", ".npz", ".npy"):
        with pytest.raises(DataError, match=r"without[\s\S]*Open3D[\s\S]*MeshLab[\s\S]*trimesh"):
            read(tmp_path / f"a{suffix}")


def test_a_truncated_or_boastful_ply_says_so(tmp_path: Path) -> None:
    points, normals = ball_points(200)
    rows = np.concatenate([points, normals], axis=1)
    for order in ("", "<"):
        for declared in (201, 10**14):
            path = write_ply(tmp_path / "a.ply", rows, order=order, declared=declared)
            with pytest.raises(DataError, match=r"declared, 200 are there|more than its"):
                read(path)


def test_pickles_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", points=np.array([{}], dtype=object), normals=np.zeros(1))
    with pytest.raises(DataError, match="Python objects"):
        read(tmp_path / "a.npz")


def test_what_is_no_table_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text("1 2 3 4 5 6\n1 2 x 4 5 6\n")
    with pytest.raises(DataError, match="table of numbers"):
        read(tmp_path / "a.xyz")
    (tmp_path / "a.xyz").write_text("hello world\n")
    with pytest.raises(DataError, match="hello"):
        read(tmp_path / "a.xyz")
    (tmp_path / "a.xyz").write_text("# x y z\n1, 2, 3, 0, 0, 1, 255\n4, 5, 6, 0, 1, 0, 9\n")
    np.testing.assert_array_equal(cloud(tmp_path / "a.xyz").rows, [[1, 2, 3, 0, 0, 1], [4, 5, 6, 0, 1, 0]])


def test_a_mesh_of_points_alone_or_of_nan_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\n")
    with pytest.raises(DataError, match=r"no triangles|cannot be read"):
        read(tmp_path / "a.obj")
    vertices = np.array([[0, 0, np.nan], [1, 0, 0], [0, 1, 0]])
    with pytest.raises(DataError, match=r"not finite|cannot be read"):
        read(write_obj(tmp_path / "b.obj", vertices, np.array([[0, 1, 2]])))


def test_what_does_not_fit_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points, normals = ball_points(5000)
    path = write_cloud(tmp_path / "a.ply", points, normals)
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable: 100 kB\n")
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    with pytest.raises(DataError, match=r"GB are free[\s\S]*data\.most"):
        read(path)
    assert len(cloud(path, most=500).rows) == 500


def test_a_container_s_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("MEMINFO", "MemAvailable: 1000 kB\n"), ("LIMIT", "5000"), ("USED", "2000")):
        (tmp_path / name).write_text(text)
        monkeypatch.setattr(memory, name, tmp_path / name)
    assert memory.available_bytes() == 3000
    (tmp_path / "LIMIT").write_text("max\n")
    assert memory.available_bytes() == 1_024_000


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_obj(tmp_path / "a.obj", np.eye(3), np.array([[0, 1, 2]]))
    monkeypatch.setitem(__import__("sys").modules, "trimesh", None)
    with pytest.raises(PluginError, match=r"metasiren\[shapes\]"):
        read(path)
