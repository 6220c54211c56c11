"""Clips as signals: voxels are the pixels of the frames, or an error says why not."""

from __future__ import annotations

import hashlib
import sys
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from metasiren import DataError, PluginError, RecipeError, grid, load_recipe
from metasiren_signals.clips import cache, dataset, reading
from metasiren_signals.clips.dataset import Video
from metasiren_signals.clips.selection import Selection
from metasiren_signals.clips.synthesis import drift

ITEM = torch.zeros(1, dtype=torch.long)
DRIFT = drift()
Pictures = np.ndarray[Any, np.dtype[np.uint8]]


def frames(video: Video) -> Pictures:
    """All frames, as bytes."""
    return video.pictures(torch.arange(video.shape[0])).numpy()


@settings(deadline=None, max_examples=25, derandomize=True)
@given(places=st.lists(st.tuples(st.integers(0, 23), st.integers(0, 47), st.integers(0, 63)), min_size=1, max_size=20))
def test_voxels_are_the_frames_pixels_and_lie_on_the_grid(places: list[tuple[int, int, int]]) -> None:
    video = Video(source="drift")
    cells = torch.tensor([(t * 48 + y) * 64 + x for t, y, x in places])
    coords, values = video.voxels(cells)
    for (t, y, x), coord, value in zip(places, coords, values, strict=True):
        np.testing.assert_allclose(value.numpy(), DRIFT[t, y, x] / 127.5 - 1, atol=1e-6)
        np.testing.assert_allclose(coord.numpy(), [2 * t / 23 - 1, 2 * y / 47 - 1, 2 * x / 63 - 1], atol=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "24 frames of 64 x 48 pixels, every frame"),
        ({"start": 4}, "20 frames of 64 x 48 pixels, every frame from frame 4 on"),
        ({"stride": 3}, "8 frames of 64 x 48 pixels, one frame in 3"),
    ],
)
def test_a_clip_says_which_frames_it_has(options: dict[str, int], words: str) -> None:
    assert Video(source="drift", **options).provenance["clip"] == words


def test_coordinates_of_all_frames_are_the_grid() -> None:
    video = Video(source="drift")
    assert video.domain.grid == (24, 48, 64)
    assert torch.equal(video.coords(torch.arange(24)), grid((24, 48, 64)))
    every = torch.arange(24 * 48 * 64)
    assert torch.equal(video.voxels(every)[0], grid((24, 48, 64)))


def test_minibatches_are_seeded_and_of_the_size_asked_for() -> None:
    video = Video(source="drift", points=500)

    def draw(seed: int) -> torch.Tensor:
        return video.batch("train", ITEM, generator=torch.Generator().manual_seed(seed)).points["voxels"].coords

    assert draw(1).shape == (1, 500, 3)
    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    assert Video(source="drift", points=0.01).points == round(0.01 * 24 * 48 * 64)
    assert Video(source="drift", points=1.0).points == 24 * 48 * 64


def test_the_test_split_is_whole_frames_from_first_to_last(monkeypatch: pytest.MonkeyPatch) -> None:
    video = Video(source="drift")
    everything = video.batch("test", ITEM).points["voxels"]
    assert torch.equal(everything.coords[0], grid((24, 48, 64)))
    monkeypatch.setattr(dataset, "TEST_VOXELS", 3 * 48 * 64 + 5)
    some = video.batch("test", ITEM).points["voxels"]
    chosen = torch.tensor([0, 12, 23])
    assert torch.equal(some.coords[0], video.coords(chosen))
    assert torch.equal(some.values[0], dataset.to_values(video.pictures(chosen)).view(-1, 3))
    monkeypatch.setattr(dataset, "TEST_VOXELS", 1)
    assert video.batch("test", ITEM).points["voxels"].coords.shape[1] == 48 * 64


def test_a_file_is_read_exactly(lossless: Path, pictures: Pictures) -> None:
    video = Video(path=lossless)
    assert np.array_equal(frames(video), pictures)
    assert (video.title, video.metadata["fps"], video.metadata["frames"]) == ("lossless", 10.0, 12)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(start=st.integers(0, 5), stride=st.integers(1, 3), count=st.one_of(st.none(), st.integers(1, 3)))
def test_frames_start_and_stride_choose_frames(start: int, stride: int, count: int | None) -> None:
    expected = DRIFT[start::stride][:count]
    video = Video(source="drift", start=start, stride=stride, frames=count)
    assert np.array_equal(frames(video), expected)
    assert video.metadata["fps"] == pytest.approx(12 / stride)


def test_selections_of_a_file_are_those_of_its_frames(lossless: Path, pictures: Pictures) -> None:
    video = Video(path=lossless, start=2, frames=3, stride=4, crop=(3, 5, 10, 8))
    assert np.array_equal(frames(video), pictures[2:11:4, 3:13, 5:13])
    assert Video(path=lossless, crop="square").shape == (12, 18, 18)
    assert np.array_equal(frames(Video(path=lossless, crop="square")), pictures[:, :, 3:21])


def test_resizing_averages_and_says_so(tmp_path: Path) -> None:
    video = Video(source="drift", crop=(0, 0, 48, 48), size=(24, 24))
    assert video.shape == (24, 24, 24)
    blocks = DRIFT[:, :, :48].reshape(24, 24, 2, 24, 2, 3).mean((2, 4))
    assert float(np.abs(frames(video) - blocks).mean()) < 4
    assert video.provenance["filter"] == "bilinear"


@pytest.mark.parametrize(
    ("options", "shape", "words"),
    [
        ({"size": 24}, (18, 24), ""),
        ({"size": 12}, (9, 12), "; 24 x 18 pixels, shrunk to 12 x 9"),
        ({"size": 48}, (36, 48), "; 24 x 18 pixels, enlarged to 48 x 36"),
        ({"size": (10, 10)}, (10, 10), "; 24 x 18 pixels, stretched to 10 x 10"),
        ({"crop": "square"}, (18, 18), "; 24 x 18 pixels, cropped to 18 x 18"),
        ({"crop": "square", "size": 6}, (6, 6), "; 24 x 18 pixels, cropped to 18 x 18, shrunk to 6 x 6"),
    ],
)
def test_a_clip_says_how_its_pictures_were_changed(
    lossless: Path, options: dict[str, Any], shape: tuple[int, int], words: str
) -> None:
    video = Video(path=lossless, **options)
    assert video.shape == (12, *shape)
    assert video.provenance["shape"] == f"12 frames of {shape[1]} x {shape[0]} pixels{words}"


def test_the_recipe_s_size_keeps_the_proportions_of_any_clip() -> None:
    selection = Selection(size=load_recipe("video_bikes", preset="cpu").data.options["size"])
    assert selection.shape(272, 640, "bikes") == (90, 212)
    assert selection.shape(1920, 1080, "a telephone's") == (212, 119)


def test_a_clip_is_decoded_once(
    lossless: Path, tmp_path: Path, forbid: Callable[[str], None], pictures: Pictures
) -> None:
    Video(path=lossless)
    (kept,) = (tmp_path / "home" / "clips").iterdir()
    assert kept.suffix == ".npy"
    forbid("metasiren_signals.clips.cache.read_frames")
    again = Video(path=lossless)
    assert isinstance(again._array, np.memmap)
    assert np.array_equal(frames(again), pictures)
    with pytest.raises(AssertionError, match="was called"):
        Video(path=lossless, start=1)


def test_a_damaged_cache_is_made_anew(lossless: Path, tmp_path: Path, pictures: Pictures) -> None:
    Video(path=lossless)
    (kept,) = (tmp_path / "home" / "clips").iterdir()
    kept.write_bytes(kept.read_bytes()[:1000])
    assert np.array_equal(frames(Video(path=lossless)), pictures)


def test_where_the_cache_cannot_be_written_a_temporary_file_serves(
    lossless: Path, tmp_path: Path, pictures: Pictures
) -> None:
    (tmp_path / "file").touch()
    video = Video(path=lossless, cache=tmp_path / "file" / "inside")
    assert np.array_equal(frames(video), pictures)
    folder = Path(str(video._array.filename)).parent  # type: ignore[attr-defined]
    assert folder.is_dir()
    del video
    assert not folder.exists()


def test_a_failure_leaves_nothing_behind(lossless: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="frame 12 lies outside"):
        Video(path=lossless, start=12, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_telephones_films_stand_upright(ordinary: Path, pictures: Pictures) -> None:
    """The matrix in an .mp4's track header turns pictures by a quarter."""
    upright = frames(Video(path=ordinary))
    data = bytearray(ordinary.read_bytes())
    place = data.index(b"tkhd") + 44
    quarter = [0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30]
    data[place : place + 36] = b"".join(n.to_bytes(4, "big", signed=True) for n in quarter)
    ordinary.write_bytes(data)
    turned = frames(Video(path=ordinary))
    # That matrix maps (x, y) to (-y, x): clockwise on a screen, whose y runs down.
    assert np.array_equal(turned, np.rot90(upright, -1, axes=(1, 2)))


def test_bad_files_are_refused_before_training(tmp_path: Path, ordinary: Path) -> None:
    def refused(path: Path, match: str, **options: Any) -> None:
        with pytest.raises(DataError, match=match):
            Video(path=path, **options)

    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("not a film " * 100)
    soundfile.write(tmp_path / "sound.wav", np.zeros(1000), 8000)
    data = ordinary.read_bytes()
    (tmp_path / "half.mp4").write_bytes(data[: len(data) * 2 // 3])
    with av.open(str(tmp_path / "none.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = 16, 16, "yuv420p"
        container.start_encoding()
    refused(tmp_path / "nowhere.mp4", "is not there")
    refused(tmp_path, r"is a folder, not a file[\s\S]*ffmpeg -i %04d.png clip.mp4")
    Image.new("RGB", (32, 16)).save(tmp_path / "me.jpg")
    Image.new("RGB", (32, 16)).save(tmp_path / "clip.mp4", "PNG")
    for picture in ("me.jpg", "clip.mp4"):
        refused(tmp_path / picture, f"{picture}: a picture, not a clip.[\\s\\S]*metasiren run image --set data.path=")
    refused(tmp_path / "empty.mp4", "is empty")
    refused(tmp_path / "text.mp4", "not readable as a video")
    refused(tmp_path / "sound.wav", "has no video stream; it holds audio")
    refused(tmp_path / "half.mp4", r"breaks off: \d+ of 12 frames|not readable as a video: Invalid data")
    refused(tmp_path / "none.avi", r"holds no frames|not readable")
    refused(ordinary, r"frame 12 lies outside[\s\S]*12 frames are counted from 0", start=12)
    refused(ordinary, "frame 13 lies outside", start=1, frames=5, stride=3)
    refused(ordinary, "crop .* lies outside of 24 x 18", crop=(0, 0, 19, 24))
    refused(ordinary, "crop .* lies outside of 24 x 18", crop=(0, -1, 4, 4))


def test_frames_that_a_header_does_not_count_are_missed_when_they_fail_to_come(lossless: Path) -> None:
    assert reading.read_header(lossless).frames is None
    with pytest.raises(DataError, match="frame 12 lies outside"):
        Video(path=lossless, frames=13)


def test_absurd_sizes_are_refused_before_decoding(
    ordinary: Path, lossless: Path, monkeypatch: pytest.MonkeyPatch, forbid: Callable[[str], None]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(reading, "MOST_BYTES", 5 * 18 * 24 * 3)
        with pytest.raises(DataError, match="12 pictures of 24 x 18 pixels"):
            Video(path=ordinary)
        with pytest.raises(DataError, match="6 pictures of 24 x 18 pixels"):
            Video(path=lossless)
        assert Video(path=ordinary, frames=5).shape[0] == 5
        patch.setattr(reading, "MOST_SIDE", 20)
        with pytest.raises(DataError, match="24 x 18 pixels"):
            Video(path=ordinary)
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: namedtuple("Usage", "free")(1000))
    forbid("metasiren_signals.clips.cache.write_frames")
    with pytest.raises(DataError, match="GiB left"):
        Video(path=ordinary)


def test_pictures_of_changing_size_are_refused(lossless: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = iter([(4, 4, 3), (4, 4, 3), (4, 6, 3)])
    monkeypatch.setattr(reading, "_upright", lambda _: np.zeros(next(shapes), np.uint8))
    with pytest.raises(DataError, match="frame 1 has 6 x 4 pixels"):
        Video(path=lossless)


def test_bad_options_are_refused() -> None:
    for options, match in (
        ({}, "path is None and source is None"),
        ({"source": "drift", "path": Path("s.mp4")}, "source is drift"),
        ({"source": "drift", "points": 0}, "0 voxels"),
        ({"source": "drift", "points": 1.5}, "1.5 voxels"),
        ({"source": "drift", "stride": 0}, "below 1"),
        ({"source": "drift", "start": -1}, "below 0"),
        ({"source": "drift", "frames": 0}, "below 1"),
        ({"source": "drift", "size": (0, 4)}, "4 x 0 pixels"),
        ({"source": "drift", "size": 0}, "size: 0 pixels"),
        ({"source": "drift", "size": (10**6, 4)}, "4 x 1000000 pixels"),
    ):
        with pytest.raises(RecipeError, match=match):
            Video(**options)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="frame 30 lies outside"):
        Video(source="drift", start=30)


def test_without_pyav_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(PluginError, match=r"metasiren\[signals\]"):
        Video(path=tmp_path / "s.mp4")
    assert Video(source="drift").domain.d_out == 3


def test_missing_says_what_to_give(tmp_path: Path, ordinary: Path) -> None:
    assert "data.path" in (Video.missing() or "")
    assert "none.mp4 is not there" in (Video.missing(path=tmp_path / "none.mp4") or "")
    assert Video.missing(source="drift") is None
    assert Video.missing(path=ordinary) is None


def test_the_cache_s_key_is_of_contents_and_selection(ordinary: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(ordinary.read_bytes())
    assert cache._digest(copy, Selection()) == cache._digest(ordinary, Selection())
    assert cache._digest(copy, Selection(start=1)) != cache._digest(copy, Selection())
    copy.write_bytes(ordinary.read_bytes() + b"x")
    assert cache._digest(copy, Selection()) != cache._digest(ordinary, Selection())
    assert len(cache._digest(copy, Selection())) == 24 <= len(hashlib.sha256().hexdigest())


def test_the_paper_s_bikes(shared_data: Path) -> None:
    path = shared_data / "video" / "bikes.mp4"
    if not path.is_file():
        pytest.skip(f"NO REAL CLIP: {path} is not there")
    header = reading.read_header(path)
    assert (header.frames, header.rows, header.columns, header.fps) == (250, 272, 640, 25.0)
    assert Video(path=path, frames=3).domain.grid == (3, 272, 640)
    # The paper's share of all voxels is the number that its official code draws.
    assert round(38e-4 * 250 * 272 * 640) == 165_376
