"""One clip as a signal: (time, row, column) -> colour."""

from __future__ import annotations

import shutil
import weakref
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor

from metasiren import Batch, Context, Dataset, Domain, Points, RecipeError, grid, width_by_height
from metasiren_signals.clips.cache import decoded
from metasiren_signals.clips.reading import read_header
from metasiren_signals.clips.selection import Crop, Filter, Selection
from metasiren_signals.clips.synthesis import CLIPS, FPS
from metasiren_signals.files import missing_file

ADVICE = "Give data.path (any video file), or data.source=drift for a clip that needs no file."

TEST_VOXELS = 1 << 20
SHARE_OF_GPU = 0.25


class Video(Dataset):
    """Pixels of a clip at random places and times.

    The point set is `voxels`: coordinates (1, points, 3) in [-1, 1], ends included, in the order time, row, column;
    values (1, points, 3) are RGB in [-1, 1]. The split `train` draws the step's voxels with replacement. The split
    `test` gives whole frames, evenly spread from the first to the last, as many as have 1,048,576 voxels together and
    at least one; the protocol `clip` evaluates every frame.

    A file is decoded once, into an array on disk that is memory-mapped (see `data.cache`). On a GPU the clip is held
    as bytes if it takes at most a quarter of the free memory; otherwise only drawn voxels are copied to it.

    Args:
        path: a video file of any kind that FFmpeg reads.
        source: instead of a file, a synthetic clip of 24 frames of 48x64 pixels: `drift`.
        start: the first frame that is taken, counted from 0.
        frames: how many are taken; all that follow by default.
        stride: every how many-th frame.
        crop: [top, left, rows, columns] in pixels, or `square` for the largest square in the middle.
        size: pixels of the longer side after cropping, which keeps the proportions; or [rows, columns]; as cropped by
            default.
        resize: the filter: `nearest`, or with antialiasing `bilinear`, `bicubic`, `lanczos`.
        points: voxels drawn for each step: a whole number, or a share of the clip as a fraction, such as the paper's
            38e-4 (165,376 of its bikes).
        cache: folder of decoded clips; by default `clips` in METASIREN_DATA or in ~/.cache/metasiren. A temporary
            folder serves where it cannot be written.
        title: what tables call the clip; by default the file's stem.

    Raises:
        DataError: a file that is missing, broken, empty or without pictures; frames or crop outside of it; an absurd
            size, or no room for it on the disk.
        RecipeError: neither file nor source, or both; a number out of range.
    """

    renderer = "clip"
    instead_of: ClassVar = {"path": "source"}

    def __init__(
        self,
        *,
        path: Path | None = None,
        source: Literal["drift"] | None = None,
        start: int = 0,
        frames: int | None = None,
        stride: int = 1,
        crop: Crop | None = None,
        size: int | tuple[int, int] | None = None,
        resize: Filter = "bilinear",
        points: int | float = 38e-4,
        cache: Path | None = None,
        title: str | None = None,
    ) -> None:
        if (path is None) == (source is None):
            raise RecipeError("data: video", f"path is {path} and source is {source}.", ADVICE)
        whole = isinstance(points, int)
        if points < 1 if whole else not 0 < points <= 1:
            advice = "Give a number of voxels, or a share above 0 and up to 1.0, such as 38e-4."
            raise RecipeError("data: video: points", f"{points} voxels a step.", advice)
        selection = Selection(start=start, frames=frames, stride=stride, crop=crop, size=size, resize=resize)
        if path is not None:
            path = Path(path).expanduser()
            self._array, temporary = decoded(path, selection, cache.expanduser() if cache else None)
            if temporary is not None:
                weakref.finalize(self, shutil.rmtree, temporary, ignore_errors=True)
            header = read_header(path)
            fps, name = header.fps, path.stem
            changed = selection.words(header.rows, header.columns, str(path))
            changed = f"{width_by_height((header.rows, header.columns))} pixels, {changed}" if changed else ""
        else:
            self._array, fps, name = _made(str(source), selection), FPS, f"{source} (synthetic)"
            changed = ""
        shape = self._array.shape[:3]
        self.title = title or name
        self.points = int(points) if whole else max(1, round(points * int(np.prod(shape))))
        self.splits = {"train": 1, "test": 1}
        self.domain = Domain(d_in=3, d_out=3, grid=shape)
        words = f"{shape[0]} frame{'s' * (shape[0] != 1)} of {width_by_height(shape[1:])} pixels"
        self.provenance = {"clip": f"{words}, {_which_frames(start, stride)}"}
        self.provenance["shape"] = "; ".join(filter(None, [words, changed]))
        if size is not None:
            self.provenance["filter"] = resize
        self.metadata = {"title": self.title, "fps": fps / stride, "frames": shape[0]}
        self._axes = tuple(grid((n,)).squeeze(-1) for n in shape)
        self._resident: Tensor | None = None

    @classmethod
    def missing(cls, *, path: Path | str | None = None, source: str | None = None, **options: Any) -> str | None:
        """Why this clip cannot be used here: no such file, or nothing to read it with."""
        if source is not None:
            return None
        return missing_file(path, what="a video file", advice=ADVICE, module="av", title="PyAV")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows and columns."""
        frames, rows, columns = self._array.shape[:3]
        return frames, rows, columns

    @property
    def device(self) -> torch.device:
        """Where points are given."""
        return self._axes[0].device

    def to(self, device: torch.device | str) -> Self:
        """Give points on a device; hold the clip there too where it is a GPU with room."""
        self._axes, self._resident = tuple(axis.to(device) for axis in self._axes), None
        if torch.device(device).type == "cuda":
            free, _ = torch.cuda.mem_get_info(torch.device(device))
            if self._array.nbytes <= SHARE_OF_GPU * free:
                self._resident = torch.empty(self._array.shape, dtype=torch.uint8, device=device)
                for number, frame in enumerate(self._array):
                    self._resident[number] = torch.from_numpy(np.array(frame)).to(device)
        return self

    def pictures(self, frames: Tensor) -> Tensor:
        """Frames by number: uint8 (frames, rows, columns, 3), on the dataset's device."""
        if self._resident is not None:
            return self._resident[frames]
        return torch.from_numpy(np.array(self._array[frames.cpu().numpy()])).to(self.device)

    def coords(self, frames: Tensor) -> Tensor:
        """Coordinates of all voxels of frames by number, row by row: (frames * rows * columns, 3)."""
        times, rows, columns = self._axes
        axes = torch.meshgrid(times[frames], rows, columns, indexing="ij")
        return torch.stack([axis.flatten() for axis in axes], -1)

    def voxels(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Coordinates (n, 3) and values (n, 3) of voxels by number (n,), counted frame by frame, row by row."""
        _, rows, columns = self.shape
        places = (cells // (rows * columns), cells // columns % rows, cells % columns)
        coords = torch.stack([axis[place] for axis, place in zip(self._axes, places, strict=True)], -1)
        if self._resident is not None:
            colours = self._resident.view(-1, 3)[cells]
        else:
            drawn = self._array.reshape(-1, 3)[cells.cpu().numpy()]
            colours = torch.from_numpy(np.asarray(drawn)).to(self.device)
        return coords, to_values(colours)

    def batch(
        self,
        split: str,
        items: Tensor,
        *,
        context: tuple[int, int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Batch:
        """As `metasiren.Dataset.batch`; there is nothing to be seen in the context."""
        if split == "train":
            total = int(np.prod(self.shape))
            cells = torch.randint(total, (self.points,), generator=generator, device=self.device)
            coords, values = self.voxels(cells)
        else:
            count = max(1, min(self.shape[0], TEST_VOXELS // (self.shape[1] * self.shape[2])))
            chosen = torch.linspace(0, self.shape[0] - 1, count, device=self.device).round().long()
            coords, values = self.coords(chosen), to_values(self.pictures(chosen)).view(-1, 3)
        known = {"values": values.unsqueeze(0)}
        return Batch(Context.empty(items, self.domain), {"voxels": Points(coords.unsqueeze(0), known)})


def to_values(colours: Tensor) -> Tensor:
    """Bytes as values in [-1, 1]."""
    return colours.float() / 127.5 - 1


def _made(source: str, selection: Selection) -> np.ndarray[Any, np.dtype[np.uint8]]:
    from metasiren_signals.clips.reading import demand_inside

    clip, where = CLIPS[source](), f"data: video {source}"
    demand_inside(selection, len(clip), where)
    end = None if selection.last is None else selection.last + 1
    return np.stack([selection.apply(frame, where) for frame in clip[selection.start : end : selection.stride]])


def _which_frames(start: int, stride: int) -> str:
    """Which frames of a clip are taken, in words."""
    words = "every frame" if stride == 1 else f"one frame in {stride}"
    return f"{words} from frame {start} on" if start else words
