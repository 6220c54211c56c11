"""The pictures, sounds and clips of a run's results folder, sorted by file name.

- `panels.json` names the parts of a sheet: a slider over contexts, and a wipe between truth and field for each image.
- `truth_X.png` beside `X.png`, or `truth.png` beside other pictures of its size, are wipes; so are an exact
  solution, `exact.png`, and `result.png`.
- an animated `.webp` or `.gif` is played frame by frame; `.mp4` and sounds by the browser.
- every other picture is shown as it is, but `preview.png`, which the last figure replaces.
- `captions.json` says what files show, file name -> sentence; other files have their names as captions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from metasiren_report.embedding import Embedded, Limits, data_uri, embed_picture, embed_sound, open_picture
from metasiren_report.summary import json_or_empty
from metasiren_report.wording import metric_title

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif")
SOUNDS = (".wav", ".ogg", ".flac", ".mp3")
MOST_FILES = 40
FIELDS = ("field", "value", "result")
"""Names of pictures of the field."""
SHEET, CAPTIONS = "panels.json", "captions.json"


@dataclass(frozen=True)
class Wipe:
    """Two pictures of one size under a movable edge; `known` and `shown` name the left and the right one."""

    title: str
    caption: str
    truth: Embedded
    field: Embedded
    known: str = "truth"
    shown: str = "field"


@dataclass(frozen=True)
class Sheet:
    """Images at several contexts: for each context a list of (context, field) pictures beside the truths."""

    labels: tuple[str, ...]
    truths: tuple[Embedded, ...]
    rows: tuple[tuple[tuple[Embedded, Embedded], ...], ...]


@dataclass(frozen=True)
class Animation:
    """Frames of equal size, drawn one at a time from a strip of them."""

    title: str
    strip: Embedded
    frames: int
    width: int
    height: int


@dataclass
class Gallery:
    """Everything that a page shows of one run's results, and what it leaves out."""

    sheet: Sheet | None = None
    wipes: list[Wipe] = field(default_factory=list)
    animations: list[Animation] = field(default_factory=list)
    pictures: list[tuple[str, Embedded]] = field(default_factory=list)
    sounds: list[tuple[str, str, str]] = field(default_factory=list)
    videos: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def gather(results: Path, limits: Limits) -> Gallery:
    """Read the pictures, sounds and clips of a results folder. Unreadable files are named in `left_out`."""
    gallery = Gallery()
    files = sorted(p for p in results.iterdir() if p.is_file() and not p.is_symlink()) if results.is_dir() else []
    shown = [p for p in files if p.suffix.lower() in (*PICTURES, *SOUNDS, ".mp4")]
    # The true sound first, as pictures have it.
    shown.sort(key=lambda p: p.suffix.lower() in SOUNDS and not p.stem.startswith("truth"))
    figures = [p for p in shown if p.stem.startswith("figure")]
    shown = [p for p in shown if not (p.stem == "preview" and len(shown) > 1)]
    if len(shown) > MOST_FILES:
        gallery.left_out.append(f"{len(shown) - MOST_FILES} further files")
        shown = figures + [p for p in shown if p not in figures][: MOST_FILES - len(figures)]
    if not limits.pictures:
        gallery.left_out += [p.name for p in shown]
        return gallery
    sheets, captions = json_or_empty(results / SHEET), json_or_empty(results / CAPTIONS)
    pairs, used = _pairs(shown)
    for path in shown:
        try:
            _add(gallery, path, sheets, _caption(path, captions), limits) if path not in used else None
        except (OSError, ValueError, KeyError, TypeError, EOFError, Image.DecompressionBombError) as error:
            gallery.left_out.append(f"{path.name}: {error}")
    for title, truth, made in pairs:
        try:
            gallery.wipes.append(_wipe(title, captions, truth, made, limits))
        except (OSError, ValueError) as error:
            gallery.left_out.append(f"{made.name}: {error}")
    return gallery


def _pairs(files: list[Path]) -> tuple[list[tuple[str, Path, Path]], set[Path]]:
    """Pairs of (title, truth, field) by name, and the files that they use."""
    named = {p.stem: p for p in files if p.suffix.lower() == ".png"}
    pairs = [(s.removeprefix("truth_"), p, named[s.removeprefix("truth_")])
             for s, p in named.items() if s.startswith("truth_") and s.removeprefix("truth_") in named]  # fmt: skip
    if "truth" in named:
        size = _size(named["truth"])
        others = [p for s, p in named.items() if s != "truth" and not s.startswith(("figure", "truth_"))]
        pairs += [(p.stem, named["truth"], p) for p in others if size is not None and _size(p) == size]
    if {"exact", "result"} <= set(named) and _size(named["exact"]) == _size(named["result"]) is not None:
        pairs.append(("field", named["exact"], named["result"]))
    pairs.sort(key=lambda pair: ("value", "field").index(pair[0]) if pair[0] in ("value", "field") else 2)
    return pairs, {path for _, truth, made in pairs for path in (truth, made)}


def _size(path: Path) -> tuple[int, int] | None:
    try:
        with open_picture(path) as picture:
            return picture.size
    except OSError:
        return None


def _caption(path: Path, captions: Mapping[str, Any]) -> str:
    return str(captions.get(path.name) or path.stem.replace("_", " "))


def _wipe(title: str, captions: Mapping[str, Any], truth: Path, made: Path, limits: Limits) -> Wipe:
    # Beside a true picture may lie what was measured, or a composite.
    right = "field" if truth.stem != "truth" or made.stem in FIELDS else metric_title(made.stem)
    with open_picture(truth) as known, open_picture(made) as shown:
        caption = str(captions.get(made.name) or "")
        left = "exact solution" if truth.stem == "exact" else "truth"
        return Wipe(
            metric_title(title), caption, embed_picture(known, limits), embed_picture(shown, limits), left, right
        )


def _add(gallery: Gallery, path: Path, sheets: Mapping[str, Any], caption: str, limits: Limits) -> None:
    suffix = path.suffix.lower()
    if suffix in SOUNDS:
        uri, note = embed_sound(path, limits)
        gallery.sounds.append((caption, uri, note)) if uri else gallery.left_out.append(f"{path.name}: {note}")
        return
    if suffix == ".mp4":
        if path.stat().st_size > limits.video:
            gallery.left_out.append(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")
        else:
            gallery.videos.append((caption, data_uri(path.read_bytes(), "video/mp4")))
        return
    with open_picture(path) as picture:
        if getattr(picture, "n_frames", 1) > 1:
            gallery.animations.append(_animation(caption, picture, limits))
        elif path.name in sheets and gallery.sheet is None:
            gallery.sheet = _sheet(picture, sheets[path.name], limits)
        else:
            gallery.pictures.append((caption, embed_picture(picture, limits)))


def _animation(title: str, picture: Image.Image, limits: Limits) -> Animation:
    """All frames (or evenly spread ones) beneath one another in one WebP."""
    total = getattr(picture, "n_frames", 1)
    count = min(total, limits.frames)
    # WebP holds 16,383 rows at most.
    scale = min(1.0, 480 / max(picture.size), 16_000 / (count * picture.height))
    wide, high = max(1, int(picture.width * scale)), max(1, int(picture.height * scale))
    strip = Image.new("RGB", (wide, high * count))
    for number in range(count):
        picture.seek(round(number * (total - 1) / max(1, count - 1)))
        strip.paste(picture.convert("RGB").resize((wide, high), Image.Resampling.BILINEAR), (0, number * high))
    unscaled = Limits(side=16_383, quality=limits.quality)
    return Animation(title, embed_picture(strip, unscaled), count, wide, high)


def _sheet(picture: Image.Image, tiles: list[Mapping[str, Any]], limits: Limits) -> Sheet:
    """The parts of a sheet.

    Args:
        picture: the sheet.
        tiles: each {"group": context, "item": number, "role": "context" | "field" | "truth", "box": [l, t, r, b]}.
        limits: of what is embedded.

    Raises:
        KeyError, TypeError, ValueError: tiles that are not as described.
    """
    cut: dict[tuple[str, int, str], Embedded] = {}
    for tile in tiles:
        box = tuple(int(edge) for edge in tile["box"])
        if len(box) != 4 or not (0 <= box[0] < box[2] <= picture.width and 0 <= box[1] < box[3] <= picture.height):
            raise ValueError(f"box {box} is outside the sheet")
        cut[str(tile["group"]), int(tile["item"]), str(tile["role"])] = embed_picture(picture.crop(box), limits)
    labels = tuple(dict.fromkeys(group for group, _, _ in cut))
    items = tuple(dict.fromkeys(item for _, item, _ in cut))
    truths = tuple(cut[labels[0], item, "truth"] for item in items)
    rows = tuple(tuple(_views(cut, label, items)) for label in labels)
    return Sheet(labels, truths, rows)


def _views(
    cut: Mapping[tuple[str, int, str], Embedded], label: str, items: tuple[int, ...]
) -> Iterator[tuple[Embedded, Embedded]]:
    for item in items:
        yield cut[label, item, "context"], cut[label, item, "field"]
