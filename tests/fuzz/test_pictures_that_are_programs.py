"""Pictures from strangers: no file is handed to an interpreter of programs, whatever its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from metasiren import DataError, opened_picture, picture_formats
from metasiren_images.restoration.mask_files import read_mask
from metasiren_images.single.photograph import read_photograph, shape_words
from metasiren_physics.media import picture
from metasiren_priors.data.decode import decode
from metasiren_priors.photograph import open_picture

PROGRAM = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n8 8 moveto\nshowpage\n%%EOF\n"
READERS: dict[str, Callable[[Path], Any]] = {
    "photograph": read_photograph,
    "proportions": lambda path: shape_words(path, size=(2, 3)),
    "mask": lambda path: read_mask(path, (8, 8), full=(8, 8), size=None, crop="none", polarity=None),
    "medium": picture,
    "set of pictures": lambda path: decode(path.read_bytes(), size=8, resize="bilinear"),
    "picture to complete": lambda path: open_picture(path, 3),
}


@pytest.fixture
def picture_file(tmp_path: Path) -> Path:
    return tmp_path / "picture.png"


@pytest.mark.parametrize("reader", READERS)
def test_no_reader_gives_a_file_to_ghostscript(
    reader: str, picture_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[Any] = []

    def ghostscript(*given: Any, **_: Any) -> Any:
        ran.append(given)
        return Image.new("RGB", (8, 8)).im

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", ghostscript)
    picture_file.write_bytes(PROGRAM)
    with pytest.raises((DataError, OSError), match=r"not a readable picture|cannot be read|no format|cannot identify"):
        READERS[reader](picture_file)
    assert not ran


@pytest.mark.parametrize("reader", READERS)
def test_readers_take_other_formats_than_the_usual_ones(reader: str, picture_file: Path) -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4] = 255
    Image.fromarray(pixels).save(picture_file, format="TGA")
    READERS[reader](picture_file)
    assert {"PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF"} <= set(picture_formats())


def test_a_large_picture_is_opened_without_a_warning_of_pillow(picture_file: Path) -> None:
    Image.new("1", (10_000, 9_500)).save(picture_file)
    with pytest.warns(Image.DecompressionBombWarning), Image.open(picture_file):
        pass
    with opened_picture(picture_file) as opened:
        assert opened.size == (10_000, 9_500)
    picture_file.write_bytes(PROGRAM)
    with pytest.raises(OSError, match="cannot identify"):
        opened_picture(picture_file)


def test_a_medium_of_too_many_pixels_or_of_a_broken_picture_is_refused(picture_file: Path) -> None:
    Image.new("1", (50_001, 1000)).save(picture_file)
    with pytest.raises(DataError, match=r"50,001 x 1,000 pixels; 50,000,000 are the most"):
        picture(picture_file)
    Image.new("L", (80, 80)).save(picture_file)
    whole = picture_file.read_bytes()
    picture_file.write_bytes(whole.replace(b"IDAT", b"I\xffAT"))
    with pytest.raises(DataError, match="cannot be read"):
        picture(picture_file)
