"""Images out of one .npz file, such as a subset of faces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from metasiren import why_no_file
from metasiren_priors.data.imageset import ImageSet
from metasiren_priors.data.npz_file import ADVICE, read_splits


class Npz(ImageSet):
    """Images of an .npz file. Nothing in it is unpickled.

    Args:
        path: the file, with uint8 `images` (images, rows, columns, channels) and perhaps `split` (images,), each
            'train', 'val' or 'test'.
        title: the set's true name, as tables print it; by default the file's stem.
        filter: the resize filter that the images were made with, as tables print it.
        val_fraction: the share of validation images where the file has no `split`.
        seed: which images those are.
        mirror: mirror half of the training images, drawn anew each time.

    Raises:
        DataError: no such file, not an .npz, a missing or unusable array, an unknown split.
    """

    def __init__(
        self,
        *,
        path: Path,
        title: str | None = None,
        filter: str = "as stored",
        val_fraction: float = 0.1,
        seed: int = 0,
        mirror: bool = False,
    ) -> None:
        path = Path(path).expanduser()
        chosen = read_splits(path, val_fraction=val_fraction, seed=seed)
        super().__init__(title or path.stem, chosen, {"filter": filter}, mirror=mirror)

    @classmethod
    def missing(cls, *, path: Path | str | None = None, **options: Any) -> str | None:
        """Why this file cannot be used here: it is not there."""
        if path is None:
            return "no path to an .npz file is given.\n" + ADVICE
        return why_no_file(path, ADVICE)
