"""Where a shape lies in the cube [-1, 1]^3, and how to get back: one centre and one scale, so that angles stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from metasiren import DataError
from metasiren_shapes.reading.cloud import ROWS

Array = npt.NDArray[np.float64]
Scheme = Literal["box", "ball", "official"]

FILL = 0.9
"""Half-width of the cube that a shape fills. Not 1: the level set must close inside the cube, and the field needs
room on its outer side where off-surface points say that it is not zero."""

LEAST, MOST = 1e-12, 1e12


@dataclass(frozen=True)
class Frame:
    """original = coords * scale + centre.

    Attributes:
        centre: (3,), in the input's units.
        scale: length of a coordinate unit, in the input's units. Distances scale by it; normals stay.
    """

    centre: Array
    scale: float

    def to_coords(self, points: Array) -> Array:
        """Points in the input's units -> coordinates of the field; (..., 3) both."""
        return (points - self.centre) / self.scale

    def to_input(self, coords: Array) -> Array:
        """Coordinates of the field -> points in the input's units; (..., 3) both."""
        return coords * self.scale + self.centre

    @property
    def metadata(self) -> dict[str, Any]:
        """As plain data, which `Frame.of_metadata` reads."""
        return {"centre": [float(c) for c in self.centre], "scale": float(self.scale)}

    @classmethod
    def of_metadata(cls, metadata: Any) -> Frame:
        """The frame that a run recorded."""
        return cls(np.asarray(metadata["centre"], np.float64), float(metadata["scale"]))


def fit_frame(points: npt.NDArray[np.floating], scheme: Scheme, where: str) -> Frame:
    """The frame that puts points into the cube.

    Args:
        points: (points, 3) of the surface, or the vertices of its mesh; float32 or float64.
        scheme: `box` centres the bounding box and makes its longest side 2 * 0.9. `ball` puts the mean at the origin
            and the farthest point at 0.9: it turns with the shape, whatever the angle. `official` is the authors':
            the mean goes to the origin, then the least and greatest of all coordinates, over all axes, go to -1 and
            1; the shape touches the cube and ends off-centre.
        where: as errors name the data.

    Raises:
        DataError: a shape without extent, or one whose size suggests a mistake.
    """
    low, high = (np.asarray(end, np.float64) for end in (points.min(axis=0), points.max(axis=0)))
    size = float((high - low).max())
    if size == 0:
        raise DataError(where, f"all {len(points):,} points are the same point.", "Give points spread over a surface.")
    far = float(np.maximum(np.abs(low), np.abs(high)).max())
    if not LEAST <= size <= MOST or far > MOST:
        advice = f"Sizes from {LEAST:g} to {MOST:g} can be worked with; write the file in another unit."
        raise DataError(where, f"its bounding box is {size:.3g} long, {far:.3g} from the origin.", advice)
    if scheme == "box":
        return Frame((low + high) / 2, size / 2 / FILL)
    mean = points.mean(axis=0, dtype=np.float64)
    if scheme == "ball":
        pieces = (points[start : start + ROWS] - mean for start in range(0, len(points), ROWS))
        return Frame(mean, max(float(np.linalg.norm(piece, axis=1).max()) for piece in pieces) / FILL)
    least, greatest = float((low - mean).min()), float((high - mean).max())
    return Frame(mean + (least + greatest) / 2, (greatest - least) / 2)
