"""Decode many pictures once, into one array on disk; stop at any time, go on where it stopped."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from metasiren import DataError
from metasiren_priors.data.job import Job, decode_some
from metasiren_priors.data.prepared import PREPARING, READY, Record, read_record, record_path, write_record

CHUNK = 512
"""Pictures between two records: so many are decoded again after an interruption."""

Advance = Callable[[int], object]


def prepare(job: Job, advance: Advance | None = None) -> Record:
    """Make the array, or finish it, or find that it is ready.

    What was prepared before is verified by its checksum and kept; rows, and the record that counts them, are on disk
    before the next pictures are decoded.

    Args:
        job: what to do.
        advance: called with the number of pictures processed since the last call.

    Raises:
        DataError: pictures that do not decode, or a folder that cannot be written, such as on a full disk.
    """
    try:
        job.target.parent.mkdir(parents=True, exist_ok=True)
        with alone(job.target.parent):
            return _prepare(job, advance or (lambda _: None))
    except OSError as error:
        raise _unwritable(job, error) from error


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other process prepares in this folder; return at once on systems without such locks."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            handle = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, handle)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def append(file: BinaryIO, data: bytes) -> None:
    """Write all of `data`, through to the disk."""
    file.write(data)
    file.flush()
    os.fsync(file.fileno())


def _prepare(job: Job, advance: Advance) -> Record:
    ready = read_record(job.target)
    if ready and ready.fingerprint == job.fingerprint and ready.state == READY and job.target.is_file():
        advance(len(job.flat))
        return ready
    part = job.target.with_name(job.target.name + ".part")
    record = _resumed(job, part)
    advance(record.consumed)
    with part.open("r+b") as file, ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        file.truncate(len(_header(job, len(job.flat))) + record.rows * job.row_bytes)
        file.seek(0, os.SEEK_END)
        while record.consumed < len(job.flat):
            wanted = job.flat[record.consumed : record.consumed + CHUNK]
            rows, record = decode_some(job, record, wanted, pool.map)
            append(file, rows)
            write_record(job.target, record)
            advance(len(wanted))
        if not record.rows:
            raise DataError(job.where, f"none of {len(job.flat):,} images can be decoded.", "Give other images.")
        file.seek(0)
        append(file, _header(job, record.rows))
    part.replace(job.target)
    record = replace(record, state=READY)
    write_record(job.target, record)
    return record


def _resumed(job: Job, part: Path) -> Record:
    """The record of the valid rows on disk; a new record where there are none."""
    old = read_record(job.target)
    if old is not None and old.fingerprint == job.fingerprint and old.state == PREPARING:
        if not part.exists() and job.target.exists():  # it stopped between the last two steps
            job.target.replace(part)
        if part.exists() and _checksum(job, part, old) == old.crc:
            return old
    part.write_bytes(_header(job, len(job.flat)))
    fresh = Record(PREPARING, job.fingerprint, job.size, job.resize, dict.fromkeys(job.names, 0), 0, 0, ())
    write_record(job.target, fresh)
    return fresh


def _checksum(job: Job, part: Path, record: Record) -> int | None:
    """CRC-32 of the rows that the record counts; None where the file is shorter."""
    crc, left = 0, record.rows * job.row_bytes
    with part.open("rb") as file:
        file.seek(len(_header(job, len(job.flat))))
        while left and (data := file.read(min(left, 1 << 24))):
            crc, left = zlib.crc32(data, crc), left - len(data)
    return None if left else crc


def _header(job: Job, rows: int) -> bytes:
    """The head of an .npy file. Its length does not depend on `rows`, for which NumPy leaves room."""
    buffer = io.BytesIO()
    shape = {"descr": "|u1", "fortran_order": False, "shape": (rows, job.size, job.size, 3)}
    np.lib.format.write_array_header_1_0(buffer, shape)
    return buffer.getvalue()


def _unwritable(job: Job, error: OSError) -> DataError:
    record = read_record(job.target)
    done = record.consumed if record and record.fingerprint == job.fingerprint else 0
    path = record_path(job.target)
    with contextlib.suppress(OSError):
        path.with_name(path.name + ".new").unlink(missing_ok=True)
    if error.errno not in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return DataError(str(job.target), f"cannot be written: {error}.", "Name a folder that you may write to.")
    megabytes = (len(job.flat) - done) * job.row_bytes / 1e6
    found = f"no space is left on the disk; {done:,} of {len(job.flat):,} images are prepared and kept."
    advice = f"Free at least {megabytes:,.0f} MB and run this again: it goes on where it stopped."
    return DataError(str(job.target), found, advice)
