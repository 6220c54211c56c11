"""Files of surfaces: meshes, and clouds of oriented points. Nothing in them runs, and no other file is opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from metasiren import DataError, demand_file, did_you_mean
from metasiren_shapes.reading.cloud import Cloud

if TYPE_CHECKING:
    from trimesh import Trimesh

MESHES = (".obj", ".stl", ".off", ".glb")
CLOUDS = (".xyz", ".npz", ".npy")
SUFFIXES = (".ply", *MESHES, *CLOUDS)


def is_mesh(path: Path) -> bool | None:
    """Whether a file is a mesh, not a cloud, by its suffix or the header of a .ply; None where neither says so."""
    suffix = path.suffix.lower()
    if suffix in (*MESHES, *CLOUDS):
        return suffix in MESHES
    if suffix != ".ply" or not path.is_file():
        return None
    from metasiren_shapes.reading.ply import read_header

    try:
        return read_header(path).is_mesh
    except (DataError, OSError):
        return None  # reading it will say what is wrong


def read_surface(path: Path, *, most: int, seed: int) -> Trimesh | Cloud:
    """The surface in a file, as it stands there.

    Args:
        path: .ply, .obj, .stl, .off or .glb with triangles or polygons; .ply, .xyz, .npz or .npy with oriented points.
        most: keep at most so many points of a cloud: more are thinned while they are read.
        seed: which those are.

    Returns:
        triangles, or points with their normals in the file's own precision and order.

    Raises:
        DataError: no such file, an unknown suffix, an empty, truncated or unreadable file, one without triangles or
            without normals, one that does not fit into memory.
        PluginError: a mesh, where trimesh is not installed.
    """
    where, suffix = str(path), path.suffix.lower()
    if path.is_dir():
        raise DataError(where, "is a folder, not a file.", f"Name one file in it: {', '.join(SUFFIXES)}.")
    if suffix not in SUFFIXES:
        found = f"the suffix is {suffix!r}." if suffix else "the name has no suffix."
        question = did_you_mean(suffix, SUFFIXES)
        raise DataError(where, found, f"{question}\nKnown: {', '.join(SUFFIXES)}.".strip())
    demand_file(path, "Name a mesh or a point cloud (data.path).")
    if suffix == ".ply":
        from metasiren_shapes.reading.ply import read_ply_cloud

        cloud = read_ply_cloud(path, most=most, seed=seed)
        if cloud is not None:
            return cloud
    if suffix in CLOUDS:
        if suffix == ".xyz":
            from metasiren_shapes.reading.xyz import read_xyz

            return read_xyz(path, most=most, seed=seed)
        from metasiren_shapes.reading.arrays import read_arrays

        return read_arrays(path, most=most, seed=seed)
    from metasiren_shapes.reading.meshes import read_mesh

    return read_mesh(path)
