"""Small videos, as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np

Pictures = np.ndarray[Any, np.dtype[np.uint8]]


def write_video(path: Path, pictures: Pictures, codec: str, pix_fmt: str, **options: str) -> Path:
    """A video of pictures (frames, rows, columns, 3) at 10 frames per second."""
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width, stream.pix_fmt = pictures.shape[1], pictures.shape[2], pix_fmt
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path
