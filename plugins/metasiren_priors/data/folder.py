"""Any images under a folder, as small squares."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, Literal

from metasiren import DataError, progress_bar
from metasiren_priors.data.homes import data_home
from metasiren_priors.data.imageset import ImageSet
from metasiren_priors.data.job import Job, Pixels
from metasiren_priors.data.prepare import prepare
from metasiren_priors.data.prepared import open_prepared
from metasiren_priors.data.sources import PICTURES


class Folder(ImageSet):
    """All images under a folder: their centre squares, resized and kept as one prepared array.

    The array lies in METASIREN_DATA/prepared or ~/.cache/metasiren/prepared, and is made again when files are
    added, removed or changed.

    Args:
        path: the folder; png, jpg, jpeg, webp, bmp, tif and tiff files at any depth, sorted by name.
        size: rows and columns.
        resize: nearest, bilinear or bicubic; the last two average over what a smaller pixel covers.
        title: the set's true name, as tables print it; by default the folder's name.
        val_fraction, test_fraction: share of the images in these splits. Where an image goes depends on its
            name under the folder and on `seed` alone, so that it stays when others come.
        seed: another seed, another split.
        mirror: mirror half of the training images, drawn anew each time.
        skip_broken: leave out what does not decode (the table says how many), rather than stop.

    Raises:
        DataError: no such folder, no images in it, or images that do not decode, each named.
    """

    def __init__(
        self,
        *,
        path: Path,
        size: int = 32,
        resize: Literal["nearest", "bilinear", "bicubic"] = "bilinear",
        title: str | None = None,
        val_fraction: float = 0.1,
        test_fraction: float = 0.0,
        seed: int = 0,
        mirror: bool = False,
        skip_broken: bool = False,
    ) -> None:
        path = Path(path).expanduser()
        names = image_names(path)
        if size < 1 or min(val_fraction, test_fraction) < 0 or val_fraction + test_fraction >= 1:
            found = f"size {size}, val_fraction {val_fraction}, test_fraction {test_fraction}."
            raise DataError(str(path), found, "Give a size of 1 or more, and shares that leave some for training.")
        splits = split_names(names, {"val": val_fraction, "test": test_fraction}, seed)
        # The last word is of how pictures are decoded: others are prepared anew.
        settings = f"{path.resolve()}\n{seed}\n{val_fraction}\n{test_fraction}\n{skip_broken}\non white"
        digest = hashlib.sha256(settings.encode("utf-8", "surrogateescape")).hexdigest()[:12]
        target = data_home() / "prepared" / f"folder_{digest}_{size}_{resize}.npy"
        stats = [(path / name).stat() for name in names]
        stamp = ",".join(f"{stat.st_size}:{stat.st_mtime_ns}" for stat in stats)

        def load(name: str) -> Pixels:
            from metasiren_priors.data.decode import decode

            return decode((path / name).read_bytes(), size=size, resize=resize)

        job = Job(str(path), target, size, resize, splits, load, stamp, skip_broken)
        with progress_bar(f"preparing {path.name}", len(names)) as advance:
            record = prepare(job, advance)
        arrays, _ = open_prepared(target, f"Remove it; it is made again from {path}.")
        provenance: dict[str, str] = {"filter": resize, "shape": "the centre square of each picture"}
        if record.skipped:
            provenance["skipped"] = f"{len(record.skipped)} images that do not decode"
        super().__init__(title or path.resolve().name, arrays, provenance, mirror=mirror)

    @classmethod
    def missing(cls, *, path: Path | str | None = None, **options: Any) -> str | None:
        """Why this folder cannot be used here: it is not there."""
        if path is None:
            return "no folder of images is given (path)."
        return None if Path(path).expanduser().is_dir() else f"the folder {path} is not there."


def image_names(folder: Path) -> list[str]:
    """Names under the folder, with forward slashes, of all files that should be images; sorted.

    Raises:
        DataError: no such folder, or no such files.
    """
    if not folder.is_dir():
        raise DataError(str(folder), "no such folder.", "Name a folder of images (data.path).")
    found = []
    for inside, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        relative = Path(inside).relative_to(folder)
        found += [
            (relative / name).as_posix()
            for name in files
            if name.lower().endswith(PICTURES) and not name.startswith(".")
        ]
    if not found:
        raise DataError(str(folder), "no images in this folder.", f"Put some there: {', '.join(PICTURES)}.")
    return sorted(found)


def split_names(names: list[str], shares: dict[str, float], seed: int) -> dict[str, list[str]]:
    """Names by split, `train` first; each name's place follows from a hash of it and the seed.

    A split with a share above zero gets at least one image, if need be the one whose hash comes closest.

    Raises:
        DataError: fewer images than splits.
    """
    wanted = {split: share for split, share in shares.items() if share > 0}
    if len(names) <= len(wanted):
        found = f"{len(names)} image{'s' * (len(names) > 1)} cannot be shared among {1 + len(wanted)} splits."
        raise DataError("data: folder", found, "Give more images, or set val_fraction to 0.")
    ranked = sorted(names, key=lambda name: _place(name, seed))
    cuts, start, edge = {}, 0, 0.0
    for index, (split, share) in enumerate(wanted.items()):
        edge += share
        end = sum(_place(name, seed) < edge for name in ranked)
        end = min(max(end, start + 1), len(ranked) - len(wanted) + index)
        cuts[split], start = set(ranked[start:end]), end
    taken = set().union(*cuts.values())
    train = [name for name in names if name not in taken]
    return {"train": train, **{split: [name for name in names if name in cut] for split, cut in cuts.items()}}


def _place(name: str, seed: int) -> float:
    digest = hashlib.sha256(f"{seed}:{name}".encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
