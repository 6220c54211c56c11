"""Reading one picture: every kind of file comes out as the colours that a viewer shows."""

from __future__ import annotations

import io
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data

from metasiren import DataError
from metasiren_images.single import photograph
from metasiren_images.single.photograph import PHOTOGRAPHS, find_photograph, read_photograph

SIDES = st.integers(1, 23)
SETTINGS = settings(deadline=None, max_examples=25, derandomize=True)


def noise(rows: int, columns: int, *channels: int, dtype: Any = np.uint8) -> np.ndarray[Any, Any]:
    random = np.random.default_rng(rows * 100 + columns)
    return random.integers(0, np.iinfo(dtype).max + 1, (rows, columns, *channels), dtype)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.mark.parametrize("name", sorted(set(PHOTOGRAPHS) & set(dir(data))))
def test_bundled_photographs_are_scikit_image_s(name: str) -> None:
    pixels = read_photograph(name)
    known = getattr(data, name)()
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal((pixels * 255).round().astype(np.uint8), known.reshape(pixels.shape))


def test_every_listed_photograph_is_there() -> None:
    """Nothing that would be a download is on the list."""
    assert all(find_photograph(name).is_file() for name in PHOTOGRAPHS)


@SETTINGS
@given(rows=SIDES, columns=SIDES, mode=st.sampled_from(["1", "L", "RGB", "RGBA", "LA", "P", "CMYK", "YCbCr", "I;16"]))
def test_any_mode_and_size_is_what_a_viewer_shows(folder: Path, rows: int, columns: int, mode: str) -> None:
    # Pillow 13 cannot read the TIFF of a YCbCr picture that it wrote itself.
    path = folder / {"CMYK": "a.tif", "LA": "a.tif", "YCbCr": "a.jpg"}.get(mode, "a.png")
    if mode == "I;16":
        picture = Image.fromarray(noise(rows, columns, dtype=np.uint16))
    else:
        channels = {"RGBA": 4, "LA": 2}.get(mode, 3)
        made = Image.fromarray(noise(rows, columns, channels), {4: "RGBA", 2: "LA"}.get(channels))
        picture = made if made.mode == mode else made.convert(mode)
    picture.save(path)
    pixels = read_photograph(path)
    assert pixels.shape == (rows, columns, 1 if mode in ("1", "L", "LA", "I;16") else 3)
    if mode == "I;16":
        expected = np.asarray(picture) / 65535
    else:
        opened = Image.open(path).convert("RGBA")
        shown = Image.alpha_composite(Image.new("RGBA", opened.size, "white"), opened).convert("RGB")
        expected = np.asarray(shown) / 255
    expected = expected if pixels.shape[-1] == 3 or expected.ndim == 2 else expected[..., 0]
    # Pillow composites in eight bits, metasiren in floating point.
    tolerance = 1e-6 if mode in ("1", "L", "RGB", "P", "I;16", "CMYK", "YCbCr") else 2.1 / 255
    np.testing.assert_allclose(pixels.reshape(expected.shape), expected, atol=tolerance)


def test_sixteen_bits_stay(folder: Path) -> None:
    Image.fromarray(np.array([[0, 1, 256, 65535]], np.uint16)).save(folder / "deep.png")
    np.testing.assert_allclose(read_photograph(folder / "deep.png").ravel() * 65535, [0, 1, 256, 65535], atol=0.01)


def test_transparent_is_white(folder: Path) -> None:
    Image.new("RGBA", (2, 2), (0, 0, 0, 0)).save(folder / "clear.png")
    palette = Image.new("P", (2, 2), 0)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    palette.putpixel((0, 0), 1)
    palette.save(folder / "palette.png", transparency=0)
    assert read_photograph(folder / "clear.png").min() == 1
    np.testing.assert_array_equal(read_photograph(folder / "palette.png")[0], [[1, 0, 0], [1, 1, 1]])


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_exif_orientation_is_heeded(folder: Path, orientation: int, turns: int) -> None:
    pixels = noise(4, 6)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(folder / "turned.png", exif=exif)
    np.testing.assert_allclose(read_photograph(folder / "turned.png")[..., 0], np.rot90(pixels, turns) / 255, atol=1e-6)


def test_floats_within_their_range(folder: Path) -> None:
    values = np.array([[0.0, 0.25, 1.0]], np.float32)
    Image.fromarray(values).save(folder / "float.tif")
    np.testing.assert_array_equal(read_photograph(folder / "float.tif")[..., 0], values)
    for bad in (np.nan, np.inf, 1.5, -0.1):
        Image.fromarray(np.array([[0.0, bad]], np.float32)).save(folder / "float.tif")
        with pytest.raises(DataError, match="values from"):
            read_photograph(folder / "float.tif")


@SETTINGS
@given(rows=SIDES, columns=SIDES)
def test_crops_keep_the_corner_or_the_centre(folder: Path, rows: int, columns: int) -> None:
    path, side = folder / "crop.png", min(rows, columns)
    Image.fromarray(noise(rows, columns, 3)).save(path)
    whole = read_photograph(path)
    np.testing.assert_array_equal(read_photograph(path, crop="top_left"), whole[:side, :side])
    top, left = (rows - side) // 2, (columns - side) // 2
    square = read_photograph(path, crop="square")
    np.testing.assert_array_equal(square, whole[top : top + side, left : left + side])


@SETTINGS
@given(rows=SIDES, columns=SIDES, size=SIDES | st.tuples(SIDES, SIDES), grey=st.booleans())
def test_a_resized_constant_is_constant(
    folder: Path, rows: int, columns: int, size: int | tuple[int, int], grey: bool
) -> None:
    path = folder / "constant.png"
    Image.new("RGB", (columns, rows), (200, 100, 50)).save(path)
    pixels = read_photograph(path, size=size, grey=grey)
    if isinstance(size, int):
        assert max(pixels.shape[:2]) == size
        assert pixels.shape[0] == pytest.approx(size * rows / max(rows, columns), abs=1)
    else:
        assert pixels.shape[:2] == size
    expected = [0.299 * 200 + 0.587 * 100 + 0.114 * 50] if grey else [200, 100, 50]
    np.testing.assert_allclose(pixels * 255, np.broadcast_to(expected, pixels.shape), rtol=1e-5)


def test_halving_averages_all_pixels_covered() -> None:
    """Pillow's bilinear filter has weights 1, 3, 3, 1 there; taking one pixel in two would alias."""
    pixels = read_photograph("camera").astype(np.float64)[..., 0]
    weights = np.array([1, 3, 3, 1]) / 8
    across = sum(w * pixels[:, i : i + 507 : 2] for i, w in enumerate(weights, 1))
    both = sum(w * across[i : i + 507 : 2] for i, w in enumerate(weights, 1))
    np.testing.assert_allclose(read_photograph("camera", size=256)[1:-1, 1:-1, 0], both, atol=1e-6)


@pytest.mark.parametrize("cut", [0, 20, 60, 200])
def test_a_broken_file_is_named(folder: Path, cut: int) -> None:
    path = folder / "broken.png"
    Image.fromarray(noise(16, 16, 3)).save(path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=r"broken\.png: (is empty|not a readable picture)"):
        read_photograph(path)


def test_bytes_of_no_kind_are_said_to_be_no_picture_and_no_more(folder: Path) -> None:
    (folder / "noise.png").write_bytes(bytes(range(1, 200)))
    with pytest.raises(DataError, match=r"noise\.png: not a readable picture\.\n"):
        read_photograph(folder / "noise.png")


def test_what_is_no_picture_is_named(folder: Path) -> None:
    (folder / "page.jpg").write_text("<!DOCTYPE html><title>Sign in</title>")
    (folder / "words.png").write_text("hello")
    for name, found in (("page.jpg", "a web page"), ("words.png", "not a readable"), ("none.png", "is not there")):
        with pytest.raises(DataError, match=found):
            read_photograph(folder / name)
    with pytest.raises(DataError, match="is a folder, not a file"):
        read_photograph(folder)


@pytest.mark.parametrize("sides", [(20_000, 5_001), (60_000, 60_000)])
def test_an_absurd_size_is_refused_by_its_header(folder: Path, sides: tuple[int, int]) -> None:
    """The file has a header of that size and no pixels: were they decoded, it would be called broken."""
    buffer = io.BytesIO()
    Image.new("L", (1, 1)).save(buffer, "bmp")
    header = bytearray(buffer.getvalue())
    header[18:26] = struct.pack("<ii", *sides)
    (folder / "bomb.bmp").write_bytes(header)
    with pytest.raises(DataError, match=r"too large: .*pixels"):
        read_photograph(folder / "bomb.bmp")


def test_names_that_would_be_downloads_name_what_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"eagle: no photograph of this name(.|\n)*bundled: astronaut, brick, camera"):
        read_photograph("eagle")
    with pytest.raises(DataError, match=r"Did you mean 'camera'\?"):
        read_photograph("camra")
    monkeypatch.setattr(photograph, "files", lambda package: tmp_path)
    with pytest.raises(DataError, match="this scikit-image lacks"):
        read_photograph("camera")


def test_a_path_is_never_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("L", (5, 4)).save("camera", "png")
    assert read_photograph(Path("camera")).shape == (4, 5, 1)
    assert read_photograph("camera").shape == (512, 512, 1)


@pytest.mark.parametrize(
    ("size", "found"),
    [
        (0, "0 is no size of a picture"),
        (-3, "-3 is no size of a picture"),
        ((0, 4), "is no size of a picture"),
        ((20_000, 20_000), "makes a picture of 20000 x 20000 pixels"),
        (100_000, "100000 makes a picture of 100000 x 100000 pixels"),
    ],
)
def test_sizes_that_make_no_sense(size: Any, found: str) -> None:
    with pytest.raises(DataError, match=re.escape(found)) as raised:
        read_photograph("camera", size=size)
    assert "at most 100,000,000 pixels in all" in str(raised.value)
