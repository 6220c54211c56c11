"""Sounds and clips in files, made for each test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from signals.videos import Pictures, write_video


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
