"""A preparation job: which pictures make which array, and how a few of them are decoded."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from metasiren import DataError
from metasiren_priors.data.prepared import Record

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
LISTED = 10
"""How many broken pictures an error names."""


@dataclass(frozen=True)
class Job:
    """Which pictures, from where, into which array.

    Attributes:
        where: the source, as errors name it.
        target: NAME.npy; NAME.json and, until it is ready, NAME.npy.part lie beside it.
        size, resize: rows and columns, and the filter (`decode`).
        names: names by split, in order.
        load: name -> uint8 (size, size, 3); a picture counts as broken where it raises.
        stamp: what else identifies this source, such as sizes and times of its files.
        skip_broken: leave broken pictures out, rather than stop at them.
    """

    where: str
    target: Path
    size: int
    resize: str
    names: Mapping[str, Sequence[str]]
    load: Callable[[str], Pixels]
    stamp: str = ""
    skip_broken: bool = False

    @cached_property
    def flat(self) -> list[tuple[str, str]]:
        """(split, name) of every picture."""
        return [(split, name) for split, names in self.names.items() for name in names]

    @property
    def row_bytes(self) -> int:
        """Bytes of one picture in the array."""
        return self.size**2 * 3

    @cached_property
    def fingerprint(self) -> str:
        """A digest of everything that determines the array's content, except broken pictures."""
        settings = json.dumps([self.size, self.resize, self.skip_broken, self.stamp, self.flat])
        return hashlib.sha256(settings.encode()).hexdigest()


def decode_some(
    job: Job, record: Record, wanted: Sequence[tuple[str, str]], mapped: Callable[..., Iterable[Pixels | str]]
) -> tuple[bytes, Record]:
    """The rows of the pictures `wanted`, and the record as it is once they are written.

    Args:
        job: loads pictures by name.
        record: what was processed before.
        wanted: (split, name) of the next pictures.
        mapped: `map`, or a pool's.

    Raises:
        DataError: naming the pictures that do not decode, unless the job leaves them out.
    """
    pairs = list(zip(wanted, mapped(lambda item: _attempt(job, item[1]), wanted), strict=True))
    broken = {name: why for (_, name), why in pairs if isinstance(why, str)}
    if broken and not job.skip_broken:
        lines = [f"{name}: {why}" for name, why in list(broken.items())[:LISTED]]
        lines += [f"and {len(broken) - LISTED} more"] * (len(broken) > LISTED)
        lines += [f"The {record.consumed:,} images before are prepared and kept. Replace these, and run this again."]
        found = f"{len(broken)} image{'s' * (len(broken) > 1)} cannot be decoded; a download may have broken off."
        raise DataError(job.where, found, "\n".join(lines))
    splits = dict(record.splits)
    rows = []
    for (split, _), pixels in pairs:
        if not isinstance(pixels, str):
            splits[split] += 1
            rows.append(pixels.tobytes())
    data = b"".join(rows)
    consumed, skipped = record.consumed + len(wanted), (*record.skipped, *broken)
    return data, replace(record, splits=splits, consumed=consumed, crc=zlib.crc32(data, record.crc), skipped=skipped)


def _attempt(job: Job, name: str) -> Pixels | str:
    """The picture, or the reason why it cannot be decoded."""
    try:
        return job.load(name)
    except Exception as error:  # Pillow's readers raise nearly anything on broken bytes
        return f"{type(error).__name__}: {error}"
