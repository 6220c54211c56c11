"""Meshes and points from strangers: every file ends in a surface or a message, in bounded memory."""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz_mutations import demand_message, mutations

from metasiren import DataError
from metasiren_shapes.reading import read_surface

PLY = b"ply\nformat ascii 1.0\n%selement vertex 2\n" + b"".join(
    b"property float %s\n" % c for c in (b"x", b"y", b"z", b"nx", b"ny", b"nz")
)


def glb(nodes: int, views: bool) -> bytes:
    """A mesh of a thousand vertices and triangles in so many nodes; or, without views, arrays that it only declares."""
    count = 1000 if views else 300_000_000
    accessors: list[dict[str, Any]] = [
        {"componentType": 5126, "count": count, "type": "VEC3"},
        {"componentType": 5125, "count": 3 * count, "type": "SCALAR"},
    ]
    tree = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": list(range(nodes))}],
        "nodes": [{"mesh": 0}] * nodes, "buffers": [{"byteLength": 24_000}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "bufferViews": [{"buffer": 0, "byteOffset": 12_000 * k, "byteLength": 12_000} for k in range(2)],
        "accessors": [{"bufferView": k, **each} if views else each for k, each in enumerate(accessors)],
    }  # fmt: skip
    words = json.dumps(tree).encode()
    words += b" " * (-len(words) % 4)
    vertices = np.random.default_rng(0).random((1000, 3), np.float32)
    numbers = vertices.tobytes() + (np.arange(3000, dtype="<u4") % 1000).tobytes()
    parts = ((words, b"JSON"), (numbers, b"BIN\0"))
    chunks = b"".join(len(chunk).to_bytes(4, "little") + kind + chunk for chunk, kind in parts)
    return b"glTF" + (2).to_bytes(4, "little") + (12 + len(chunks)).to_bytes(4, "little") + chunks


def corpus() -> dict[str, bytes]:
    rows = np.random.default_rng(0).standard_normal((20, 6)).astype(np.float32)
    npy, npz = io.BytesIO(), io.BytesIO()
    np.save(npy, rows)
    np.savez(npz, points=rows[:, :3], normals=rows[:, 3:])
    text = b"\n".join(b" ".join(b"%.4f" % v for v in row) for row in rows.tolist()) + b"\n"
    binary = PLY.replace(b"ascii", b"binary_little_endian").replace(b"vertex 2", b"vertex 20") % b""
    header = PLY.replace(b"vertex 2", b"vertex 20") % b""
    cube = np.random.default_rng(1).standard_normal((4, 3, 3)).astype("<f4")
    facets = b"".join(b"\0" * 12 + each.tobytes() + b"\0\0" for each in cube)
    return {
        "a.npy": npy.getvalue(),
        "a.npz": npz.getvalue(),
        "a.xyz": text,
        "binary.ply": binary + b"end_header\n" + rows.tobytes(),
        "text.ply": header + b"end_header\n" + text,
        "a.stl": b"\0" * 80 + (4).to_bytes(4, "little") + facets,
        "a.obj": b"v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 2 3\nf 1 2 4\n",
        "a.glb": glb(2, True),
        "a.off": b"OFF\n4 2 0\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n3 0 1 2\n3 0 1 3\n",
    }


@pytest.mark.parametrize("name", corpus())
def test_every_mutation_ends_in_a_surface_or_a_message(tmp_path: Path, name: str) -> None:
    if name in ("a.stl", "a.obj", "a.off", "a.glb"):
        pytest.importorskip("trimesh", reason="NO TRIMESH: meshes are not read")
    whole, path = corpus()[name], tmp_path / name
    path.write_bytes(whole)
    read_surface(path, most=100, seed=0)
    with np.errstate(all="ignore"):
        for data in mutations(whole, 120):
            path.write_bytes(data)
            try:
                read_surface(path, most=100, seed=0)
            except DataError as error:
                demand_message(error)


def test_groups_and_materials_of_an_obj_are_left_out_before_it_is_read(tmp_path: Path) -> None:
    pytest.importorskip("trimesh", reason="NO TRIMESH: meshes are not read")
    lines = [f"o part {k}\ng group{k}\n  usemtl m{k}\ns off\r\nf 1 2 3\nf 2 3 4\n" for k in range(1000)]
    path = tmp_path / "groups.obj"
    path.write_text("mtllib none.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\ng\n" + "".join(lines))
    found = read_surface(path, most=100, seed=0)
    # In one piece: with groups each of them would have its own vertices.
    assert (len(found.vertices), len(found.faces)) == (4, 2000)


BOMBS = {
    "copies.glb": glb(500_000, True),
    "declared.glb": glb(1, False),
    "junk.ply": (PLY % b"element junk 1000000000000\n") + b"end_header\n0 0 0 0 0 1\n0 0 1 0 0 1\n",
    "empty_records.ply": PLY.replace(b"ascii", b"binary_little_endian") % b"element junk 1000000000000\n"
    + b"end_header\n",
    "vertices.ply": PLY.replace(b"vertex 2", b"vertex 99999999999") % b"" + b"end_header\n0 0 0 0 0 1\n",
    "faces.ply": PLY % b"" + b"element face 99999999999\nproperty list uchar int vertex_indices\nend_header\n",
    "line.xyz": b"0 0 0 0 0 1 " * 3_400_000,
    "second_line.xyz": b"0 0 0 0 0 1\n" + b"0 0 0 0 0 1 " * 3_400_000,
}
READ = """
import resource, sys
from pathlib import Path
from typing import Any
from metasiren import DataError
from metasiren_shapes.reading import read_surface
from metasiren_shapes.reading import arrays, meshes, ply, xyz
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_surface(Path(sys.argv[1]), most=100, seed=0)
except DataError as error:
    print(int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
"""


def limited() -> None:
    """6 GiB of addresses and two minutes of the processor."""
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (120, 130))


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_little_memory(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(BOMBS[name])
    # The processor's time is limited: how long the wall's clock runs meanwhile is for other programs to say.
    out = subprocess.run(
        [sys.executable, "-c", READ, str(path)],
        capture_output=True, text=True, timeout=1200, preexec_fn=limited if os.name == "posix" else None,
    )  # fmt: skip
    assert out.returncode == 0, out.stderr[-2000:]
    assert int(out.stdout) < 300_000  # kB
