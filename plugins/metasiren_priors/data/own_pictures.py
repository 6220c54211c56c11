"""A person's own pictures, read as a trained prior's images were: a picture, a folder, an .npz file or CelebA."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags

from metasiren import DataError, demand_file, load_catalogue, opened_picture
from metasiren_priors.data.decode import Filter, decode
from metasiren_priors.data.npz_file import read_splits
from metasiren_priors.data.sources import PICTURES


@dataclass(frozen=True)
class Pictures:
    """A person's pictures, of one size.

    Attributes:
        title: the name of the file or folder.
        pictures: uint8 (pictures, rows, columns, channels).
        provenance: where the data comes from, as tables print it, such as {"filter": "bilinear"}.
    """

    title: str
    pictures: np.ndarray[Any, np.dtype[np.uint8]]
    provenance: Mapping[str, str]

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, columns and channels."""
        return tuple(self.pictures.shape[1:])


def open_pictures(path: Path, *, size: int, resize: Filter) -> Pictures:
    """All pictures of a file or folder; of data that comes in splits, the test or validation pictures.

    Args:
        path: a picture, a folder of pictures (at any depth), an .npz file, or prepared CelebA.
        size: rows and columns of pictures that are resized; an .npz file has its own.
        resize: nearest, bilinear or bicubic.

    Raises:
        DataError: there is nothing, or it cannot be read.
    """
    place = Path(path).expanduser()
    if place.is_file() and place.suffix.lower() in PICTURES:
        try:
            made = decode(place.read_bytes(), size=size, resize=resize)
        except Exception as error:  # whatever Pillow raises on broken bytes
            raise DataError(str(path), f"no picture that can be read: {error}.", "Give another file.") from error
        return Pictures(place.stem, made[None], {"filter": resize, **_cut(place)})
    advice = "Give a folder of pictures, or an .npz file."
    if not place.exists():
        demand_file(path, advice)
    if place.suffix.lower() == ".npz":
        return _chosen(place.stem, read_splits(place, val_fraction=0.0), {"filter": "as stored"})
    # By name: the classes themselves derive from `ImageSet`, which calls this function.
    catalogue = load_catalogue()
    options: dict[str, Any] = {"path": place, "size": size, "resize": resize}
    if catalogue.factory("dataset", "celeba", str(path)).missing(**options) is None:  # type: ignore[attr-defined]
        name = "celeba"
    elif place.is_file():
        found = f"the file is neither a picture ({', '.join(PICTURES)}) nor an .npz file."
        raise DataError(str(path), found, "Give one of these, or a folder of pictures.")
    else:
        name, options = "folder", options | {"val_fraction": 0.0}
    opened: Any = catalogue.make("dataset", name, where=str(path), options=options)
    return _chosen(opened.title, opened._arrays, opened.provenance)


def _cut(picture: Path) -> dict[str, str]:
    """The entry `shape` of the provenance: what `decode` takes of a picture that is not square; else nothing."""
    with opened_picture(picture) as opened:
        turned = opened.getexif().get(ExifTags.Base.Orientation, 1) >= 5
        width, height = opened.size[::-1] if turned else opened.size
    return {} if width == height else {"shape": f"the centre square of {width} x {height} pixels"}


def _chosen(title: str, arrays: Mapping[str, Any], provenance: Mapping[str, str]) -> Pictures:
    return Pictures(title, next(arrays[split] for split in ("test", "val", "train") if split in arrays), provenance)
