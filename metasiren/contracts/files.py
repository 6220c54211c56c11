"""Checks of downloaded files, of archives of arrays and of pictures."""

from __future__ import annotations

import warnings
import zipfile
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from metasiren.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

MOST_NAMES = 2000
"""Names of a folder that are compared with a misspelt one, at most."""
MOST_GREY, MOST_COLOURED = 0.05, 0.001
"""Shares of a mask's pixels that may be neither near black nor near white (soft edges), and that may have colours."""


def why_no_file(path: Path | str, advice: str) -> str | None:
    """Why no file can be read at a path, for `Dataset.missing`, with `advice` in a line of its own; None where one is.

    Args:
        path: as a person gave it; `~` stands for the home folder.
        advice: what to give instead.
    """
    fault = _fault(path)
    return f"{path} {fault}\n{advice}" if fault else None


def demand_file(path: Path | str, advice: str) -> None:
    """Check that a file can be read at a path; arguments as for `why_no_file`.

    Raises:
        DataError: there is none; the closest name in its folder is given.
    """
    if fault := _fault(path):
        raise DataError(str(path), fault, advice)


def _fault(path: Path | str) -> str:
    """Why no file can be read at a path, without the path itself; empty where one can."""
    place = Path(path).expanduser()
    if place.is_file():
        return "" if place.stat().st_size else "is empty (0 bytes)."
    if place.is_dir():
        return "is a folder, not a file."
    found = islice(place.parent.iterdir(), MOST_NAMES) if place.parent.is_dir() else ()
    names = {each.name: each.stem for each in found}
    # By the stem: all names with the same ending are alike.
    close = get_close_matches(place.stem, names.values(), n=9, cutoff=0.6)
    beside = [name for name, stem in names.items() if stem in close]
    return " ".join(filter(None, ["is not there.", did_you_mean(place.name, beside)]))


def is_web_page(start: bytes) -> bool:
    """Whether bytes begin as an HTML page does; servers send one when a download is refused or has expired."""
    return start.lstrip(b"\xef\xbb\xbf \t\r\n")[:16].lower().startswith((b"<!doctype", b"<html", b"<head", b"<?xml"))


def npz_sizes(path: Path) -> dict[str, int]:
    """Bytes of each array of an .npz file once unpacked, by name, as the archive's directory states them.

    numpy reads a member without the suffix `.npy` as bytes of any number. Such members are left out; ask numpy for
    `NAME.npy`, since `NAME` alone may be one of them.
    """
    with zipfile.ZipFile(path) as archive:
        inside = {item.filename: item.file_size for item in archive.infolist()}
    return {name.removesuffix(".npy"): size for name, size in inside.items() if name.endswith(".npy")}


def picture_formats() -> list[str]:
    """The formats in which Pillow may read a picture: all but EPS, a program that Ghostscript would run."""
    from PIL import Image

    Image.init()
    return [name for name in Image.ID if name != "EPS"]


def opened_picture(source: Path | BinaryIO) -> Image.Image:
    """A picture whose header is read, to be used in a `with` statement; without Pillow's warning of large ones.

    Args:
        source: a file's path, or its bytes as a stream.

    Raises:
        OSError: it is missing, or no picture of these formats (`UnidentifiedImageError`).
        Exception: whatever else Pillow raises on broken bytes; it refuses more than 179 million pixels.
    """
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(source, formats=picture_formats())


def demand_black_and_white(path: Path, colours: NDArray[Any]) -> None:
    """Check that a mask has no colours and few greys: it is unknown what these hide.

    Args:
        path: of the mask, for the error.
        colours: (pixels, channels) of the pixels that are not transparent, in [0, 1], or uint8.

    Raises:
        DataError: more than a thousandth of the pixels have colours, or more than a twentieth are grey.
    """
    if not len(colours):
        return
    low, high, white = colours.min(axis=1), colours.max(axis=1), 255 if colours.dtype == "uint8" else 1
    coloured = float((high - low > 0.251 * white).mean())
    grey = float(((high > 0.19 * white) & (low < 0.81 * white)).mean())
    if coloured > MOST_COLOURED or grey > MOST_GREY:
        part = f"{100 * coloured:.2g} % of its pixels have colours" if coloured > MOST_COLOURED else ""
        part = part or f"{100 * grey:.2g} % of its pixels are neither near black nor near white"
        advice = "Give a mask that is white in the hole and black elsewhere, or one whose hole is transparent."
        raise DataError(str(path), f"not black and white: {part}.", advice)
