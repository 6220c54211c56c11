"""Sounds and clips in files, made for each test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

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


@pytest.fixture(scope="session")
def pictures() -> Pictures:
    """Twelve frames of noise, 18 rows and 24 columns."""
    return np.random.default_rng(0).integers(0, 256, (12, 18, 24, 3), np.uint8)


@pytest.fixture
def lossless(tmp_path: Path, pictures: Pictures) -> Path:
    """The pictures, exactly, in a file whose header does not say how many they are."""
    return write_video(tmp_path / "lossless.mkv", pictures, "ffv1", "bgr0")


@pytest.fixture
def ordinary(tmp_path: Path, pictures: Pictures) -> Path:
    """The pictures, nearly, in a file whose header counts them and comes first."""
    return write_video(tmp_path / "ordinary.mp4", pictures, "libx264", "yuv420p", movflags="faststart")


@pytest.fixture(autouse=True)
def _private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METASIREN_DATA", str(tmp_path / "home"))


@pytest.fixture
def forbid(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make a function fail the test when it is called."""

    def change(name: str) -> None:
        def fail(*_: object, **__: object) -> None:
            raise AssertionError(f"{name} was called")

        monkeypatch.setattr(name, fail)

    return change
