"""Cartoon faces, drawn on the spot: a data set that needs no download."""

from __future__ import annotations

from typing import Any

import numpy as np

from metasiren import DataError
from metasiren_priors.data.imageset import ImageSet
from metasiren_priors.data.sketch.layers import portraits
from metasiren_priors.data.sketch.people import draw_traits

STREAMS = {"train": 0, "val": 1, "test": 2}
PIXELS_AT_ONCE = 1 << 15
"""Faces are drawn in groups of about so many pixels: what the processor's cache holds."""


def draw_faces(
    seed: int, split: str, count: int, *, first: int = 0, size: int = 32
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Faces `first` to `first + count` of a split: uint8 (count, size, size, 3).

    Face i depends on seed, split and i alone, so that a larger set begins with the smaller one; `size` changes
    the resolution, not the face. Only correctly rounded float32 operations are used: the same bytes everywhere.
    """
    group = max(1, PIXELS_AT_ONCE // size**2)
    faces = np.empty((count, size, size, 3), dtype=np.uint8)
    for start in range(0, count, group):
        number = min(group, count - start)
        traits = draw_traits(seed, STREAMS[split], first + start, number)
        faces[start : start + number] = portraits(traits, number, size)
    return faces


class SketchFaces(ImageSet):
    """Antialiased cartoon faces with related attributes: pose, skin, hair, eyes, mouth, clothes, light, background.

    Args:
        train: number of training faces.
        val, test: number of faces of the other splits, which differ from these.
        size: rows and columns.
        seed: another seed, other faces (0 or more).

    Raises:
        DataError: a negative seed, an empty training split, or a size below 8.
    """

    def __init__(self, *, train: int = 16384, val: int = 1024, test: int = 1024, size: int = 32, seed: int = 0) -> None:
        counts = {"train": train, "val": val, "test": test}
        if train < 1 or min(counts.values()) < 0 or size < 8 or seed < 0:
            found = f"cannot draw {counts} of size {size} with seed {seed}."
            raise DataError("data: sketch_faces", found, "Give train >= 1, val and test >= 0, size >= 8, seed >= 0.")
        arrays = {split: draw_faces(seed, split, n, size=size) for split, n in counts.items() if n}
        super().__init__("sketch faces", arrays, {"filter": "none (drawn)"})
