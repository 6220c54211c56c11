"""Faces from prepared CelebA, an .npz file, or a folder of pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from metasiren import why_no_file
from metasiren_priors.data.celeba import CelebA
from metasiren_priors.data.folder import Folder
from metasiren_priors.data.imageset import ImageSet
from metasiren_priors.data.npz import Npz
from metasiren_priors.data.sources import PICTURES

ADVICE = "Give a folder of pictures, an .npz file with `images`, or CelebA: --set data.path=..."


class Faces(ImageSet):
    """Small images from `path`, whose kind of file decides how it is read.

    An .npz file is read as the data set `npz` reads it, a folder of pictures as `folder`, all else as `celeba`, which
    is also what no path means.

    Args:
        path: the file or folder; by default prepared CelebA in METASIREN_DATA, then ~/.cache/metasiren.
        size: rows and columns, 32 by default; an .npz file has its own.
        resize: the filter, bilinear by default; an .npz file has its own.
        title: the set's true name, as tables print it; by default that of the file, the folder or CelebA.
        filter: the resize filter that the images of an .npz file were made with, as tables print it; `as stored`, if
            left out.
        mirror: mirror half of the training images, drawn anew each time.

    Raises:
        DataError: as the data sets `npz`, `folder` and `celeba` raise it.
    """

    def __init__(
        self,
        *,
        path: Path | None = None,
        size: int | None = None,
        resize: Literal["nearest", "bilinear", "bicubic"] | None = None,
        title: str | None = None,
        filter: str | None = None,
        mirror: bool = False,
    ) -> None:
        kind, found = _kind(path), None if path is None else Path(path).expanduser()
        size, resize = 32 if size is None else size, resize or "bilinear"
        opened: ImageSet
        if kind is Npz:
            assert found is not None
            opened = Npz(path=found, filter=filter or "as stored")
        elif kind is Folder:
            assert found is not None
            opened = Folder(path=found, size=size, resize=resize)
        else:
            opened = CelebA(path=found, size=size, resize=resize)
        super().__init__(title or opened.title, opened._arrays, opened.provenance, mirror=mirror)

    @classmethod
    def unused(cls, *, path: Path | str | None = None, **options: Any) -> Mapping[str, str]:
        """The images of an .npz file have a size, and were resized already; others are resized here."""
        if isinstance(path, Path | str) and _kind(path) is Npz:
            return {"size": "path", "resize": "path"}
        return {"filter": "path"}

    @classmethod
    def missing(cls, *, path: Path | str | None = None, **options: Any) -> str | None:
        """Why these faces cannot be used here."""
        kind = _kind(path)
        reason = kind.missing(path=path, **{option: value for option, value in options.items() if value is not None})
        return reason if reason is None or path is None or kind is not CelebA else _why_no_faces(path) or reason


def _why_no_faces(path: Path | str) -> str | None:
    """Why neither faces nor CelebA lie at a path; None where CelebA's own reason says it."""
    place = Path(path).expanduser()
    if not place.exists():
        return why_no_file(path, ADVICE)
    if place.suffix.lower() in PICTURES:
        return f"{path} is one picture; a prior is trained on many.\n{ADVICE}"
    if place.is_file() and place.suffix.lower() != ".zip":
        return f"{path} holds no faces that can be read.\n{ADVICE}"
    if place.is_dir() and not any(place.iterdir()):
        return f"{path} is an empty folder.\n{ADVICE}"
    held = sorted(each.name for each in place.glob("*.npz")) if place.is_dir() else []
    return f"{path} is a folder without pictures; it holds {', '.join(held)}.\n{ADVICE}" if held else None


def _kind(path: Path | str | None) -> type[Npz | Folder | CelebA]:
    if path is None:
        return CelebA
    place = Path(path).expanduser()
    if place.suffix.lower() == ".npz":
        return Npz
    if place.is_dir() and any(each.suffix.lower() in PICTURES for each in place.iterdir()):
        return Folder
    return CelebA
