"""Files as data URIs, re-encoded to fit a limit of bytes."""

from __future__ import annotations

import base64
import io
import wave
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

MOST_PIXELS = 64_000_000
LOSSLESS = 160_000


@dataclass(frozen=True)
class Limits:
    """How large embedded things may be. A report that is too large is written again with the next limits.

    Attributes:
        side: longest side of a picture in pixels.
        quality: of WebP, 1 to 100.
        frames: most frames of an animation.
        sound: most bytes of a sound.
        video: most bytes of a video.
        vertices: of a mesh.
        pictures: whether pictures, sounds and meshes are embedded at all.
    """

    side: int = 1600
    quality: int = 88
    frames: int = 60
    sound: int = 1_200_000
    video: int = 1_500_000
    vertices: int = 16_000
    pictures: bool = True


LEVELS = (
    Limits(),
    Limits(side=900, quality=75, frames=40, sound=600_000, video=600_000, vertices=8_000),
    Limits(side=480, quality=60, frames=24, sound=200_000, video=200_000, vertices=3_000),
    Limits(pictures=False),
)


@dataclass(frozen=True)
class Embedded:
    """A data URI with its size in pixels (0 where it is no picture)."""

    uri: str
    width: int = 0
    height: int = 0


def data_uri(data: bytes, kind: str) -> str:
    """Bytes as a data URI of a media type such as image/png."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def open_picture(path: Path) -> Image.Image:
    """A picture of at most 64 million pixels.

    Raises:
        OSError: it is no readable picture, or larger.
    """
    picture = Image.open(path, formats=("PNG", "JPEG", "WEBP", "GIF"))
    if picture.width * picture.height > MOST_PIXELS:
        raise OSError(f"{picture.width} x {picture.height} pixels; at most {MOST_PIXELS:,} are shown")
    return picture


def embed_picture(picture: Image.Image, limits: Limits) -> Embedded:
    """A picture as PNG where that is small, else as WebP; scaled down to the limits' longest side."""
    shown = picture.convert("RGB")
    if max(shown.size) > limits.side:
        shown.thumbnail((limits.side, limits.side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    if shown.width * shown.height <= 1 << 20:
        shown.save(file, "PNG")
    if not 0 < file.tell() <= min(LOSSLESS, shown.width * shown.height * limits.quality // 60):
        file = io.BytesIO()
        shown.save(file, "WEBP", quality=limits.quality, method=2)
        return Embedded(data_uri(file.getvalue(), "image/webp"), *shown.size)
    return Embedded(data_uri(file.getvalue(), "image/png"), *shown.size)


def embed_sound(path: Path, limits: Limits) -> tuple[str, str]:
    """A sound as a data URI, and a note where only its beginning fits (WAV) or nothing of it (other formats)."""
    kinds = {".wav": "audio/wav", ".ogg": "audio/ogg", ".flac": "audio/flac", ".mp3": "audio/mpeg"}
    size = path.stat().st_size
    if size <= limits.sound:
        return data_uri(path.read_bytes(), kinds[path.suffix.lower()]), ""
    if path.suffix.lower() != ".wav":
        return "", f"{size / 1e6:.1f} MB, too large for this page"
    with wave.open(str(path)) as sound:
        kept = max(1, limits.sound // (sound.getnchannels() * sound.getsampwidth()))
        file = io.BytesIO()
        with wave.open(file, "wb") as cut:
            cut.setparams(sound.getparams())
            cut.writeframes(sound.readframes(kept))
        seconds = kept / sound.getframerate()
    return data_uri(file.getvalue(), "audio/wav"), f"the first {seconds:.1f} s"
