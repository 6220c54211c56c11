"""A prepared array on disk, NAME.npy, and the record beside it, NAME.json, that says what it holds."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metasiren import DataError, json_object

READY = "ready"
PREPARING = "preparing"


@dataclass(frozen=True)
class Record:
    """The content of an array, or how far its preparation has come.

    Attributes:
        state: `ready`, or `preparing` while `NAME.npy.part` grows.
        fingerprint: a digest of the names, their order, and how they were resized.
        size, resize: rows and columns, and the filter.
        splits: rows by split; they lie in this order.
        consumed: how many names were processed.
        crc: CRC-32 of all rows.
        skipped: names that did not decode and were left out.
    """

    state: str
    fingerprint: str
    size: int
    resize: str
    splits: dict[str, int]
    consumed: int
    crc: int
    skipped: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Images in the array."""
        return sum(self.splits.values())


def record_path(target: Path) -> Path:
    """The record of an array."""
    return target.with_suffix(".json")


def read_record(target: Path) -> Record | None:
    """The record of an array; None where there is none, or it is not valid."""
    try:
        data = json_object(record_path(target).read_text("utf-8"))
        record = Record(**{**data, "skipped": tuple(data["skipped"])})
        splits = {str(split): int(rows) for split, rows in record.splits.items()}
        sound = record.state in (READY, PREPARING) and all(rows >= 0 for rows in splits.values())
        return record if sound and record.consumed >= 0 else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def write_record(target: Path, record: Record) -> None:
    """Replace the record in one step, so that a crash leaves the old one or the new one."""
    path = record_path(target)
    fresh = path.with_name(path.name + ".new")
    with fresh.open("w", encoding="utf-8") as file:
        json.dump(asdict(record), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def open_prepared(target: Path, advice: str) -> tuple[Mapping[str, np.ndarray[Any, Any]], Record]:
    """Memory-mapped arrays uint8 (images, rows, columns, 3) by split, and the record.

    Raises:
        DataError: not ready, cut short, or other than the record says.
    """
    record = read_record(target)
    if record is None or record.state != READY:
        found = "its record is missing or damaged." if record is None else "its preparation has not ended."
        raise DataError(str(target), found, advice)
    try:
        array = np.load(target, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(str(target), f"cannot be opened: {error}.", advice) from error
    shape = (record.rows, record.size, record.size, 3)
    if array.shape != shape or array.dtype != np.uint8:
        raise DataError(str(target), f"holds {array.dtype} {array.shape}, its record says uint8 {shape}.", advice)
    arrays, start = {}, 0
    for split, rows in record.splits.items():
        if rows:
            arrays[split] = array[start : start + rows]
        start += rows
    return arrays, record
