"""Pictures of several runs as one: a column for each, beside the truth (the SIREN paper's Figure 1)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

TRUTH = "ground truth"
PREFIX = "truth_"
"""A picture X.png of the field has its truth in truth_X.png."""
MOST_PIXELS = 320
GAP, HEAD, SIDE, LETTERS = 8, 34, 116, 20


def draw_montage(runs: Mapping[str, Path], path: Path) -> bool:
    """Lay out each picture X.png of the runs for which some run has truth_X.png, beside that.

    Rows are in the order in which the truths were written. Pictures that are missing leave a gap;
    a row or column of gaps alone is left out.

    Args:
        runs: title of each column -> the folder that holds its pictures.
        path: of the picture.

    Returns:
        whether there was anything to draw.
    """
    truths: dict[str, Path] = {}
    for path_of_truth in (each for folder in runs.values() for each in sorted(folder.glob(f"{PREFIX}*.png"))):
        truths.setdefault(path_of_truth.stem.removeprefix(PREFIX), path_of_truth)
    stems = sorted(truths, key=lambda stem: truths[stem].stat().st_mtime_ns)
    columns = {TRUTH: truths}
    for title, folder in runs.items():
        columns[title] = {stem: folder / f"{stem}.png" for stem in stems if (folder / f"{stem}.png").is_file()}
    columns = {title: pictures for title, pictures in columns.items() if pictures}
    if not stems or list(columns) == [TRUTH]:
        return False
    _compose(columns, stems).save(path)
    return True


def _compose(columns: Mapping[str, Mapping[str, Path]], stems: list[str]) -> Image:
    from PIL import Image, ImageDraw

    tiles = {(title, stem): _tile(p) for title, pictures in columns.items() for stem, p in pictures.items()}
    width, height = (max(tile.size[axis] for tile in tiles.values()) for axis in (0, 1))
    size = (SIDE + len(columns) * (width + GAP), HEAD + len(stems) * (height + GAP))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for row, stem in enumerate(stems):
        _write(draw, stem.replace("_", " "), SIDE // 2, HEAD + row * (height + GAP) + height // 2, SIDE - GAP)
    for column, title in enumerate(columns):
        left = SIDE + column * (width + GAP)
        _write(draw, title, left + width // 2, HEAD // 2, width)
        for row, stem in enumerate(stems):
            if tile := tiles.get((title, stem)):
                spare = (width - tile.width) // 2, (height - tile.height) // 2
                sheet.paste(tile, (left + spare[0], HEAD + row * (height + GAP) + spare[1]))
    return sheet


def _tile(path: Path) -> Image:
    """A picture in RGB, no wider or higher than `MOST_PIXELS`, and no smaller than half of that."""
    from PIL import Image

    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    longest = max(picture.size)
    if longest > MOST_PIXELS:
        picture.thumbnail((MOST_PIXELS, MOST_PIXELS), Image.Resampling.LANCZOS)
    elif 2 * longest <= MOST_PIXELS:
        # Whole factors, so that a small picture's pixels stay squares.
        factor = MOST_PIXELS // longest
        picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    return picture


def _write(draw: ImageDraw, text: str, x: int, y: int, width: int) -> None:
    """Text centred at (x, y), as large as fits and at most `LETTERS` high."""
    from PIL import ImageFont

    for size in range(LETTERS, 9, -1):
        font = ImageFont.load_default(size)
        if draw.textlength(text, font) <= width:
            break
    draw.text((x, y), text, "black", font, anchor="mm")
