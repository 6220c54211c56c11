"""CelebA: 202,599 aligned faces of celebrities, prepared once into a small array."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Literal

from metasiren import DataError
from metasiren_priors.data import celeba_layout
from metasiren_priors.data.homes import roots
from metasiren_priors.data.imageset import ImageSet
from metasiren_priors.data.job import Job, Pixels
from metasiren_priors.data.prepare import prepare
from metasiren_priors.data.prepared import READY, Record, open_prepared, read_record

ALIGNED = (178, 218)
"""Width and height of an aligned image. Its centre square, (0, 20, 178, 198), holds the face."""

Watch = Callable[[int], AbstractContextManager[Callable[[int], object]]]


def file_name(size: int, resize: str) -> str:
    """The name of the prepared array."""
    return f"celeba_{size}_{resize}.npy"


def prepare_celeba(
    root: Path,
    *,
    size: int = 32,
    resize: Literal["nearest", "bilinear", "bicubic"] = "bilinear",
    into: Path | None = None,
    expected: Mapping[str, int] | None = None,
    watch: Watch | None = None,
) -> tuple[Path, Record]:
    """Check CelebA and write `prepared/celeba_SIZE_FILTER.npy`; goes on where an earlier call stopped.

    Args:
        root: the folder (or zip) that holds the images and the partition; see `celeba_layout.find`.
        size: rows and columns.
        resize: nearest, bilinear or bicubic.
        into: where the folder `prepared` goes, if not into `root`.
        expected: images by split, if not the official counts.
        watch: given the number of images, a context manager that yields the function to call with progress.

    Returns:
        the array's path, and its record.

    Raises:
        DataError: see `celeba_layout` and `prepare`.
    """
    root = root.expanduser()
    if size < 1:
        raise DataError("data: celeba", f"size is {size}.", "Give 1 or more.")
    source, partition, where = celeba_layout.find(root)
    names = celeba_layout.parse_partition(partition, where)
    celeba_layout.check(source, names, where, celeba_layout.OFFICIAL if expected is None else expected)

    def load(name: str) -> Pixels:
        from metasiren_priors.data.decode import decode

        return decode(source.read(name), size=size, resize=resize, expected=ALIGNED)

    home = into.expanduser() if into else root if root.is_dir() else root.parent
    job = Job(source.where, home / "prepared" / file_name(size, resize), size, resize, names, load)
    with watch(len(job.flat)) if watch else nullcontext(lambda _: None) as advance:
        return job.target, prepare(job, advance)


class CelebA(ImageSet):
    """Aligned faces in the official splits: train 162,770, val 19,867, test 19,962. Prepare it first:

        metasiren data celeba --root DIR

    Args:
        path: DIR; by default METASIREN_DATA, then ~/.cache/metasiren.
        size: rows and columns.
        resize: the filter. `nearest` is what the paper's code does in its pinned environment (Pillow 6, whose
            default it is); `bilinear` and `bicubic` average over what a smaller pixel covers.
        mirror: mirror half of the training images, drawn anew each time.

    Raises:
        DataError: not there, not prepared (with that size and filter), or damaged.
    """

    def __init__(
        self,
        *,
        path: Path | None = None,
        size: int = 32,
        resize: Literal["nearest", "bilinear", "bicubic"] = "bilinear",
        mirror: bool = False,
    ) -> None:
        target = _ready(path, size, resize)
        if target is None:
            where = str(path or roots(None)[0])
            found, _, advice = _lacking(path, size, resize).partition("\n")
            raise DataError(where, found, advice)
        advice = f"Remove it and prepare it again: metasiren data celeba --root {target.parent.parent}"
        arrays, _ = open_prepared(target, advice)
        super().__init__("CelebA", arrays, {"filter": resize}, mirror=mirror)

    @classmethod
    def missing(
        cls, *, path: Path | str | None = None, size: int = 32, resize: str = "bilinear", **options: Any
    ) -> str | None:
        """Why CelebA cannot be used here, and how to get it; None where a prepared array is found."""
        return None if _ready(path, size, resize) else _lacking(path, size, resize)


def _places(path: Path | str | None) -> list[Path]:
    """Folders in which a prepared array may lie."""
    bases = [root if not root.is_file() else root.parent for root in roots(path)]
    return [place for base in bases for place in (base / "prepared", base, base / "celeba" / "prepared")]


def _ready(path: Path | str | None, size: int, resize: str) -> Path | None:
    for place in _places(path):
        target = place / file_name(size, resize)
        record = read_record(target)
        if record is not None and record.state == READY and target.is_file():
            return target
    return None


def _lacking(path: Path | str | None, size: int, resize: str) -> str:
    """The problem on the first line, and its solution on the others."""
    how = f"--size {size} --resize {resize}"
    for place in _places(path):
        target = place / file_name(size, resize)
        record = read_record(target)
        if record is not None:
            command = f"metasiren data celeba --root {place.parent} {how}"
            return f"CelebA's array in {place} is unfinished: {record.consumed:,} images so far.\nGo on: {command}"
    for place in _places(path):
        others = sorted(p.stem for p in place.glob("celeba_*.npy")) if place.is_dir() else []
        if others:
            command = f"metasiren data celeba --root {place.parent} {how}"
            return f"{place} holds {', '.join(others)}, not {file_name(size, resize)}.\nPrepare it: {command}"
    for root in roots(path):
        if root.is_file() and root.suffix.lower() != ".zip":
            return f"{root} is not CelebA.\nThe data set faces reads other images: --set data.name=faces"
        if root.is_file() or any(root.glob(f"{celeba_layout.IMAGES}*")) or any(root.glob(f"*/{celeba_layout.IMAGES}*")):
            return f"CelebA in {root} is not prepared.\nDo it once: metasiren data celeba --root {root} {how}"
    looked = " and ".join(str(root) for root in roots(path))
    return f"CelebA is not found; looked in {looked}.\n{celeba_layout.HOW}"
