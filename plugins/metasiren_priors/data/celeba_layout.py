"""Find CelebA's aligned images and its official partition, and check one against the other."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from metasiren import DataError, is_web_page
from metasiren_priors.data.sources import FolderSource, Source, ZipSource

OFFICIAL: Mapping[str, int] = {"train": 162_770, "val": 19_867, "test": 19_962}
SPLITS = {"0": "train", "1": "val", "2": "test"}
PARTITIONS = ("list_eval_partition.txt", "list_eval_partition.csv")
IMAGES = "img_align_celeba"
DEPTH = 3
PAGE = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
HOW = (
    f"CelebA is for non-commercial research; its owners hand it out at {PAGE}.\n"
    f"Fetch {IMAGES}.zip (unpacked or not) and {PARTITIONS[0]} into one folder DIR, then run\n"
    "  metasiren data celeba --root DIR"
)


def find(root: Path) -> tuple[Source, bytes, str]:
    """The images, the partition file's bytes and its name, from any usual layout under `root`.

    That is torchvision's (root/celeba/img_align_celeba), the owners' (Img and Eval), Kaggle's (a folder in a
    folder, or all in one zip), or a folder or zip of the images with the partition file beside it.

    Raises:
        DataError: nothing there, no images, no partition file, or a zip that is none.
    """
    if not root.exists():
        raise DataError(str(root), "no such folder or zip.", HOW)
    base = root if root.is_dir() else root.parent
    folders: dict[Path, list[str]] = {}
    zips, partitions = [], []
    for inside, below, files in os.walk(base):
        here = Path(inside)
        below[:] = sorted(below) if len(here.relative_to(base).parts) < DEPTH else []
        jpegs = [name for name in files if name.endswith(".jpg")]
        if jpegs:
            folders[here] = jpegs
        zips += [here / name for name in sorted(files) if name.endswith(".zip")]
        partitions += [here / name for name in PARTITIONS if name in files]
    if root.is_file():
        folders, zips = {}, [root]
    source: Source
    if folders:
        best = max(folders, key=lambda folder: (folder.name == IMAGES, len(folders[folder])))
        source = FolderSource(best, folders[best])
    elif zips:
        source = ZipSource(min(zips, key=lambda path: (path.stem != IMAGES, path.name)))
    else:
        raise DataError(str(root), f"an empty folder: no {IMAGES}, and no zip of it.", HOW)
    # The images' folder or zip may have been named itself: then the file may lie one level up.
    above = [base.parent, base.parent / "Eval"]
    partitions += [folder / name for folder in above for name in PARTITIONS if (folder / name).is_file()]
    if partitions:
        return source, partitions[0].read_bytes(), str(partitions[0])
    for name in PARTITIONS:
        if name in source.names:
            return source, source.read(name), f"{source.where}: {name}"
    raise DataError(str(root), f"images, but no {' or '.join(PARTITIONS)}.", HOW)


def parse_partition(data: bytes, where: str) -> dict[str, list[str]]:
    """Names by split out of the official text (`000001.jpg 0`) or Kaggle's table (`000001.jpg,0`).

    Raises:
        DataError: a web page, a line of another form, a name given twice.
    """
    if is_web_page(data):
        raise DataError(where, "a web page, not the partition.", "A download was refused: fetch the file again.")
    names: dict[str, list[str]] = {split: [] for split in SPLITS.values()}
    seen = set()
    for number, line in enumerate(data.decode("utf-8-sig", "replace").splitlines(), start=1):
        words = line.replace(",", " ").split()
        if not words or (number == 1 and words == ["image_id", "partition"]):
            continue
        if len(words) != 2 or words[1] not in SPLITS or words[0] in seen:
            twice = " for the second time" * (words[0] in seen)
            advice = "Each line is a file's name and 0 (train), 1 (val) or 2 (test). Fetch the official file again."
            raise DataError(where, f"line {number} says {line[:60]!r}{twice}.", advice)
        seen.add(words[0])
        names[SPLITS[words[1]]].append(words[0])
    return names


def check(source: Source, names: Mapping[str, list[str]], where: str, expected: Mapping[str, int]) -> None:
    """The partition has the official counts, and every image that it names is there.

    Raises:
        DataError: saying which are not.
    """
    counts = {split: len(found) for split, found in names.items()}
    if counts != dict(expected):
        found, official = (" / ".join(f"{c[split]:,}" for split in expected) for c in (counts, expected))
        message = f"{found} images in train / val / test; CelebA has {official}."
        raise DataError(where, message, "Fetch the official file again: this one is incomplete or not CelebA's.")
    there = set(source.names)
    lacking = [name for found in names.values() for name in found if name not in there]
    if lacking:
        total = sum(counts.values())
        found = f"{total - len(lacking):,} of the {total:,} images that {Path(where).name} names are there."
        first = f"Missing: {', '.join(lacking[:5])}{', ...' if len(lacking) > 5 else ''}"
        advice = f"{first}\nThe download or the unpacking probably broke off: do it again.\n{HOW}"
        raise DataError(source.where, found, advice)
