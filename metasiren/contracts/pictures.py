"""Pictures of any kind as screens show them: upright, 8 bits a channel, without transparent parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

PREMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}


def is_transparent(picture: Image.Image) -> bool:
    """Whether a picture has parts that are not opaque; greys of 16 bits and fractions have none."""
    if not picture.has_transparency_data or picture.mode[0] in "IF":
        return False
    extrema: Any = _with_opacity(picture).getchannel("A").getextrema()
    return bool(extrema[0] < 255)


def plain_picture(picture: Image.Image, *, opacity: bool = False) -> Image.Image:
    """A picture upright (EXIF), as grey (`L`) or in colours (`RGB`), its transparent parts on white.

    Args:
        picture: of any mode of Pillow's. Greys of 16 bits are scaled to 8; fractions lie in [0, 1].
        opacity: give `RGBA` instead, with the transparent parts as they are.

    Raises:
        ValueError: integers of more than 16 bits or negative ones, fractions outside [0, 1], or a mode that Pillow
            cannot convert.
        OSError: broken bytes.
    """
    from PIL import Image, ImageOps

    turned: Image.Image = ImageOps.exif_transpose(picture)
    if turned.mode[0] in "IF":
        turned = _eight_bits(turned)
    if opacity:
        return _with_opacity(turned)
    if not turned.has_transparency_data:
        return turned if turned.mode in ("L", "RGB") else turned.convert("L" if turned.mode == "1" else "RGB")
    grey = turned.mode in ("1", "L", "LA", "La")
    painted = _with_opacity(turned)
    on_white = Image.alpha_composite(Image.new("RGBA", painted.size, "white"), painted)
    return on_white.convert("L" if grey else "RGB")


def _with_opacity(picture: Image.Image) -> Image.Image:
    """The picture as `RGBA`."""
    return picture.convert(PREMULTIPLIED.get(picture.mode, picture.mode)).convert("RGBA")


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Integers of up to 16 bits, or fractions, as grey of 8 bits."""
    import numpy as np
    from PIL import Image

    values = np.asarray(picture)
    most = 65535 if values.dtype.kind in "iu" else 1
    # NaN fails both comparisons.
    if not (values.min() >= 0 and values.max() <= most):
        words = "fractions lie in [0, 1], integers have at most 16 bits and are not negative"
        raise ValueError(f"values from {values.min():g} to {values.max():g}; {words}")
    return Image.fromarray(np.round(values * (255 / most)).astype(np.uint8))
