"""Images from a file, from a folder, and the preparation that both CelebA and folders go through."""

from __future__ import annotations

import errno
import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from metasiren import DataError
from metasiren_priors.data import prepare as preparing
from metasiren_priors.data.decode import decode
from metasiren_priors.data.folder import Folder, split_names
from metasiren_priors.data.homes import data_home, roots
from metasiren_priors.data.job import Job
from metasiren_priors.data.npz import Npz
from metasiren_priors.data.own_pictures import open_pictures
from metasiren_priors.data.prepare import prepare
from metasiren_priors.data.prepared import open_prepared, read_record, record_path

QUICK = settings(deadline=None, max_examples=25, derandomize=True)
PAGE = b"<!DOCTYPE html><html><title>Quota exceeded</title></html>"


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data home of the test's own."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("METASIREN_DATA", str(folder))
    return folder


def noise(count: int, size: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def png(pixels: np.ndarray, suffix: str = "png") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, {"jpg": "jpeg"}.get(suffix, suffix))
    return buffer.getvalue()


def make_folder(folder: Path, count: int = 20, size: int = 8) -> np.ndarray:
    pixels = noise(count, size)
    for index, image in enumerate(pixels):
        path = folder / f"{'ab'[index % 2]}" / f"{index:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(image))
    return pixels


# One .npz file


def test_an_npz_gives_its_splits_and_its_stem_as_title(tmp_path: Path) -> None:
    images, split = noise(9), np.array(["train", "val", "train"] * 3)
    np.savez(tmp_path / "few_faces.npz", images=images, split=split)
    faces = Npz(path=tmp_path / "few_faces.npz")
    assert faces.title == "few_faces"
    assert faces.provenance == {"filter": "as stored"}
    assert faces.splits == {"train": 6, "val": 3}
    assert np.array_equal(faces.images("val").numpy(), images[split == "val"])
    named = Npz(path=tmp_path / "few_faces.npz", title="CelebA-10k subset", filter="bilinear")
    assert (named.title, named.provenance["filter"]) == ("CelebA-10k subset", "bilinear")


def test_an_npz_without_splits_is_split_by_its_seed(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=noise(40))
    one, two, other = (Npz(path=tmp_path / "x.npz", val_fraction=0.25, seed=seed) for seed in (0, 0, 1))
    assert one.splits == {"train": 30, "val": 10}
    assert torch.equal(one.images("val"), two.images("val"))
    assert not torch.equal(one.images("val"), other.images("val"))
    everything = torch.cat([one.images("train"), one.images("val")]).reshape(40, -1)
    assert len(everything.unique(dim=0)) == 40


def test_an_npz_may_name_its_splits_in_bytes(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=noise(2), split=np.array([b"train", b"test"]))
    assert Npz(path=tmp_path / "x.npz").splits == {"train": 1, "test": 1}


def test_real_faces_are_read(faces_npz: Path) -> None:
    faces = Npz(path=faces_npz, title="CelebA-10k subset", filter="bilinear")
    assert faces.splits == {"train": 7952, "val": 1066}
    # The mean face's error on the first 300 validation faces, in [0, 1].
    mean = faces.images("train").float().mean(0)
    error = ((faces.images("val", slice(300)).float() - mean) / 255).square().mean()
    assert float(error) == pytest.approx(0.0722, abs=2e-4)


def write(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": np.zeros((2, 4, 4, 3), np.float32)}, "float32"),
        ({"images": np.zeros((2, 4, 4), np.uint8)}, r"\(2, 4, 4\)"),
        ({"images": np.zeros((0, 4, 4, 3), np.uint8)}, "uint8"),
        ({"pictures": np.zeros((2, 4, 4, 3), np.uint8)}, "holds pictures, no `images`"),
        ({"images": np.array([object(), None])}, "Python objects"),
        ({"images": noise(2), "split": np.array(["train", None])}, "`split` holds Python objects"),
        ({"images": noise(2), "split": np.array(["train", "dev"])}, "'dev'"),
        ({"images": noise(2), "split": np.array(["train"])}, "for 2 images"),
        ({"images": noise(2), "split": np.array([0, 1])}, "int64"),
        ({"images": noise(2), "split": np.array(["val", "val"])}, "no training images"),
    ],
)
def test_an_npz_with_unusable_arrays_is_refused(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Npz(path=write(tmp_path / "x.npz", **arrays))


@pytest.mark.parametrize("val_fraction", [-0.1, 1.0])
def test_an_npz_needs_a_sensible_share(tmp_path: Path, val_fraction: float) -> None:
    with pytest.raises(DataError, match="val_fraction"):
        Npz(path=write(tmp_path / "x.npz", images=noise(4)), val_fraction=val_fraction)


def test_a_missing_npz_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not there"):
        Npz(path=tmp_path / "absent.npz")
    assert "absent.npz is not there" in str(Npz.missing(path=tmp_path / "absent.npz"))
    assert "no path" in str(Npz.missing())
    assert Npz.missing(path=write(tmp_path / "x.npz", images=noise(2))) is None


def test_a_persons_npz_needs_no_training_images(tmp_path: Path) -> None:
    images = noise(5)
    for splits, chosen in ((["test"] * 5, images), (["val", "val", "train", "train", "test"], images[4:])):
        path = write(tmp_path / "mine.npz", images=images, split=np.array(splits))
        found = open_pictures(path, size=4, resize="bilinear")
        assert found.title == "mine"
        assert np.array_equal(found.pictures, chosen)
    everything = open_pictures(write(tmp_path / "plain.npz", images=images), size=4, resize="bilinear")
    assert np.array_equal(np.sort(everything.pictures, axis=0), np.sort(images, axis=0))


def test_a_file_that_is_neither_picture_nor_npz_is_named_so(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(DataError, match=r"notes\.txt: the file is neither a picture \(\.bmp, .*\) nor an \.npz file"):
        open_pictures(tmp_path / "notes.txt", size=4, resize="bilinear")


def test_what_is_no_npz_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(PAGE)
    with pytest.raises(DataError, match="web page"):
        Npz(path=path)
    path.write_bytes(b"\x80\x04K\x01.")  # a pickle
    with pytest.raises(DataError, match=r"not an \.npz"):
        Npz(path=path)
    path.write_bytes(write(tmp_path / "whole.npz", images=noise(50)).read_bytes()[:3000])
    with pytest.raises(DataError, match="broke off"):
        Npz(path=path)


def test_an_npz_with_a_damaged_array_is_refused(tmp_path: Path) -> None:
    data = bytearray(write(tmp_path / "x.npz", images=noise(50)).read_bytes())
    data[2000:2100] = bytes(100)
    (tmp_path / "x.npz").write_bytes(data)
    with pytest.raises(DataError, match="`images` cannot be read"):
        Npz(path=tmp_path / "x.npz")


# Decoding


@pytest.mark.parametrize(
    ("resize", "pillow"),
    [
        ("nearest", Image.Resampling.NEAREST),
        ("bilinear", Image.Resampling.BILINEAR),
        ("bicubic", Image.Resampling.BICUBIC),
    ],
)
def test_decoding_is_pillows_crop_and_resize(resize: str, pillow: Image.Resampling) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (218, 178, 3), dtype=np.uint8)
    wanted = Image.fromarray(pixels).crop((0, 20, 178, 198)).resize((32, 32), pillow)
    assert np.array_equal(decode(png(pixels), size=32, resize=resize), np.asarray(wanted))


def test_nearest_takes_pixels_and_bilinear_averages_over_them() -> None:
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, -1)
    assert set(np.unique(decode(png(board), size=32, resize="nearest"))) <= {0, 255}
    grey = decode(png(board), size=32, resize="bilinear").astype(int)
    assert np.abs(grey - 127.5).max() <= 3  # at the edge the triangle is cut


def test_grey_transparent_and_turned_pictures_decode() -> None:
    grey = np.full((4, 4), 77, np.uint8)
    assert (decode(png(grey), size=2, resize="bilinear") == 77).all()
    palette = Image.fromarray(np.full((4, 4, 3), 200, np.uint8)).quantize(4)
    buffer = io.BytesIO()
    palette.save(buffer, "png", transparency=b"\x80" * 4)
    # Half of it shows the white behind.
    assert (decode(buffer.getvalue(), size=2, resize="nearest") == 227).all()
    half = np.zeros((4, 4, 3), np.uint8)
    half[:2] = 255
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(half).save(turned, "png", exif=exif)
    assert decode(turned.getvalue(), size=4, resize="nearest")[:, :, 0].tolist() == [[0] * 4] * 2 + [[255] * 4] * 2


def test_pictures_of_16_bits_are_scaled_rather_than_clipped() -> None:
    assert (decode(png(np.full((4, 4), 40000, np.uint16)), size=2, resize="nearest") == 156).all()


# A folder


def test_a_folder_gives_its_images_sorted_and_split(tmp_path: Path) -> None:
    pixels = make_folder(tmp_path)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / ".hidden.png").write_bytes(b"no image either")
    folder = Folder(path=tmp_path, size=8, val_fraction=0.2, test_fraction=0.2)
    assert folder.title == tmp_path.name
    assert folder.provenance == {"filter": "bilinear", "shape": "the centre square of each picture"}
    assert sum(folder.splits.values()) == 20
    assert set(folder.splits) == {"train", "val", "test"}
    found = np.concatenate([folder.images(split).numpy() for split in folder.splits])
    assert np.array_equal(np.unique(found.reshape(20, -1), axis=0), np.unique(pixels.reshape(20, -1), axis=0))


def test_all_kinds_of_images_are_found(tmp_path: Path) -> None:
    for suffix in ("png", "jpg", "jpeg", "webp", "bmp", "tif"):
        (tmp_path / f"x.{suffix.upper()}").write_bytes(png(noise(1)[0], {"tif": "tiff"}.get(suffix, suffix)))
    assert sum(Folder(path=tmp_path, size=4, title="mixture").splits.values()) == 6


def test_a_folder_is_prepared_once_and_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_folder(tmp_path)
    first = Folder(path=tmp_path, size=8)
    monkeypatch.setattr("metasiren_priors.data.decode.decode", lambda *_, **__: pytest.fail("decoded again"))
    assert torch.equal(Folder(path=tmp_path, size=8).images("train"), first.images("train"))
    monkeypatch.undo()
    monkeypatch.setenv("METASIREN_DATA", str(data_home()))
    (tmp_path / "a" / "more.png").write_bytes(png(noise(1, 8, seed=5)[0]))
    assert sum(Folder(path=tmp_path, size=8).splits.values()) == 21


@QUICK
@given(
    count=st.integers(3, 60),
    seed=st.integers(0, 5),
    val=st.sampled_from([0.0, 0.05, 0.5]),
    test=st.sampled_from([0.0, 0.3]),
)
def test_splits_share_all_names_and_none_is_empty(count: int, seed: int, val: float, test: float) -> None:
    names = [f"{index}.png" for index in range(count)]
    splits = split_names(names, {"val": val, "test": test}, seed)
    assert sorted(name for found in splits.values() for name in found) == sorted(names)
    assert all(splits.values())
    assert set(splits) == {"train", *(["val"] if val else []), *(["test"] if test else [])}


def test_an_image_keeps_its_split_when_others_come() -> None:
    few, many = [f"{index}.png" for index in range(200)], [f"{index}.png" for index in range(400)]
    before, after = (split_names(names, {"val": 0.2}, 0) for names in (few, many))
    assert set(before["val"]) <= set(after["val"])
    assert set(before["train"]) <= set(after["train"])
    assert 60 < len(after["val"]) < 100


def test_too_few_images_for_the_splits_are_refused(tmp_path: Path) -> None:
    (tmp_path / "only.png").write_bytes(png(noise(1)[0]))
    with pytest.raises(DataError, match="1 image cannot be shared among 2 splits"):
        Folder(path=tmp_path)
    assert Folder(path=tmp_path, val_fraction=0).splits == {"train": 1}


def test_an_empty_or_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no images in this folder"):
        Folder(path=tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        Folder(path=tmp_path / "absent")
    assert "is not there" in str(Folder.missing(path=tmp_path / "absent"))
    assert "no folder" in str(Folder.missing())
    assert Folder.missing(path=tmp_path) is None


@pytest.mark.parametrize("options", [{"size": 0}, {"val_fraction": 1.0}, {"test_fraction": -0.5}])
def test_impossible_options_of_a_folder_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    make_folder(tmp_path, 3)
    with pytest.raises(DataError, match="shares that leave some for training"):
        Folder(path=tmp_path, **options)


def test_images_that_do_not_decode_are_all_named_or_left_out(tmp_path: Path) -> None:
    make_folder(tmp_path)
    (tmp_path / "a" / "cut.png").write_bytes(png(noise(1, 40)[0])[:900])
    (tmp_path / "b" / "page.jpg").write_bytes(PAGE)
    with pytest.raises(DataError) as caught:
        Folder(path=tmp_path, size=8)
    assert "2 images cannot be decoded" in str(caught.value)
    assert "a/cut.png" in str(caught.value)
    assert "b/page.jpg" in str(caught.value)
    kept = Folder(path=tmp_path, size=8, skip_broken=True)
    assert sum(kept.splits.values()) == 20
    assert kept.provenance["skipped"] == "2 images that do not decode"
    assert torch.equal(Folder(path=tmp_path, size=8, skip_broken=True).images("train"), kept.images("train"))


def test_a_long_list_of_broken_images_is_cut_short(tmp_path: Path) -> None:
    for index in range(14):
        (tmp_path / f"{index:02}.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match="and 4 more"):
        Folder(path=tmp_path)
    with pytest.raises(DataError, match="none of 14 images"):
        Folder(path=tmp_path, skip_broken=True)


# Preparation: interrupted, damaged, on a full disk


def job(target: Path, count: int = 50, **changes: Any) -> tuple[Job, list[str], np.ndarray]:
    """A job over noise, the names that it loads, and the array that it should give."""
    pixels, loaded = noise(count, 4), []

    def load(name: str) -> np.ndarray:
        loaded.append(name)
        return pixels[int(name)]

    names = [str(index) for index in range(count)]
    splits = {"train": names[:40], "val": names[40:]}
    return Job("noise", target, 4, "nearest", splits, load, **changes), loaded, pixels


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(preparing, "CHUNK", 8)
    return tmp_path / "prepared" / "noise_4_nearest.npy"


def assert_sound(target: Path, pixels: np.ndarray) -> None:
    arrays, record = open_prepared(target, "")
    assert record.splits == {"train": 40, "val": 10}
    assert np.array_equal(np.load(target, allow_pickle=False), pixels)
    assert np.array_equal(arrays["val"], pixels[40:])
    assert sorted(path.name for path in target.parent.iterdir()) == [record_path(target).name, target.name]


def test_a_prepared_array_holds_what_was_loaded_and_tells_its_progress(target: Path) -> None:
    counts: list[int] = []
    this, loaded, pixels = job(target)
    prepare(this, counts.append)
    assert_sound(target, pixels)
    assert sum(counts) == 50
    prepare(this)
    assert len(loaded) == 50  # ready: nothing is loaded again


class StopError(BaseException):
    """Stands for a signal that ends the process."""


def interrupt(this: Job, after: int) -> None:
    """Prepare until `after` images are done."""
    counts: list[int] = []

    def stop(count: int) -> None:
        counts.append(count)
        if sum(counts) >= after:
            raise StopError

    with pytest.raises(StopError):
        prepare(this, stop)


@pytest.mark.parametrize("after", [8, 24, 48, 50])
def test_an_interrupted_preparation_goes_on_where_it_stopped(target: Path, after: int) -> None:
    this, loaded, pixels = job(target)
    interrupt(this, after)
    done = len(loaded)
    assert done == min(50, after)
    with pytest.raises(DataError, match="has not ended"):
        open_prepared(target, "")
    prepare(this)
    assert loaded[done:] == [str(index) for index in range(done, 50)]
    assert_sound(target, pixels)


def test_rows_written_without_their_record_are_written_again(target: Path) -> None:
    this, _, pixels = job(target)
    interrupt(this, 16)
    with target.with_name(target.name + ".part").open("ab") as file:
        file.write(b"half a row of another life")
    prepare(this)
    assert_sound(target, pixels)


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "record"])
def test_damaged_beginnings_are_made_again(target: Path, damage: str) -> None:
    this, loaded, pixels = job(target)
    interrupt(this, 24)
    part = target.with_name(target.name + ".part")
    if damage == "flip":
        data = bytearray(part.read_bytes())
        data[300] ^= 1
        part.write_bytes(data)
    elif damage == "cut":
        part.write_bytes(part.read_bytes()[:500])
    elif damage == "remove":
        part.unlink()
    else:
        record_path(target).write_text('{"state": "preparing"')
    loaded.clear()
    prepare(this)
    assert len(loaded) == 50
    assert_sound(target, pixels)


def test_another_source_does_not_continue_the_old_one(target: Path) -> None:
    old, _, _ = job(target, stamp="monday")
    interrupt(old, 24)
    new, loaded, pixels = job(target, stamp="tuesday")
    prepare(new)
    assert len(loaded) == 50
    assert_sound(target, pixels)


def test_a_stop_between_the_last_two_steps_loses_nothing(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    this, loaded, pixels = job(target)
    write_record = preparing.write_record

    def fail(path: Path, record: Any) -> None:
        if record.state == "ready":
            raise StopError
        write_record(path, record)

    monkeypatch.setattr(preparing, "write_record", fail)
    with pytest.raises(StopError):
        prepare(this)
    monkeypatch.setattr(preparing, "write_record", write_record)
    loaded.clear()
    prepare(this)
    assert not loaded
    assert_sound(target, pixels)


@pytest.mark.parametrize("writer", ["append", "write_record"])
def test_a_full_disk_keeps_what_was_prepared(target: Path, monkeypatch: pytest.MonkeyPatch, writer: str) -> None:
    this, loaded, pixels = job(target)
    original, calls = getattr(preparing, writer), []

    def full(file: Any, data: Any) -> None:
        calls.append(1)
        if len(calls) == 4:
            if writer == "append":
                file.write(data[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        original(file, data)

    monkeypatch.setattr(preparing, writer, full)
    with pytest.raises(DataError) as caught:
        prepare(this)
    done = 24 if writer == "append" else 16
    assert f"no space is left on the disk; {done} of 50 images are prepared and kept" in str(caught.value)
    assert "goes on where it stopped" in str(caught.value)
    monkeypatch.setattr(preparing, writer, original)
    loaded.clear()
    prepare(this)
    assert len(loaded) == 50 - done
    assert_sound(target, pixels)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    this, _, _ = job(tmp_path / "file" / "noise.npy")
    with pytest.raises(DataError, match="cannot be written"):
        prepare(this)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("cut", "cannot be opened"),
        ("other", "its record says"),
        ("record", "missing or damaged"),
        ("gone", "cannot be opened"),
    ],
)
def test_a_damaged_array_is_not_opened(target: Path, damage: str, message: str) -> None:
    prepare(job(target)[0])
    if damage == "cut":
        target.write_bytes(target.read_bytes()[:1000])
    elif damage == "other":
        np.save(target, noise(3, 4))
    elif damage == "record":
        record_path(target).write_text("[]")
    else:
        target.unlink()
    with pytest.raises(DataError, match=message):
        open_prepared(target, "Prepare it again.")


def test_records_that_make_no_sense_are_no_records(target: Path) -> None:
    target.parent.mkdir()
    for text in ("", "[]", "{}", '{"state": 1, "skipped": 2}'):
        record_path(target).write_text(text)
        assert read_record(target) is None


def test_two_at_once_prepare_one_array(target: Path) -> None:
    this, loaded, pixels = job(target)
    with ThreadPoolExecutor(2) as pool:
        records = list(pool.map(prepare, [this, replace(this)]))
    assert records[0] == records[1]
    assert len(loaded) == 50
    assert_sound(target, pixels)


def test_data_lie_in_the_named_folder_or_else_in_the_cache(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Path.home() / ".cache" / "metasiren"
    assert roots(None) == [home, cache]
    assert roots("~/x") == [Path.home() / "x"]
    monkeypatch.delenv("METASIREN_DATA")
    assert data_home() == cache
    assert roots(None) == [cache]


def test_nothing_is_unpacked_or_unpickled(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("images.npy", b"\x80\x04K\x01.")
    with pytest.raises(DataError, match="images"):
        Npz(path=tmp_path / "x.npz")


def test_a_file_of_a_person_that_is_no_picture_is_named_alone(tmp_path: Path) -> None:
    from metasiren_priors.data.own_pictures import open_pictures

    (tmp_path / "noise.png").write_bytes(bytes(range(1, 200)))
    with pytest.raises(DataError, match=r"noise\.png: no picture that can be read: no format that Pillow knows\."):
        open_pictures(tmp_path / "noise.png", size=8, resize="bilinear")
