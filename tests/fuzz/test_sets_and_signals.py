"""Archives, sounds and clips from strangers: every file ends in data or a message."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz_mutations import demand_message, mutations

from metasiren import DataError
from metasiren.contracts import memory
from metasiren_priors.data import npz, sources
from metasiren_shapes.reading import Cloud, read_surface


def images() -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (12, 8, 8, 3), np.uint8)
    np.savez_compressed(file, images=pixels, split=np.array(["train"] * 8 + ["val"] * 4))
    return file.getvalue()


def test_every_mutated_npz_ends_in_images_or_a_message(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    path.write_bytes(images())
    npz.Npz(path=path)
    for data in mutations(images(), 300):
        path.write_bytes(data)
        try:
            npz.Npz(path=path)
        except DataError as error:
            demand_message(error)


@pytest.mark.parametrize(
    "header", ["{'descr': '|u1', 'fortran_order': False, 'shape': (1e9,)}", "(" * 5000, "{'shape': (9" + "9" * 5000]
)
def test_npy_headers_that_are_no_headers(tmp_path: Path, header: str) -> None:
    inner = b"\x93NUMPY\x02\x00" + len(header).to_bytes(4, "little") + header.encode()
    with zipfile.ZipFile(tmp_path / "set.npz", "w") as archive:
        archive.writestr("images.npy", inner)
    with pytest.raises(DataError):
        npz.Npz(path=tmp_path / "set.npz")


def test_arrays_that_do_not_fit_are_refused_before_they_are_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 3000)
    (tmp_path / "set.npz").write_bytes(images())
    with pytest.raises(DataError, match=r"of memory; 0.0 GB are free"):
        npz.Npz(path=tmp_path / "set.npz")


def test_a_member_without_the_suffix_of_an_array_is_never_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """numpy would unpack all of it: `images` stands before `images.npy` when an archive is asked for `images`."""
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("a member was unpacked as plain bytes"))
    path = tmp_path / "set.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images", b"0" * 100_000)
    with pytest.raises(DataError, match="holds nothing, no `images`"):
        npz.Npz(path=path)
    path.write_bytes(images())
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images", b"0" * 100_000)
        archive.writestr("split", b"0" * 100_000)
    assert npz.Npz(path=path).splits["val"] == 4
    path = tmp_path / "cloud.npz"
    rows = np.random.default_rng(0).normal(size=(6, 3))
    np.savez(path, points=rows, normals=rows)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("points", b"0" * 100_000)
    found = read_surface(path, most=10, seed=0)
    assert isinstance(found, Cloud)
    assert len(found.rows) == 6


@pytest.mark.parametrize("split", [np.zeros(10**6, "S0"), np.zeros(12, "S5000"), np.zeros(12, "U5000")])
def test_names_of_splits_are_neither_many_nor_long(tmp_path: Path, split: np.ndarray[Any, Any]) -> None:
    path = tmp_path / "set.npz"
    np.savez_compressed(path, images=np.zeros((12, 4, 4, 3), np.uint8), split=split)
    with pytest.raises(DataError, match="`split` is"):
        npz.Npz(path=path)


def test_a_member_of_a_zip_is_never_unpacked_beyond_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("small.png", b"0" * 1000)
        archive.writestr("large.png", b"0" * 100_000)
    monkeypatch.setattr(sources, "MOST_BYTES", 5000)
    source = sources.ZipSource(path)
    assert len(source.read("small.png")) == 1000
    with pytest.raises(DataError, match=r"large.png takes 100,000 bytes unpacked"):
        source.read("large.png")


def test_every_mutated_sound_ends_in_a_sound_or_a_message(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile", reason="NO SOUNDFILE: sounds are not read")
    from metasiren_signals.sounds.reading import read_sound

    for form in ("wav", "flac", "ogg"):
        path = tmp_path / f"a.{form}"
        soundfile.write(path, np.sin(np.arange(800) / 9).astype(np.float32), 8000)
        whole = path.read_bytes()
        for data in mutations(whole, 100):
            path.write_bytes(data)
            try:
                read_sound(path)
            except DataError as error:
                demand_message(error)


def test_every_mutated_clip_ends_in_pictures_or_a_message(tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason="NO AV: clips are not read")
    from metasiren_signals.clips.reading import read_frames, read_header
    from metasiren_signals.clips.selection import Selection

    # As torchvision 0.24 sets it when it is imported: FFmpeg's threads wait for Python to say what is damaged.
    av.logging.set_level(av.logging.ERROR)
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 32
        for number in range(6):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), number * 40, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    whole = path.read_bytes()
    for seed in range(2):
        for data in mutations(whole, 150, seed):
            path.write_bytes(data)
            try:
                read_header(path)
                list(read_frames(path, Selection(frames=3)))
            except DataError as error:
                demand_message(error)
