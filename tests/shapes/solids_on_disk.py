"""Small shapes, as files of every kind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # files can be made where metasiren is not installed
    from metasiren_shapes.triangles import Array, Indices


def ball_points(count: int = 400, radius: float = 1.0) -> tuple[Array, Array]:
    normals = np.random.default_rng(0).normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return radius * normals, normals


def write_ply(path: Path, rows: Array, *, order: str = "<", kind: str = "float", declared: int | None = None) -> Path:
    names = {"": "ascii", "<": "binary_little_endian", ">": "binary_big_endian"}
    properties = "".join(f"property {kind} {c}\n" for c in ("x", "y", "z", "nx", "ny", "nz")[: rows.shape[1]])
    count = len(rows) if declared is None else declared
    header = f"ply\nformat {names[order]} 1.0\ncomment made\nelement vertex {count}\n{properties}end_header\n"
    if order:
        data = rows.astype(order + {"float": "f4", "double": "f8"}[kind]).tobytes()
    else:
        data = "".join(" ".join(repr(float(x)) for x in row) + "\n" for row in rows).encode()
    path.write_bytes(header.encode() + data)
    return path


def write_cloud(path: Path, points: Array, normals: Array) -> Path:
    rows = np.concatenate([points, normals], axis=1)
    if path.suffix == ".ply":
        return write_ply(path, rows)
    if path.suffix == ".xyz":
        np.savetxt(path, rows, fmt="%.17g")
    elif path.suffix == ".npz":
        np.savez(path, points=points, normals=normals)
    else:
        np.save(path, rows)
    return path


def write_obj(path: Path, vertices: Array, faces: Indices) -> Path:
    lines = [f"v {x!r} {y!r} {z!r}" for x, y, z in vertices.tolist()]
    lines += [f"f {a + 1} {b + 1} {c + 1}" for a, b, c in faces.tolist()]
    path.write_text("\n".join(lines) + "\n")
    return path
