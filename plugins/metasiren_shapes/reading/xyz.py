"""Text with a point on each line: x y z nx ny nz."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasiren import DataError, demand_memory
from metasiren_shapes.reading.cloud import ROWS, Cloud, no_normals

ADVICE = "Each line holds x y z nx ny nz, with blanks or commas between; lines that begin with # are left out."
SHORTEST = len("0 0 0 1 0 0\n")
LONGEST = 1 << 16
"""Characters of a line; a longer one is not a point."""


def read_xyz(path: Path, *, most: int, seed: int) -> Cloud:
    """Oriented points of a text file; columns beyond the sixth (colours, say) are left out.

    Raises:
        DataError: no numbers, fewer than six columns, a word, or a line of another length.
    """
    where = str(path)
    demand_short_lines(path)
    with path.open("r", encoding="utf-8", errors="replace") as file:
        first = next((line for line in (raw.split("#")[0] for raw in file) if line.strip()), "")
    columns = len(first.replace(",", " ").split())
    if columns == 3:
        raise no_normals(where, "points without normals: three numbers on a line.")
    if columns < 6:
        raise DataError(where, f"its first line is {first.strip()[:80]!r}.", ADVICE)
    return read_table(path, range(6), most=most, seed=seed, separator="," if "," in first else r"\s+")


def demand_short_lines(path: Path) -> None:
    """Look through a file for lines that would fill the memory.

    Raises:
        DataError: naming the place.
    """
    begun = position = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            first = block.find(b"\n")
            # Lines of this block: the one that began before it, those inside, and the one that goes on.
            pieces = block.split(b"\n")
            lengths = [position + (len(block) if first < 0 else first) - begun, *map(len, pieces[1:])]
            if max(lengths) > LONGEST:
                found = f"a line of more than {LONGEST:,} characters, from byte {begun:,} on."
                raise DataError(str(path), found, ADVICE)
            position += len(block)
            if first >= 0:
                begun = position - len(pieces[-1])


def read_table(
    path: Path,
    columns: Sequence[int],
    *,
    most: int,
    seed: int,
    skip: int = 0,
    rows: int | None = None,
    separator: str = r"\s+",
) -> Cloud:
    """Six columns of a text file, read in pieces.

    Args:
        path: the file.
        columns: where x, y, z, nx, ny and nz stand.
        most: rows to keep. Of more, every row is kept with the same chance; at least about half of `most` stay.
        seed: which those are.
        skip: lines before the first row.
        rows: rows to read; all by default.
        separator: between numbers, as pandas takes it.

    Raises:
        DataError: a word, a line of another length, fewer rows than were declared.
    """
    where, total, kept, share = str(path), 0, 0, 1.0
    likely = min(most, path.stat().st_size // SHORTEST + 1)
    demand_memory(2 * likely * 6 * 8, where, "Set data.most to keep fewer points.")
    generator = np.random.default_rng(seed)
    pieces: list[npt.NDArray[np.float64]] = []
    try:
        with pd.read_csv(
            path, sep=separator, engine="c", header=None, skiprows=skip, nrows=rows, comment="#", chunksize=ROWS,
            dtype=np.float64, encoding_errors="replace", skipinitialspace=True,
        ) as reader:  # fmt: skip
            for table in reader:
                block = table.to_numpy()[:, list(columns)]
                total += len(block)
                pieces.append(block[generator.random(len(block)) < share] if share < 1 else block)
                kept += len(pieces[-1])
                while kept > most:
                    # Half of what was kept, and of what comes: every row keeps the same chance.
                    share /= 2
                    pieces = [piece[generator.random(len(piece)) < 0.5] for piece in pieces]
                    kept = sum(map(len, pieces))
    except (ValueError, IndexError) as error:  # pandas' own parser errors are ValueErrors
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "no numbers"
        raise DataError(where, f"not a table of numbers: {reason}", ADVICE) from None
    if total < (rows or 1):
        raise DataError(where, f"{rows or 1:,} rows are declared, {total:,} are there.", "Export the file again.")
    return Cloud(np.concatenate(pieces), total)
