"""Which part of a clip is fitted: frames, crop and size, and the frame size that results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from PIL import Image

from metasiren import DataError, RecipeError, same_proportions, width_by_height

Frame = np.ndarray[Any, np.dtype[np.uint8]]
Crop = tuple[int, int, int, int] | Literal["square"]
Filter = Literal["nearest", "bilinear", "bicubic", "lanczos"]

MOST_SIDE = 1 << 14


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Frames start, start + stride, ... of a clip, cropped and then resized.

    Args:
        start: the first frame, counted from 0.
        frames: how many are taken; None for all that follow.
        stride: every how many-th frame.
        crop: (top, left, rows, columns) in pixels, or `square` for the largest square in the middle.
        size: pixels of the longer side after resizing, which keeps the proportions; or (rows, columns); None keeps the
            size.
        resize: the filter, with antialiasing for all but `nearest`.

    Raises:
        RecipeError: a number out of range.
    """

    start: int = 0
    frames: int | None = None
    stride: int = 1
    crop: Crop | None = None
    size: int | tuple[int, int] | None = None
    resize: Filter = "bilinear"

    def __post_init__(self) -> None:
        least = {"start": 0, "frames": 1, "stride": 1}
        for option, low in least.items():
            value = getattr(self, option)
            if value is not None and value < low:
                raise RecipeError(f"data: video: {option}", f"{value} is below {low}.", f"Give {low} or more.")
        sides = (self.size,) if isinstance(self.size, int) else self.size or ()
        if not all(1 <= side <= MOST_SIDE for side in sides):
            found = f"{self.size if isinstance(self.size, int) else width_by_height(sides)} pixels."
            advice = f"Give pixels of the longer side, or [rows, columns]; from 1 to {MOST_SIDE:,}."
            raise RecipeError("data: video: size", found, advice)

    @property
    def last(self) -> int | None:
        """The number of the last frame; None where all are taken."""
        return None if self.frames is None else self.start + (self.frames - 1) * self.stride

    def box(self, rows: int, columns: int, where: str) -> tuple[int, int, int, int]:
        """The crop of pictures of a size: top, left, rows, columns.

        Raises:
            DataError: it does not lie inside.
        """
        if self.crop is None:
            return 0, 0, rows, columns
        if self.crop == "square":
            side = min(rows, columns)
            return (rows - side) // 2, (columns - side) // 2, side, side
        top, left, high, wide = self.crop
        if min(top, left) < 0 or min(high, wide) < 1 or top + high > rows or left + wide > columns:
            found = f"crop {list(self.crop)} lies outside of {width_by_height((rows, columns))} pixels."
            raise DataError(where, found, "Give [top, left, rows, columns] in pixels, or `square`.")
        return top, left, high, wide

    def shape(self, rows: int, columns: int, where: str) -> tuple[int, int]:
        """Rows and columns of what pictures of a size become."""
        return self._resized(*self.box(rows, columns, where)[2:])

    def apply(self, picture: Frame, where: str) -> Frame:
        """A picture (rows, columns, 3), cropped and resized."""
        top, left, high, wide = self.box(picture.shape[0], picture.shape[1], where)
        picture = picture[top : top + high, left : left + wide]
        rows, columns = self._resized(high, wide)
        if (rows, columns) == (high, wide):
            return np.ascontiguousarray(picture)
        way = Image.Resampling[self.resize.upper()]
        return np.asarray(Image.fromarray(picture).resize((columns, rows), way))

    def words(self, rows: int, columns: int, where: str) -> str:
        """How pictures of a size are cropped and resized, such as `shrunk to 64 x 48`; empty where they are not."""
        _, _, high, wide = self.box(rows, columns, where)
        changes = [] if (high, wide) == (rows, columns) else [f"cropped to {width_by_height((high, wide))}"]
        if (after := self._resized(high, wide)) != (high, wide):
            change = "shrunk" if after[0] * after[1] < high * wide else "enlarged"
            change = change if same_proportions((high, wide), after) else "stretched"
            changes.append(f"{change} to {width_by_height(after)}")
        return ", ".join(changes)

    def _resized(self, rows: int, columns: int) -> tuple[int, int]:
        """Rows and columns of cropped pictures after resizing."""
        if not isinstance(self.size, int):
            return self.size or (rows, columns)
        scale = self.size / max(rows, columns)
        return max(1, round(rows * scale)), max(1, round(columns * scale))
