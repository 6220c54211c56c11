"""Pictures of several runs as one: a column for each, beside the truth (the SIREN paper's Figure 1)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from metasiren import picture_sheet

if TYPE_CHECKING:
    from PIL.Image import Image

TRUTH = "ground truth"
PREFIX = "truth_"
"""A picture X.png of the field has its truth in truth_X.png."""
MOST_PIXELS = 320
LETTERS = 18


def draw_montage(runs: Mapping[str, Path], path: Path, *, truth: bool = True) -> bool:
    """Lay out each picture X.png of the runs for which some run has truth_X.png, beside that.

    Rows are in the order in which the truths were written. Pictures that are missing leave a gap;
    a row or column of gaps alone is left out.

    Args:
        runs: title of each column -> the folder that holds its pictures.
        path: of the picture.
        truth: draw the column of the truth, which all runs must share.

    Returns:
        whether there was anything to draw.
    """
    truths: dict[str, Path] = {}
    for path_of_truth in (each for folder in runs.values() for each in sorted(folder.glob(f"{PREFIX}*.png"))):
        truths.setdefault(path_of_truth.stem.removeprefix(PREFIX), path_of_truth)
    stems = sorted(truths, key=lambda stem: truths[stem].stat().st_mtime_ns)
    columns = {TRUTH: truths} if truth else {}
    for title, folder in runs.items():
        columns[title] = {stem: folder / f"{stem}.png" for stem in stems if (folder / f"{stem}.png").is_file()}
    columns = {title: pictures for title, pictures in columns.items() if pictures}
    if not stems or list(columns) in ([TRUTH], []):
        return False
    rows = [[_tile(pictures[stem]) if stem in pictures else None for pictures in columns.values()] for stem in stems]
    names = [stem.replace("_", " ").replace("laplacian", "Laplacian") for stem in stems]
    picture_sheet(rows, names, list(columns), letters=LETTERS).save(path)
    return True


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
