"""Files of every format hold the mesh that was written."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from shapes_meshing.analytic import torus

from metasiren import DataError
from metasiren_shapes.frame import Frame
from metasiren_shapes.mesh import Mesh, frame_of
from metasiren_shapes.mesh_files import SUFFIXES, describe, write_mesh
from metasiren_shapes.meshing import extract

trimesh = pytest.importorskip("trimesh")


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    made = extract(torus(), resolution=32, dtype=torch.float64)
    return made.placed(Frame(np.array([3.0, -2.0, 1.0]), 50.0))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_loads_back_with_the_same_counts_and_units(mesh: Mesh, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"torus{suffix.upper() if suffix == '.ply' else suffix}"
    write_mesh(mesh, path)
    found = trimesh.load(path, force="mesh", process=suffix == ".stl")
    assert len(found.faces) == len(mesh.faces)
    assert len(found.vertices) == len(mesh.vertices)
    assert found.is_watertight
    assert found.area == pytest.approx(mesh.area, rel=1e-5)
    assert found.volume == pytest.approx(mesh.volume, rel=1e-5)
    assert np.allclose(found.bounds, mesh.bounds, atol=1e-4)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_normals_are_kept_where_the_format_can(mesh: Mesh, tmp_path: Path) -> None:
    for suffix in (".ply", ".obj", ".glb"):
        write_mesh(mesh, tmp_path / f"a{suffix}")
    raw = (tmp_path / "a.ply").read_bytes()
    start = raw.index(b"end_header\n") + 11
    rows = np.frombuffer(raw, "<f4", 6 * len(mesh.vertices), start).reshape(-1, 6)
    assert np.allclose(rows[:, 3:], mesh.normals, atol=1e-6)
    lines = [line.split()[1:] for line in (tmp_path / "a.obj").read_text().splitlines() if line.startswith("vn ")]
    assert np.allclose(np.array(lines, float), mesh.normals, atol=1e-6)
    raw = (tmp_path / "a.glb").read_bytes()
    (length,) = struct.unpack_from("<I", raw, 12)
    tree = json.loads(raw[20 : 20 + length])
    accessor = tree["accessors"][tree["meshes"][0]["primitives"][0]["attributes"]["NORMAL"]]
    view = tree["bufferViews"][accessor["bufferView"]]
    offset = 28 + length + view["byteOffset"] + accessor.get("byteOffset", 0)
    found = np.frombuffer(raw, "<f4", 3 * accessor["count"], offset).reshape(-1, 3)
    assert np.allclose(found, mesh.normals, atol=1e-6)


def test_a_tiny_shape_keeps_its_detail_as_text(mesh: Mesh, tmp_path: Path) -> None:
    tiny = mesh.placed(Frame(np.zeros(3), 1e-9))
    write_mesh(tiny, tmp_path / "a.obj")
    found = trimesh.load(tmp_path / "a.obj", force="mesh", process=False)
    assert np.allclose(found.vertices, tiny.vertices, atol=1e-14, rtol=1e-6)


def test_a_description_says_area_volume_and_effort(mesh: Mesh) -> None:
    assert "watertight" in describe(mesh)
    assert f"area {mesh.area:.6g}" in describe(mesh)
    assert "of a dense lattice" in describe(mesh)
    opened = Mesh(mesh.vertices, mesh.faces[1:], mesh.normals)
    assert "not watertight" in describe(opened)
    assert "volume" not in describe(opened)


def test_a_failed_write_leaves_the_old_file_alone(mesh: Mesh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.ply"
    path.write_bytes(b"old")

    def refuse(self: Path, target: Path) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        write_mesh(mesh, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_is_an_error(mesh: Mesh, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Did you mean '.stl'"):
        write_mesh(mesh, tmp_path / "a.stlx")
    with pytest.raises(DataError, match="missing"):
        write_mesh(mesh, tmp_path / "a")
    with pytest.raises(DataError, match="no faces"):
        write_mesh(Mesh(mesh.vertices, mesh.faces[:0], mesh.normals), tmp_path / "a.ply")
    with pytest.raises(DataError, match="cannot be written"):
        write_mesh(mesh, tmp_path / "nowhere" / "a.ply")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "metadata", [{"scale": 0}, {"scale": -1.0}, {"scale": "x"}, {"centre": [1, 2]}, {"centre": [0, 0, float("nan")]}]
)
def test_metadata_that_are_no_frame_are_errors(metadata: dict[str, object]) -> None:
    with pytest.raises(DataError, match="metadata"):
        frame_of(metadata)


def test_without_metadata_coordinates_are_a_persons_units() -> None:
    frame = frame_of({})
    assert np.array_equal(frame.to_input(np.eye(3)), np.eye(3))
