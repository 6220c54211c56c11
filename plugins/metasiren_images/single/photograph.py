"""One picture -> floating-point pixels in [0, 1]: a file, or a photograph that scikit-image ships."""

from __future__ import annotations

import io
import warnings
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from metasiren import (
    DataError,
    RecipeError,
    demand_file,
    did_you_mean,
    is_transparent,
    is_web_page,
    opened_picture,
    same_proportions,
    width_by_height,
)

Crop = Literal["none", "square", "top_left"]
Pixels = np.ndarray[Any, np.dtype[np.float32]]

MOST_PIXELS = 100_000_000
"""Larger pictures are refused by their header, before anything is decoded."""

PHOTOGRAPHS = {
    "astronaut": "astronaut.png",
    "brick": "brick.png",
    "camera": "camera.png",
    "cat": "chelsea.png",
    "cell": "cell.png",
    "chelsea": "chelsea.png",
    "clock": "clock_motion.png",
    "coffee": "coffee.png",
    "coins": "coins.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "hubble_deep_field": "hubble_deep_field.jpg",
    "immunohistochemistry": "ihc.png",
    "microaneurysms": "microaneurysms.png",
    "moon": "moon.png",
    "page": "page.png",
    "retina": "retina.jpg",
    "rocket": "rocket.jpg",
    "text": "text.png",
}
"""Photographs that lie in scikit-image's wheel, by their names in `skimage.data`; the others there are downloads."""

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in grey: ITU-R BT.601, as Pillow's."""

ORIENTATION = 0x0112
"""The EXIF tag of a picture's orientation; from 5 on, rows and columns are exchanged."""

KINDS = "Give a PNG, JPEG, TIFF, WebP or BMP."


def read_photograph(
    source: str | Path,
    *,
    size: int | tuple[int, int] | None = None,
    crop: Crop = "none",
    grey: bool = False,
) -> Pixels:
    """A picture's pixels: float32 (rows, columns, channels) in [0, 1], one channel (grey) or three (RGB).

    It is turned upright (EXIF), composited on white where it is transparent, cropped, then resized in floating point
    by Pillow's bilinear filter, which averages over all pixels that a smaller one covers. Palettes, CMYK and black and
    white become RGB or grey; greys of 16 bits keep them (Pillow reads colours of 16 bits as 8). Of many frames the
    first is taken. Floating-point files must hold values in [0, 1].

    Args:
        source: a file's path, or (as a plain word) the name of a bundled photograph: a key of `PHOTOGRAPHS`.
        size: pixels of the longer side, which keeps the proportions; or (rows, columns); None leaves it as it is.
        crop: `square` is the centre square, `top_left` the square in that corner.
        grey: average the colours (ITU-R BT.601).

    Raises:
        DataError: an unknown name, a file that is missing, empty, corrupt, no picture, of more than 100 million pixels,
            or of values that have no place in [0, 1]; a size or crop that makes no sense.
    """
    path = find_photograph(source)
    pixels = _decode(_bytes(path), str(source))
    if grey and pixels.shape[-1] == 3:
        pixels = (pixels @ LUMA)[..., None]
    if crop != "none":
        pixels = square(pixels, crop)
    return pixels if size is None else resized(pixels, size)


def source_of(photograph: str | None, path: str | Path | None) -> str | Path:
    """What `read_photograph` reads: the file where there is one, otherwise the photograph of that name.

    Raises:
        RecipeError: neither.
    """
    if path is not None:
        return Path(path)
    if photograph is None:
        raise RecipeError("data", "neither a path nor a photograph.", f"{KINDS} Or a name: {', '.join(PHOTOGRAPHS)}.")
    return photograph


def shape_words(source: str | Path, *, size: int | tuple[int, int] | None, crop: Crop = "none") -> str:
    """How `read_photograph` changes a picture, in words; empty where it keeps every pixel.

    Such as `the centre square of 400 x 300 pixels, shrunk to 64 x 64` or `400 x 300 pixels, stretched to 64 x 64`:
    width, then height. Frames that are left out, and transparent parts, which become white, are named.
    """
    with opened_picture(find_photograph(source)) as opened:
        turned = opened.getexif().get(ORIENTATION, 1) >= 5
        rows, columns = opened.size if turned else opened.size[::-1]
        notes = "transparent parts on white" if is_transparent(opened) else ""
        frames = getattr(opened, "n_frames", 1)
        notes = "; ".join(filter(None, [f"the first of {frames:,} frames" if frames > 1 else "", notes]))
    words, cut = f"{width_by_height((rows, columns))} pixels", crop != "none" and rows != columns
    if cut:
        words = f"the {'centre' if crop == 'square' else 'top left'} square of {words}"
        rows = columns = min(rows, columns)
    shape = (rows, columns) if size is None else shape_at(size, rows, columns)
    if shape == (rows, columns):
        return "; ".join(filter(None, [words if cut else "", notes]))
    change = "stretched" if not same_proportions((rows, columns), shape) else "enlarged"
    if change == "enlarged" and shape[0] * shape[1] < rows * columns:
        change = "shrunk"
    return "; ".join(filter(None, [f"{words}, {change} to {width_by_height(shape)}", notes]))


def find_photograph(source: str | Path) -> Path:
    """The file that `source` means; see `read_photograph`.

    Raises:
        DataError: a word that names no bundled photograph, or one that this scikit-image lacks.
    """
    if isinstance(source, str) and source in PHOTOGRAPHS:
        path = Path(str(files("skimage"))) / "data" / PHOTOGRAPHS[source]
        if not path.is_file():
            raise DataError(source, f"this scikit-image lacks {path}.", "Install scikit-image 0.24 or later anew.")
        return path
    path = Path(source).expanduser()
    if isinstance(source, str) and not path.suffix and path.name == source and not path.exists():
        guess = did_you_mean(source, PHOTOGRAPHS)
        advice = f"{guess}\nbundled: {', '.join(PHOTOGRAPHS)}\nFor a file, give its path.".strip()
        raise DataError(source, "no photograph of this name comes with scikit-image.", advice)
    return path


def _bytes(path: Path) -> bytes:
    demand_file(path, f"{KINDS} Bundled photographs: {', '.join(PHOTOGRAPHS)}.")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror}.", KINDS) from None
    if is_web_page(data[:512]):
        raise DataError(str(path), "a web page, not a picture.", "A download was refused: fetch the file again.")
    return data


def _decode(data: bytes, where: str) -> Pixels:
    """Pixels (rows, columns, 1 or 3) in [0, 1], upright."""
    try:
        with opened_picture(io.BytesIO(data)) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise Image.DecompressionBombError(f"{opened.width:,} x {opened.height:,} pixels")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                opened.load()
                picture: Any = ImageOps.exif_transpose(opened)
        return _unit(picture, where)
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        found, advice = f"too large: {error}.", f"Scale it down to at most {MOST_PIXELS:,} pixels."
        raise DataError(where, found, advice) from None
    except UnidentifiedImageError as error:
        raise DataError(where, "not a readable picture.", KINDS) from error
    except Exception as error:  # Pillow's readers raise nearly anything on broken bytes
        raise DataError(where, f"not a readable picture: {error}.", KINDS) from error


def _unit(picture: Any, where: str) -> Pixels:
    """Any mode of Pillow's as grey or RGB in [0, 1]."""
    mode: str = picture.mode
    if mode.startswith("I;16"):
        return np.asarray(picture).astype(np.float32)[..., None] / np.float32(65535)
    if mode in ("I", "F"):
        return _numbers(np.asarray(picture), where)[..., None]
    if mode == "PA" or "transparency" in picture.info:
        picture = picture.convert("LA" if mode in ("1", "L") else "RGBA")
    elif mode in ("La", "RGBa"):
        picture = picture.convert(mode.upper())
    if picture.mode in ("LA", "RGBA"):
        values = np.asarray(picture).astype(np.float32) / np.float32(255)
        colour, opacity = values[..., :-1], values[..., -1:]
        composite: Pixels = colour * opacity + (1 - opacity)
        return composite
    picture = picture.convert("L" if mode in ("1", "L") else "RGB")
    pixels = np.asarray(picture).astype(np.float32) / np.float32(255)
    return pixels.reshape(*pixels.shape[:2], -1)


def _numbers(values: np.ndarray[Any, Any], where: str) -> Pixels:
    """Integers of up to 16 bits, or fractions, in [0, 1]."""
    most = 65535 if values.dtype.kind in "iu" else 1
    # NaN fails both comparisons.
    if not (values.min() >= 0 and values.max() <= most):
        found = f"values from {values.min():g} to {values.max():g}."
        advice = "Scale it: fractions lie in [0, 1], integers have at most 16 bits and are not negative."
        raise DataError(where, found, advice)
    scaled: Pixels = (values / most).astype(np.float32)
    return scaled


def square(pixels: Pixels, crop: str) -> Pixels:
    """The centre square of pixels (rows, columns, channels), or the one in the corner `top_left`."""
    rows, columns = pixels.shape[:2]
    side = min(rows, columns)
    if crop not in ("square", "top_left"):
        raise DataError("crop", f"{crop!r} is no crop.", "known: none, square, top_left")
    top, left = ((rows - side) // 2, (columns - side) // 2) if crop == "square" else (0, 0)
    return pixels[top : top + side, left : left + side]


def resized(pixels: Pixels, size: int | tuple[int, int]) -> Pixels:
    """Pixels (rows, columns, channels) in [0, 1] at a size as `read_photograph` takes it."""
    rows, columns = pixels.shape[:2]
    shape = shape_at(size, rows, columns)
    if shape == (rows, columns):
        return pixels
    made = [
        np.asarray(Image.fromarray(np.ascontiguousarray(channel)).resize(shape[::-1], Image.Resampling.BILINEAR))
        for channel in np.moveaxis(pixels, -1, 0)
    ]
    # Weights of the filter sum to one only up to rounding.
    return np.stack(made, axis=-1).clip(0, 1).astype(np.float32)


def shape_at(size: int | tuple[int, int], rows: int, columns: int) -> tuple[int, int]:
    """Rows and columns of a picture of `rows` and `columns` at a size as `read_photograph` takes it.

    Raises:
        DataError: a size below one pixel, or above 100 million.
    """
    advice = f"Give pixels of the longer side, or [rows, columns]; at most {MOST_PIXELS:,} pixels in all."
    if isinstance(size, int):
        factor = size / max(rows, columns)
        shape = (max(1, round(rows * factor)), max(1, round(columns * factor)))
        smallest = size
    else:
        shape = (int(size[0]), int(size[1]))
        smallest = min(shape)
    if smallest < 1:
        raise DataError("size", f"{size} is no size of a picture.", advice)
    if shape[0] * shape[1] > MOST_PIXELS:
        raise DataError("size", f"{size} makes a picture of {width_by_height(shape)} pixels.", advice)
    return shape
