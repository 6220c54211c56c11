"""Pictures side by side on one page, with words above the columns and beside the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

GAP, LETTERS = 6, 13


def picture_sheet(
    rows: Sequence[Sequence[Image | None]], labels: Sequence[str], heads: Sequence[str], *, letters: int = LETTERS
) -> Image:
    """A table of pictures with headings, each picture in the middle of its cell.

    Args:
        rows: pictures of any size; None leaves a cell empty.
        labels: of the rows, at the left; a line break starts a new line.
        heads: of the columns.
        letters: height of the words in pixels.
    """
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
    page = Image.new(
        "RGB", (margin + sum(widths) + GAP * len(widths), head + sum(heights) + GAP * len(heights)), "white"
    )
    pen = ImageDraw.Draw(page)
    top = head
    for row, label, height in zip(rows, labels, heights, strict=True):
        pen.multiline_text((GAP, top + height // 2), label, "black", font, anchor="lm")
        left = margin
        for picture, width in zip(row, widths, strict=True):
            if picture is not None:
                page.paste(picture, (left + (width - picture.width) // 2, top + (height - picture.height) // 2))
            left += width + GAP
        top += height + GAP
    left = margin
    for words, width in zip(heads, widths, strict=True):
        pen.text((left + width // 2, head // 2), words, "black", font, anchor="mm")
        left += width + GAP
    return page
