"""Pictures as a clip that plays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from metasiren import load_extra
from metasiren_signals.clips.selection import Frame

QUALITY = "16"
"""x264's constant rate factor: below 18 the loss is not visible."""


def to_bytes(values: Tensor) -> Frame:
    """Values in [-1, 1], clipped, as bytes (rows, columns, 3)."""
    rounded: Frame = ((values.clamp(-1, 1) + 1) * 127.5).round().byte().cpu().numpy()
    return rounded


def write_clip(path: Path, frames: Iterable[Frame], fps: float) -> None:
    """Write pictures uint8 (rows, columns, 3), one at a time, as .mp4 (H.264) or .gif (256 colours a picture).

    An .mp4 of odd size repeats its last row or column, for players that want even ones; a .gif's frames last a
    multiple of 10 ms.

    Raises:
        PluginError: PyAV is not installed, for .mp4.
    """
    if path.suffix.lower() == ".gif":
        images = (Image.fromarray(frame) for frame in frames)
        first = next(images)
        first.save(path, save_all=True, append_images=images, duration=max(20, round(100 / fps) * 10), loop=0)
        return
    av = load_extra("av", extra="signals", where=f"render -o {path}")
    pictures = _even(frames)
    first_frame = next(pictures)
    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(10_000))
        stream.height, stream.width, stream.pix_fmt = first_frame.shape[0], first_frame.shape[1], "yuv420p"
        if codec == "libx264":
            stream.options = {"crf": QUALITY}
        for frame in chain([first_frame], pictures):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def _even(frames: Iterable[Frame]) -> Iterator[Frame]:
    for frame in frames:
        rows, columns = frame.shape[:2]
        yield np.ascontiguousarray(np.pad(frame, ((0, rows % 2), (0, columns % 2), (0, 0)), mode="edge"))
