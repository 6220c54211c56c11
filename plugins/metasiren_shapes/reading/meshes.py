"""Meshes, through trimesh: vertices and faces alone, without materials, scripts or neighbouring files."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from metasiren import DataError, demand_memory, load_extra
from metasiren_shapes.reading.glb import demand_glb
from metasiren_shapes.triangles import triangle_mesh

if TYPE_CHECKING:
    from trimesh import Trimesh

_GROUPS = re.compile(rb"^[ \t]*(?:g|o|s|usemtl|mtllib)(?:[ \t][^\n]*)?\r?\n", re.MULTILINE)
BYTES_PER_BYTE = 12
"""Peak memory of reading, over the file's size: a line of an OBJ becomes Python numbers on the way."""


def read_mesh(path: Path) -> Trimesh:
    """All triangles of a file, polygons cut up, a scene's parts placed as it says; nothing merged or repaired.

    Raises:
        DataError: unreadable, without triangles, or with indices or coordinates that cannot be.
        PluginError: trimesh is not installed.
    """
    where, suffix = str(path), path.suffix.lower()
    trimesh = load_extra("trimesh", extra="shapes", where=f"data: {path.name}")
    demand_memory(BYTES_PER_BYTE * path.stat().st_size, where, "Simplify the mesh, or sample it into a point cloud.")
    data = path.read_bytes()
    if suffix == ".glb":
        demand_glb(data, where)
    if suffix == ".obj":
        # trimesh's time grows with the square of the number of groups and materials, of which nothing is kept.
        data = _GROUPS.sub(b"", data)
    try:
        # From bytes, not from the path: without a folder to look into, no texture or library is opened.
        scene = trimesh.load_scene(
            io.BytesIO(data), file_type=suffix[1:], process=False, maintain_order=True,
            skip_materials=True,
        )  # fmt: skip
        mesh = scene.to_mesh()
        vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64)
    except Exception as error:  # readers of seven formats fail in every way there is
        # Some of trimesh's readers reach for packages only where a file is broken; their absence is not the reason.
        missing = isinstance(error, ImportError)
        reason = "it is broken off or no such file" if missing else f"{type(error).__name__}: {error}"
        reason = reason.splitlines()[0][:200]
        advice = "Open it in MeshLab or Blender, and export it again as a binary PLY."
        raise DataError(where, f"cannot be read as {suffix[1:].upper()}: {reason}", advice) from None
    if faces.ndim != 2 or len(faces) == 0:
        advice = "A point cloud goes into a .ply, .xyz, .npz or .npy file, with normals."
        raise DataError(where, f"holds {len(vertices):,} vertices, and no triangles.", advice)
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise DataError(where, f"faces name vertices that are not among its {len(vertices):,}.", "Export it again.")
    used = vertices[np.unique(faces)]
    broken = int((~np.isfinite(used)).any(axis=1).sum())
    if broken:
        raise DataError(where, f"{broken:,} vertices are not finite numbers.", "Repair the mesh, and export it again.")
    return triangle_mesh(vertices, faces)
