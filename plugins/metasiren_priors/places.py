"""Where the pictures of an inpainting are written. Imports no torch, so that a wrong name is refused at once."""

from __future__ import annotations

from pathlib import Path

from metasiren import DataError

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")


def files(out: Path, *, samples: int = 0, deviation: bool = False, panel: bool = False) -> list[Path]:
    """The names of a picture, its panel, its samples and its deviation: out.png, out_panel.png, out_sample1.png, ..."""
    further = ["panel"] * panel + [f"sample{number}" for number in range(1, samples + 1)] + ["std"] * deviation
    return [out, *(out.with_stem(f"{out.stem}_{word}") for word in further)]


def demand_place(out: Path) -> None:
    """Check, before anything is computed, that a picture can be written there.

    Raises:
        DataError: the ending is no picture's, or there is no such folder.
    """
    if out.suffix.lower() not in ENDINGS:
        found = f"the ending is {out.suffix!r}." if out.suffix else "the name has no ending."
        raise DataError(str(out), found, f"Use a name that ends in one of {', '.join(ENDINGS)}.")
    if not out.parent.is_dir():
        raise DataError(str(out), f"there is no folder {out.parent}.", "Make it first, or name another one.")
