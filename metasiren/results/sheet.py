"""Pictures side by side on one page, with words above the columns and beside the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    Rows = Sequence[Sequence[Image | None]]

GAP, LETTERS = 6, 13
Box = tuple[int, int, int, int]


def picture_sheet(rows: Rows, labels: Sequence[str], heads: Sequence[str], *, letters: int = LETTERS) -> Image:
    """A table of pictures with headings, each picture in the middle of its cell.

    Args:
        rows: pictures of any size; None leaves a cell empty.
        labels: of the rows, at the left; a line break starts a new line.
        heads: of the columns.
        letters: height of the words in pixels.
    """
    from PIL import Image, ImageDraw, ImageFont

    font, layout = ImageFont.load_default(letters), _layout(rows, labels, heads, letters)
    page = Image.new("RGB", layout.size, "white")
    pen = ImageDraw.Draw(page)
    for row, boxes in zip(rows, layout.boxes(rows), strict=True):
        for picture, box in zip(row, boxes, strict=True):
            if picture is not None and box is not None:
                page.paste(picture, box[:2])
    for label, top, height in zip(labels, layout.tops, layout.heights, strict=True):
        pen.multiline_text((GAP, top + height // 2), label, "black", font, anchor="lm")
    for words, left, width in zip(heads, layout.lefts, layout.widths, strict=True):
        pen.text((left + width // 2, layout.head // 2), words, "black", font, anchor="mm")
    return page


def picture_boxes(
    rows: Rows, labels: Sequence[str], heads: Sequence[str], *, letters: int = LETTERS
) -> list[list[Box | None]]:
    """Where `picture_sheet` of the same arguments puts each picture: left, top, right, bottom, in pixels of the page.

    Viewers cut a page apart by them. An empty cell has None.
    """
    return _layout(rows, labels, heads, letters).boxes(rows)


def save_picture(page: Image, path: Path) -> Tensor:
    """Write a picture in RGB to a file, and return it as `Protocol.preview` does: uint8 (3, rows, columns)."""
    from torchvision.transforms.functional import pil_to_tensor

    page.save(path)
    pixels: Tensor = pil_to_tensor(page)
    return pixels


@dataclass(frozen=True)
class _Layout:
    """Cells of a page; `margin` is the width of the labels' column, `head` the height of the headings' row."""

    widths: list[int]
    heights: list[int]
    margin: int
    head: int

    @property
    def lefts(self) -> list[int]:
        return [self.margin + sum(self.widths[:i]) + GAP * i for i in range(len(self.widths))]

    @property
    def tops(self) -> list[int]:
        return [self.head + sum(self.heights[:i]) + GAP * i for i in range(len(self.heights))]

    @property
    def size(self) -> tuple[int, int]:
        wide = self.margin + sum(self.widths) + GAP * len(self.widths)
        return wide, self.head + sum(self.heights) + GAP * len(self.heights)

    def boxes(self, rows: Rows) -> list[list[Box | None]]:
        def box(picture: Image | None, left: int, top: int, width: int, height: int) -> Box | None:
            if picture is None:
                return None
            x, y = left + (width - picture.width) // 2, top + (height - picture.height) // 2
            return x, y, x + picture.width, y + picture.height

        return [
            [box(p, left, top, width, height) for p, left, width in zip(row, self.lefts, self.widths, strict=True)]
            for row, top, height in zip(rows, self.tops, self.heights, strict=True)
        ]


def _layout(rows: Rows, labels: Sequence[str], heads: Sequence[str], letters: int) -> _Layout:
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(letters)
    pen = ImageDraw.Draw(Image.new("RGB", (1, 1)))

    def size(words: str) -> tuple[int, int]:
        left, top, right, bottom = pen.multiline_textbbox((0, 0), words, font) if words else (0, 0, 0, 0)
        return int(right - left), int(bottom - top)

    columns = list(zip(*rows, strict=True))
    # A narrow picture's head may be wider than the picture.
    widths = [max([size(h)[0], *(p.width for p in c if p)]) for h, c in zip(heads, columns, strict=True)]
    heights = [max([size(label)[1], *(p.height for p in row if p)]) for label, row in zip(labels, rows, strict=True)]
    margin, head = (
        n + 2 * GAP if n else GAP for n in (max(size(x)[0] for x in labels), max(size(x)[1] for x in heads))
    )
    return _Layout(widths, heights, margin, head)
