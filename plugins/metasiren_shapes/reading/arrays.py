"""Oriented points in numpy's own files. Nothing in them is unpickled."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from metasiren import DataError, demand_memory, npz_sizes
from metasiren_shapes.reading.cloud import Cloud, chosen_rows, no_normals

ADVICE = (
    "Save them with np.savez(path, points=points, normals=normals), (points, 3) each, float32 or float64;\n"
    "or as one array (points, 6) with np.save: an .npy is mapped into memory, which suits many points."
)


def read_arrays(path: Path, *, most: int, seed: int) -> Cloud:
    """`points` and `normals` of an .npz file, or the six columns of an .npy file.

    Raises:
        DataError: not such a file, a missing array, or one of another shape or kind.
    """
    where = str(path)
    try:
        points, normals = _columns(path) if path.suffix.lower() == ".npy" else _members(path)
    except DataError:
        raise
    except Exception as error:  # numpy's headers are Python literals, which fail in every way there is
        objects = "llow_pickle" in str(error) or "Object arrays" in str(error)
        reason = "holds Python objects, which are not read" if objects else f"unreadable: {error}"
        raise DataError(where, f"{reason}.".splitlines()[0][:300], ADVICE) from None
    for name, array in (("points", points), ("normals", normals)):
        if array.ndim != 2 or array.shape[1] != 3 or array.dtype.kind != "f" or array.shape != points.shape:
            raise DataError(where, f"`{name}` is {array.dtype} {array.shape}.", ADVICE)
    total, chosen = len(points), chosen_rows(len(points), most, seed)
    if chosen is not None:
        points, normals = points[chosen], normals[chosen]
    kind = np.float32 if points.dtype.itemsize <= 4 else np.float64
    demand_memory(len(points) * 6 * np.dtype(kind).itemsize, where, "Set data.most to keep fewer points.")
    rows = np.empty((len(points), 6), kind)
    rows[:, :3], rows[:, 3:] = points, normals
    return Cloud(rows, total)


def _columns(path: Path) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
    rows = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(rows, np.ndarray):
        raise DataError(str(path), "an .npz archive under another name.", ADVICE)
    if rows.ndim == 2 and rows.shape[1] == 3:
        raise no_normals(str(path), f"{len(rows):,} points without normals: three columns.")
    if rows.ndim != 2 or rows.shape[1] != 6:
        raise DataError(str(path), f"an array {rows.dtype} {rows.shape}.", ADVICE)
    return rows[:, :3], rows[:, 3:]


def _members(path: Path) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
    where = str(path)
    if not zipfile.is_zipfile(path):
        raise DataError(where, "not an .npz file, or one whose download broke off.", ADVICE)
    sizes = npz_sizes(path)  # a small archive may hold very much of nothing
    if "points" not in sizes:
        raise DataError(where, f"holds {', '.join(sorted(sizes)) or 'nothing'}, no `points`."[:300], ADVICE)
    if "normals" not in sizes:
        raise no_normals(where, "`points` without `normals`.")
    advice = "Save the points as one array (points, 6) with np.save: it is read in part (data.most)."
    demand_memory(2 * (sizes["points"] + sizes["normals"]), where, advice)
    with path.open("rb") as raw, np.load(raw, allow_pickle=False) as arrays:
        return np.asarray(arrays["points.npy"]), np.asarray(arrays["normals.npy"])
