"""A mesh as a file that other programs open: PLY, OBJ, GLB or STL."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from metasiren import DataError, did_you_mean
from metasiren_shapes.mesh import Mesh

SUFFIXES = (".ply", ".obj", ".glb", ".stl")


def write_mesh(mesh: Mesh, path: Path) -> None:
    """Write a mesh in the format that the suffix names; the file appears whole or not at all.

    PLY, OBJ and GLB keep the vertices' normals; STL has none. PLY, GLB and STL hold single precision.

    Raises:
        DataError: an unknown suffix, a mesh without faces, or a folder that cannot be written.
        PluginError: trimesh is not installed; the message names the extra.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        advice = f"{did_you_mean(suffix, SUFFIXES)}\nA mesh is written to {', '.join(SUFFIXES)}.".strip()
        raise DataError(str(path), f"the suffix is {suffix or 'missing'}.", advice)
    if not len(mesh.faces):
        raise DataError(str(path), "the mesh has no faces.", "Mesh at another level, or train longer.")
    content: Any = mesh.triangles.export(file_type=suffix[1:], **_options(mesh, suffix))
    replace(path, content.encode() if isinstance(content, str) else content)


def _options(mesh: Mesh, suffix: str) -> dict[str, Any]:
    if suffix == ".ply":
        return {"vertex_normal": True}
    if suffix == ".glb":
        return {"include_normals": True}
    if suffix == ".obj":
        low, high = mesh.bounds
        # Decimals after the point, eight of them significant: a small shape would lose all of its detail otherwise.
        return {"include_normals": True, "digits": max(8, 8 - int(np.floor(np.log10((high - low).max()))))}
    return {}


def replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        DataError: the folder is missing or cannot be written.
    """
    try:
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise DataError(
            str(path), f"cannot be written: {error.strerror}.", "Give a folder that you may write."
        ) from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        # A temporary file is private; the finished one is as readable as any other new file.
        mask = os.umask(0)
        os.umask(mask)
        Path(draft).chmod(0o666 & ~mask)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def describe(mesh: Mesh) -> str:
    """One line about a mesh, in the units of its vertices."""
    parts = [f"{len(mesh.vertices):,} vertices", f"{len(mesh.faces):,} faces", f"area {mesh.area:.6g}"]
    parts += [f"volume {mesh.volume:.6g}, watertight"] if mesh.volume is not None else ["not watertight"]
    if mesh.effort is not None:
        parts.append(f"{mesh.effort.evaluations:,} evaluations ({mesh.effort.share:.1%} of a dense lattice)")
    return ", ".join(parts)
