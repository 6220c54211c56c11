"""The images of an .npz file by split. Nothing in it is unpickled."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from metasiren import DataError, demand_file, demand_memory, is_web_page, npz_sizes

SPLITS = ("train", "val", "test")
LONGEST = 64
"""Bytes of a split's name."""
ADVICE = (
    "Give a file made by np.savez with `images`: uint8 (images, rows, columns, channels), and, where you have one,\n"
    "`split`: 'train', 'val' or 'test' for each image."
)


def read_splits(path: Path, *, val_fraction: float, seed: int = 0) -> dict[str, np.ndarray[Any, np.dtype[np.uint8]]]:
    """Split -> its images, uint8 (images, rows, columns, channels), of the splits that have any.

    Args:
        path: the file, with uint8 `images` and perhaps `split` (images,), each 'train', 'val' or 'test'.
        val_fraction: the share of validation images where the file has no `split`; the others are 'train'.
        seed: which images those are.

    Raises:
        DataError: no such file, not an .npz, a missing or unusable array, an unknown split.
    """
    arrays = _read(path)
    images = arrays["images"]
    if images.dtype != np.uint8 or images.ndim != 4 or 0 in images.shape:
        raise DataError(str(path), f"`images` is {images.dtype} {images.shape}.", ADVICE)
    if not 0 <= val_fraction < 1:
        raise DataError(str(path), f"val_fraction is {val_fraction}.", "Give a share from 0 to less than 1.")
    split = arrays["split"] if "split" in arrays else _draw(len(images), val_fraction, seed)
    if split.dtype.kind not in "SU" or split.shape != images.shape[:1] or split.dtype.itemsize > LONGEST:
        raise DataError(str(path), f"`split` is {split.dtype} {split.shape} for {len(images):,} images.", ADVICE)
    if split.dtype.kind == "S":
        split = np.char.decode(split, "utf-8", "replace")
    unknown = sorted(set(np.unique(split)) - set(SPLITS))
    if unknown:
        raise DataError(str(path), f"`split` names {', '.join(map(repr, unknown[:5]))}.", ADVICE)
    return {name: images[split == name] for name in SPLITS if (split == name).any()}


def _draw(count: int, val_fraction: float, seed: int) -> np.ndarray[Any, Any]:
    order = np.random.default_rng(seed).permutation(count)
    split = np.full(count, "train")
    split[order[: round(count * val_fraction)]] = "val"
    return split


def _listed(names: Iterable[str]) -> str:
    """The first few names, in words."""
    first = sorted(names)
    more = f" and {len(first) - 5:,} more" if len(first) > 5 else ""
    return f"{', '.join(name[:80] for name in first[:5])}{more}" if first else "nothing"


def _read(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays `images` and, if there, `split`."""
    demand_file(path, ADVICE)
    with path.open("rb") as file:
        start = file.read(512)
    if is_web_page(start):
        raise DataError(str(path), "a web page, not an .npz file.", "A download was refused: fetch the file again.")
    if not zipfile.is_zipfile(path):
        raise DataError(str(path), "not an .npz file, or one whose download broke off.", ADVICE)
    found = ""
    try:
        # numpy leaves the file open where it is no archive.
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file_:
            sizes = npz_sizes(path)
            if "images" not in sizes:
                raise DataError(str(path), f"holds {_listed(sizes)}, no `images`.", ADVICE)
            # A small archive may unpack to very large arrays. Splits are copies, and names become four times as long.
            wanted = 2 * sizes["images"] + 6 * sizes.get("split", 0)
            demand_memory(wanted, str(path), "Save fewer or smaller images.")
            read = {}
            for found in ("images", "split"):
                if found in sizes:
                    read[found] = np.asarray(file_[f"{found}.npy"])
            return read
    except DataError:
        raise
    except Exception as error:  # numpy's headers are Python literals, which fail in every way there is
        reason = "holds Python objects" if "Object arrays" in str(error) else f"cannot be read: {error}"
        raise DataError(str(path), f"`{found or 'images'}` {reason}."[:400], ADVICE) from error
