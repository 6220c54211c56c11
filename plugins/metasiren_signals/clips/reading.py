"""Pictures of a video file, one after the other, checked before training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metasiren import DataError, demand_file, load_extra, width_by_height
from metasiren_signals.clips.selection import MOST_SIDE, Frame, Selection

MOST_BYTES = 64 << 30
"""A selection of more pixels than this is refused: it is too large for one field."""

ENOUGH = 0.9
"""Less than this share of the frames that a header counts means that the file broke off."""

ADVICE = "Choose fewer or smaller pictures with start, frames, stride, crop and size."


@dataclass(frozen=True)
class Header:
    """What is known of a file before it is decoded.

    Attributes:
        rows, columns: of the first picture, upright.
        frames: their number, if the file says one; it need not be true.
        fps: frames per second.
    """

    rows: int
    columns: int
    frames: int | None
    fps: float


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """The container and its first video stream."""
    av = load_extra("av", extra="signals", where="data: video")
    # Former torchvision (0.24) lets FFmpeg's threads log through Python. One that reports damage then waits for the
    # interpreter's lock while the thread that holds the lock waits for it to end. None is PyAV's own default.
    av.logging.set_level(None)
    where = str(path)
    demand_file(path, "Name a video file. To make one of pictures: ffmpeg -i %04d.png clip.mp4")
    try:
        with av.open(str(path)) as container:
            if container.format.name == "image2" or container.format.name.endswith("_pipe"):
                advice = f"To fit it: metasiren run image --set data.path={path}"
                raise DataError(where, "a picture, not a clip.", advice)
            if not container.streams.video:
                kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
                raise DataError(where, f"has no video stream; it holds {kinds}.", "Name a file with pictures.")
            yield container, container.streams.video[0]
    except av.FFmpegError as error:
        advice = "Fetch or export it again; ffmpeg -v error -i FILE -f null - shows where it breaks."
        raise DataError(where, f"not readable as a video: {error.strerror}.", advice) from None
    except (AttributeError, ValueError, TypeError, LookupError, ArithmeticError, MemoryError) as error:
        # A damaged header may leave a stream without a decoder, a rate of 1/0, or pictures of no size.
        found = f"not readable as a video: its header is damaged ({type(error).__name__}: {error})."[:300]
        raise DataError(where, found, "Fetch or export it again.") from None


def read_header(path: Path) -> Header:
    """What the file says of its pictures, and the size of the first.

    Raises:
        DataError: no such file, not a video, broken, without a video stream, or with gigantic pictures.
        PluginError: PyAV is not installed.
    """
    with _opened(path) as (container, stream):
        if max(stream.height, stream.width) > MOST_SIDE:
            found = f"pictures of {stream.width:,} x {stream.height:,} pixels."
            raise DataError(str(path), found, f"Sides up to {MOST_SIDE:,} can be read.")
        first = next(container.decode(stream), None)
        if first is None:
            raise DataError(str(path), "holds no frames.", "Fetch or export it again.")
        rows, columns = _upright(first).shape[:2]
        rate = stream.average_rate or stream.guessed_rate or 25
        return Header(rows, columns, stream.frames or None, float(rate))


def _upright(picture: Any) -> Frame:
    """A decoded picture in RGB, turned by the angle that the file states."""
    pixels: Frame = picture.to_ndarray(format="rgb24")
    return np.rot90(pixels, round(picture.rotation / 90))


def check(header: Header, selection: Selection, where: str) -> tuple[int, int]:
    """Check by the header, before all is decoded, whether the selection can be had.

    Returns:
        rows and columns of the selected pictures.

    Raises:
        DataError: frames or crop outside of the clip, or an absurd size.
    """
    rows, columns = selection.shape(header.rows, header.columns, where)
    if header.frames is not None:
        demand_inside(selection, header.frames, where)
        count = selection.frames or len(range(selection.start, header.frames, selection.stride))
        demand_size(count, rows, columns, where)
    return rows, columns


def demand_inside(selection: Selection, total: int, where: str) -> None:
    """Raise a DataError unless a clip of `total` frames holds the selected ones."""
    last = selection.start if selection.last is None else selection.last
    if total == 0:
        raise DataError(where, "holds no frames.", "Fetch or export it again.")
    if last >= total:
        advice = f"Its {total:,} frames are counted from 0: choose start, frames and stride inside."
        raise DataError(where, f"frame {last:,} lies outside the clip.", advice)


def demand_size(frames: int, rows: int, columns: int, where: str) -> None:
    """Raise a DataError where so many pictures of that size are absurd."""
    if (size := frames * rows * columns * 3) > MOST_BYTES:
        found = f"{frames:,} pictures of {width_by_height((rows, columns))} pixels, {size / 2**30:,.0f} GiB."
        raise DataError(where, f"{found} {MOST_BYTES >> 30} GiB is the most.", ADVICE)


def read_frames(path: Path, selection: Selection) -> Iterator[Frame]:
    """The selected pictures in order, uint8 (rows, columns, 3) in RGB, upright.

    Raises:
        DataError: as `read_header`; broken on the way; frames outside of the clip.
    """
    seen, shape = 0, None
    with _opened(path) as (container, stream):
        stream.thread_type = "AUTO"
        for picture in container.decode(stream):
            number, seen = seen, seen + 1
            if number < selection.start or (number - selection.start) % selection.stride:
                continue
            frame = selection.apply(_upright(picture), str(path))
            if shape not in (None, frame.shape):
                found = f"frame {number:,} has {width_by_height(frame.shape)} pixels, those before it others."
                raise DataError(str(path), found, "Choose frames of one size, or resize them with size.")
            shape = frame.shape
            yield frame
            if number == selection.last:
                return
        promised = stream.frames
    # Edits may hide some of the frames that a header counts, but not most of them.
    if selection.frames is None and seen < ENOUGH * promised:
        found = f"breaks off: {seen:,} of {promised:,} frames are there."
        raise DataError(str(path), found, "Fetch it again, or say with frames how many shall do.")
    demand_inside(selection, seen, str(path))
